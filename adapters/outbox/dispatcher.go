package outbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/records"
)

// Dispatcher has the tasks done that are due. One of a node runs, while the node leads.
type Dispatcher struct {
	cfg   Config
	stats *stats
	lanes atomic.Pointer[[]LaneState]
}

// New checks cfg. It fails with every fault of it, or when its registry has such metrics already.
func New(cfg Config) (*Dispatcher, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	st, err := newStats(cfg.Registry)
	return &Dispatcher{cfg: cfg, stats: st}, err
}

// Lanes is the state of each connection that has had a task since this node leads; nil while it does
// not.
func (d *Dispatcher) Lanes() []LaneState {
	if p := d.lanes.Load(); p != nil {
		return *p
	}
	return nil
}

// Run has tasks done until ctx ends, which it must as soon as the node no longer leads in term; then it
// waits for its calls, whose contexts end too. Of what was under way nothing is written any more: the
// next leader takes it up when its claim has ended.
//
// It fails with ctx's error, with [ErrDeposed], or when the store does; run it again while the term
// lasts.
func (d *Dispatcher) Run(ctx context.Context, term uint64) error {
	fence, err := Lead(ctx, d.cfg.Store, "outbox", term)
	if err != nil {
		return fmt.Errorf("outbox: take the fence: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l := &loop{
		Dispatcher: d, term: term, fence: fence, cancel: cancel,
		board: newBoard(), kinds: slices.Sorted(maps.Keys(d.cfg.Executors)),
		landed: make(chan landing, 64), news: make(chan news),
	}
	l.board.reads = d.cfg.ReadKinds
	l.workers.Go(func() { l.watch(ctx) })
	l.run(ctx)
	cancel(nil)
	done := make(chan struct{})
	go func() { l.workers.Wait(); close(done) }()
	for {
		select {
		case <-l.landed: // nobody counts any more
		case <-done:
			d.lanes.Store(nil)
			d.stats.reset()
			return context.Cause(ctx)
		}
	}
}

// loop is one term of a Dispatcher. Its board is used by the goroutine of run alone.
type loop struct {
	*Dispatcher
	term    uint64
	fence   Fence
	cancel  context.CancelCauseFunc
	board   *board
	kinds   []string // that are done here
	landed  chan landing
	news    chan news
	workers sync.WaitGroup
	shown   time.Time
}

// news is what a watch returned.
type news struct {
	changes []records.Change
	lost    bool
}

// watch hands over what changes. The store keeps what the loop has no time for.
func (l *loop) watch(ctx context.Context) {
	w := l.cfg.Store.Watch(records.Tasks)
	defer w.Close()
	for {
		changes, lost, err := w.Next(ctx)
		if err != nil {
			l.cancel(fmt.Errorf("outbox: follow the tasks: %w", err))
			return
		}
		select {
		case l.news <- news{changes, lost}:
		case <-ctx.Done():
			return
		}
	}
}

// run is the loop: whatever comes in changes the board, and then what may run is given to workers.
func (l *loop) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	known := false // all has been read once
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-l.news:
			if n.lost || !known {
				if err := l.reread(ctx); err != nil {
					l.cancel(fmt.Errorf("outbox: read the tasks: %w", err))
					return
				}
				known = true
			}
			l.follow(n.changes)
		case x := <-l.landed:
			l.land(ctx, x)
			for range len(l.landed) {
				l.land(ctx, <-l.landed)
			}
		case <-timer.C:
		}
		now, wait := l.cfg.Now(), idle
		if known {
			l.board.pass(now.UnixMilli())
			wait = l.dispatch(ctx, now)
		}
		if now.Sub(l.shown) >= time.Second || now.Before(l.shown) {
			l.show(now)
		} else {
			wait = min(wait, time.Second) // and then what has happened since is shown
		}
		timer.Reset(wait)
	}
}

// reread reads every task that is open, and forgets what is not any more.
func (l *loop) reread(ctx context.Context) error {
	l.stats.rereads.Inc()
	l.board.generation++
	clear(l.board.past)
	if err := EachOpen(ctx, l.cfg.Store, l.kinds, l.learn); err != nil {
		return err
	}
	l.board.sweep(l.cfg.Now().UnixMilli())
	return nil
}

func (l *loop) follow(changes []records.Change) {
	for i := range changes {
		c := &changes[i]
		if l.board.old(c.Key, c.Version) {
			continue
		}
		if c.Gone {
			l.board.end(c.Key, c.Version, l.cfg.Now().UnixMilli())
		} else {
			l.learn(&c.Record)
		}
	}
}

// learn takes over a record, decoding it only if it says something new. A task that is not done here is
// nothing to the board, but that others may wait for its end.
func (l *loop) learn(r *records.Record) {
	now := l.cfg.Now().UnixMilli()
	if kind, _, _ := strings.Cut(r.Key, ":"); l.cfg.Executors[kind] == nil {
		if s := State(r.State); s == Done || s == Dropped {
			l.board.free(r.Key, now)
		}
		return
	}
	it := l.board.items[r.Key]
	if it != nil && it.version >= r.Version {
		it.generation = l.board.generation
		return
	}
	if it != nil && it.place == flying {
		it.missed = r.Version // most often our own claim or finish, of which the landing tells
		return
	}
	if s := State(r.State); s == Done || s == Dropped {
		l.board.end(r.Key, r.Version, now)
		return
	}
	t, err := records.Decode[head](*r)
	if err != nil {
		l.cfg.Logger.Error("a task cannot be read", "task", r.Key, "error", err)
		return
	}
	l.board.learn(&Task{ID: r.Key, Kind: t.Kind, Connection: t.Connection, Part: t.Part,
		State: State(r.State), Tries: t.Tries, NextAt: t.NextAt, ClaimUntil: t.ClaimUntil,
		Unknown: t.Unknown, After: t.After}, r.Version, now)
}

// head is what the board needs of a task.
type head struct {
	Kind, Connection, Part, After string
	Tries                         int
	NextAt                        time.Time `json:"next_at"`
	ClaimUntil                    time.Time `json:"claim_until"`
	Unknown                       bool
}

// dispatch gives to workers what may run now, and returns how long nothing will change by itself.
func (l *loop) dispatch(ctx context.Context, now time.Time) time.Duration {
	wake := now.Add(idle)
	if len(l.board.timers) > 0 {
		if at := time.UnixMilli(l.board.timers[0].at); at.Before(wake) {
			wake = at
		}
	}
	for _, lane := range l.board.order {
		for len(lane.ready)+len(lane.reads) > 0 {
			ok, again := lane.may(now, l.cfg.Gate, l.cfg.PerConnection)
			if !ok {
				if !again.IsZero() && again.Before(wake) {
					wake = again
				}
				break
			}
			it := l.board.next(lane, now.UnixMilli())
			if it == nil {
				continue // what is left waits for the gate, which says until when
			}
			if it.retry && !lane.budget.mayRetry(now) {
				l.board.wait(it, now.Add(time.Second).UnixMilli())
				l.board.ready(l.board.keyOf(it.key), now.UnixMilli())
				continue
			}
			lane.budget.take(now)
			l.board.fly(it)
			a := attempt{loop: l, item: it, id: it.id, executor: l.cfg.Executors[it.kind]}
			l.workers.Go(func() { l.landed <- a.run(ctx) })
		}
	}
	return max(wake.Sub(now), time.Millisecond)
}

// idle is how long the loop sleeps at most when nothing is due: clocks may be set.
const idle = time.Minute

// landing is the end of an attempt: what the task is now, and what the call said of its connection.
type landing struct {
	item    *item
	task    Task
	version uint64 // 0: nothing is known anew
	called  bool
	verdict *Verdict // nil: the call succeeded
	end     string
	wait    time.Duration // before the task is looked at again, when nothing is known anew
	behind  bool          // the task that it comes after is not done
}

func (l *loop) land(ctx context.Context, x landing) {
	now := l.cfg.Now()
	lane := x.item.lane
	if x.version != 0 {
		l.board.learn(&x.task, x.version, now.UnixMilli())
	}
	if x.item.missed > x.item.version {
		x.wait = max(x.wait, again) // it is read again before it runs
	}
	l.board.landed(x.item, now.UnixMilli())
	if x.wait > 0 && !x.item.ended && (x.item.place == listed || x.item.place == nowhere) {
		l.board.unplace(x.item, now.UnixMilli())
		l.board.wait(x.item, now.Add(x.wait).UnixMilli())
		if x.behind {
			l.board.awaits(x.item)
		}
	}
	if x.end != "" {
		l.stats.ends.WithLabelValues(lane.connection, x.end).Inc()
	}
	if !x.called {
		return
	}
	before := lane.breaker.state
	raise, clear := lane.heard(now, x.verdict, l.cfg.Jitter())
	if lane.breaker.state != before {
		l.cfg.Logger.Warn("the breaker of a connection changed", "connection", lane.connection,
			"from", before.String(), "to", lane.breaker.state.String())
	}
	if raise != nil || clear {
		l.workers.Go(func() { l.tell(ctx, lane.connection, raise) })
	}
}

// tell raises what is wrong with a connection as a whole, or clears all such when raise is nil. What
// cannot be written is only logged: the next one tells it again.
func (l *loop) tell(ctx context.Context, connection string, raise *exceptions.Exception) {
	s := l.cfg.Store
	_, err := records.Retry(ctx, s, func(tx *records.Tx) error {
		if raise != nil {
			return exceptions.Raise(ctx, s, tx, *raise)
		}
		for _, trace := range laneTraces(connection) {
			if err := exceptions.Clear(ctx, s, tx, trace, l.cfg.Now()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		l.cfg.Logger.Warn("the state of a connection is not told", "connection", connection,
			"error", err)
	}
}

func (l *loop) show(now time.Time) {
	l.shown = now
	list := make([]LaneState, 0, len(l.board.order))
	for _, lane := range l.board.order {
		s := lane.show(now)
		l.stats.show(s)
		list = append(list, s)
	}
	l.lanes.Store(&list)
}
