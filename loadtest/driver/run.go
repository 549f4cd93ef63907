package driver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/loadtest/scenario"
	"holdfast/loadtest/schedule"
)

// Config is what a run needs beside its scenario.
type Config struct {
	Scenario *scenario.Scenario
	Run      string // begins every id of the run, so that it can meet a server that is in use
	Targets  []string
	Token    string
	// Part of Parts processes; 0 of 1 when there is only one. Part 0 prepares and does the faults.
	Part, Parts int
	// Fault does a fault and returns what undoes it. Nil where no fault can be done.
	Fault func(ctx context.Context, f scenario.Fault) (undo func(context.Context) error, err error)
	// Progress is called once a second, if it is not nil.
	Progress func(Live)
	// Drain is how long calls that are due when the last phase ends may still be sent.
	Drain time.Duration
}

// Live is where a run stands.
type Live struct {
	At           time.Duration
	Phase        string
	Rate         float64 // sent in the last second
	P50, P99     time.Duration
	Errors       int
	Unsent       int
	OldestUnsent time.Duration
}

// Result is what a run did. Records of several processes can be merged.
type Result struct {
	Run     string        `json:"run"`
	Began   time.Time     `json:"began"`
	Took    time.Duration `json:"took"`
	Every   time.Duration `json:"every"` // length of a slice
	Due     int           `json:"due"`   // calls that the schedule asked for
	Sent    int           `json:"sent"`
	Unsent  int           `json:"unsent"`
	Instead int           `json:"instead"` // verbs that no order waited for; a read was sent instead
	Cells   []*Cell       `json:"cells"`
	Slices  []*Slice      `json:"slices"`
	Marks   []Mark        `json:"marks,omitempty"`
	Records []Record      `json:"-"`
}

// Driver runs one scenario once.
type Driver struct {
	cfg     Config
	s       *scenario.Scenario
	plan    *schedule.Plan
	targets []Target
	began   time.Time
	queue   *queue
	tally   *Tally
	book    book
	leader  atomic.Int64 // index of the target that leads; -1 where it is not known
	due     atomic.Int64
	instead atomic.Int64

	mu struct {
		sync.Mutex
		records []Record
		marks   []Mark
	}
}

// New prepares a run. It fails when a target is no URL or a fault of the scenario cannot be done.
func New(cfg Config) (*Driver, error) {
	if cfg.Parts == 0 {
		cfg.Parts = 1
	}
	if cfg.Drain == 0 {
		cfg.Drain = 30 * time.Second
	}
	if len(cfg.Targets) == 0 {
		return nil, errors.New("no target")
	}
	if len(cfg.Scenario.Faults) > 0 && cfg.Fault == nil {
		return nil, errors.New("the scenario has faults, and nothing here can do them")
	}
	d := &Driver{cfg: cfg, s: cfg.Scenario, plan: schedule.NewPlan(cfg.Scenario),
		queue: newQueue(cfg.Scenario.Waiting), tally: newTally(cfg.Scenario.Duration())}
	d.leader.Store(-1)
	for _, raw := range cfg.Targets {
		t, err := NewTarget(raw)
		if err != nil {
			return nil, err
		}
		d.targets = append(d.targets, t)
	}
	return d, nil
}

// Run prepares the stock, sends the calls and waits for the last answer. It fails when the stock
// could not be prepared or ctx ended; what calls answered, refused or lost is in the result.
func (d *Driver) Run(ctx context.Context) (*Result, error) {
	if d.cfg.Part == 0 {
		if err := d.prepare(ctx); err != nil {
			return nil, fmt.Errorf("prepare the stock: %w", err)
		}
	}
	d.began = time.Now()
	side, stop := context.WithCancel(ctx)
	defer stop()
	var beside errgroup.Group
	beside.Go(func() error { d.beside(side); return nil })
	var workers errgroup.Group
	for w := range max(1, d.s.Connections/d.cfg.Parts) {
		workers.Go(func() error { d.work(ctx, w); return nil })
	}
	var users errgroup.Group
	d.closedPhases(ctx, &users)
	d.dispatch(ctx)
	d.wait(ctx, d.s.Duration())
	_ = users.Wait() // they have no error of their own
	d.queue.close()
	late := time.AfterFunc(d.cfg.Drain, func() { d.giveUp() })
	_ = workers.Wait()
	late.Stop()
	if ctx.Err() != nil {
		d.giveUp()
	}
	stop()
	_ = beside.Wait()
	return d.result(), ctx.Err()
}

// dispatch puts every call of the open phases into the queue when it is due.
func (d *Driver) dispatch(ctx context.Context) {
	for a := range schedule.Arrivals(d.s) {
		if a.N%uint64(d.cfg.Parts) != uint64(d.cfg.Part) {
			continue
		}
		if !d.wait(ctx, a.Due) {
			return
		}
		c := d.plan.Call(a.N, a.Due)
		d.put(job{call: c, phase: a.Phase, due: a.Due})
		if c.Duplicate && c.Op == "reserve" {
			d.put(job{call: c, phase: a.Phase, due: a.Due, again: true})
		}
	}
}

func (d *Driver) put(j job) {
	d.due.Add(1)
	if !d.queue.put(j) {
		d.tally.unsent(d.phase(j.phase), j)
	}
}

func (d *Driver) giveUp() {
	for _, j := range d.queue.drop() {
		d.tally.unsent(d.phase(j.phase), j)
	}
}

// wait sleeps until a moment of the run; false when ctx ended.
func (d *Driver) wait(ctx context.Context, until time.Duration) bool {
	left := until - time.Since(d.began)
	if left <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (d *Driver) work(ctx context.Context, w int) {
	h := d.hand(w)
	defer h.close()
	for {
		j, ok := d.queue.take()
		if !ok {
			return
		}
		if ctx.Err() != nil {
			d.tally.unsent(d.phase(j.phase), j)
			continue
		}
		h.call(ctx, j)
	}
}

// closedPhases starts the users of the closed phases; each waits for its answer before it goes on.
func (d *Driver) closedPhases(ctx context.Context, g *errgroup.Group) {
	begin := time.Duration(0)
	for i, p := range d.s.Phases {
		from, to := begin, begin+p.Duration
		begin = to
		if p.Model != "closed" {
			continue
		}
		for u := d.cfg.Part; u < p.Users; u += d.cfg.Parts {
			g.Go(func() error {
				h := d.hand(u)
				defer h.close()
				next := from
				for n := uint64(i+1)<<56 | uint64(u)<<32; d.wait(ctx, next) && next < to; n++ {
					d.due.Add(1)
					h.call(ctx, job{call: d.plan.Call(n, next), phase: i, due: next})
					next = time.Since(d.began) + p.Think
				}
				return nil
			})
		}
	}
}

func (d *Driver) phase(i int) string { return d.s.Phases[i].Name }

func (d *Driver) result() *Result {
	d.tally.mu.Lock()
	defer d.tally.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	r := &Result{Run: d.cfg.Run, Began: d.began, Took: time.Since(d.began), Every: d.tally.every,
		Due: int(d.due.Load()), Sent: d.tally.mu.sent, Unsent: d.tally.mu.unsent,
		Instead: int(d.instead.Load()), Slices: d.tally.mu.slices, Marks: d.mu.marks,
		Records: d.mu.records}
	for _, c := range d.tally.mu.cells {
		r.Cells = append(r.Cells, c)
	}
	sortCells(r.Cells)
	return r
}
