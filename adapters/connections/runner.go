package connections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/adapters/records"
)

// Last is the last run that a schedule made due. It is the record CONNECTION/flow/FLOW, written
// when the run begins and when it ends: a leader that finds it running runs it again, because the
// one that began it is gone.
type Last struct {
	Spec      string    `json:"spec"` // the schedule that it was due by; another one begins from now
	Due       time.Time `json:"due"`
	State     string    `json:"state,omitempty"` // running, done, failed; empty before the first
	Error     string    `json:"error,omitempty"`
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	Term      uint64    `json:"term,omitempty"`

	version uint64
}

func readLast(ctx context.Context, r records.Reader, connection, flow string) (Last, error) {
	row, ok, err := r.Get(ctx, records.Cursors, lastKey(connection, flow))
	if err != nil || !ok {
		return Last{}, err
	}
	last, err := records.Decode[Last](row)
	last.version = row.Version
	return last, err
}

// spec is what makes a schedule another one.
func (f Flow) spec() string { return f.Cron + "|" + f.Zone + "|" + f.Quiet }

// NotBefore returns t, or the end of the flow's quiet hours that t lies in; what cannot be read is
// not quiet.
func (f Flow) NotBefore(t time.Time) time.Time {
	zone, err := parseZone(f.Zone)
	if err != nil {
		return t
	}
	hush, _ := parseQuiet(f.Quiet, zone)
	return hush.until(t)
}

// runner runs the flows of one connection when they are due or asked for, each flow once at a time.
type runner struct {
	store    records.Store
	registry *Registry
	adapter  Adapter
	conn     Connection
	term     uint64
	now      func() time.Time
	health   *Reporter

	busy  map[string]bool // flows that run
	ended chan string     // their names
}

// maxRunning bounds the flows of one connection that run at a time: they share its budget.
const maxRunning = 4

// longestWait bounds a sleep, so that a clock that was set is noticed.
const longestWait = time.Minute

// errAgain ends the loops of a connection whose start begins anew.
var errAgain = errors.New("the start begins anew")

// run blocks until ctx ends, or with errAgain or the store's error. It waits for the runs that it
// began.
func (r *runner) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	r.busy, r.ended = make(map[string]bool), make(chan string)
	defer func() {
		cancel()
		for range len(r.busy) {
			<-r.ended
		}
	}()
	for {
		changed := r.registry.Changed() // before the look, so that no change falls in between
		if err := r.asked(ctx); err != nil {
			return err
		}
		next, err := r.due(ctx)
		if err != nil {
			return err
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case flow := <-r.ended:
			delete(r.busy, flow)
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// asked begins the runs that wait. Whatever state their records say, none of them runs: those that
// do are busy here, and whoever else had begun one is gone.
func (r *runner) asked(ctx context.Context) error {
	runs, err := readRuns(ctx, r.store, runPrefix(r.conn.ID))
	if err != nil {
		return err
	}
	for _, run := range runs {
		if run.Flow == FlowStart {
			return r.again(ctx, run)
		}
		if r.busy[run.Flow] || len(r.busy) >= maxRunning {
			continue
		}
		run.State, run.StartedAt, run.Term = Running, r.now().UTC(), r.term
		ok, err := r.claim(ctx, records.Record{Table: records.Cursors,
			Key: runPrefix(run.Connection) + run.ID}, run, &run.version)
		if err != nil {
			return err
		}
		if ok {
			r.begin(ctx, run, func(result Run) func(tx *records.Tx) { return r.file(run, result) })
		}
	}
	return nil
}

// again forgets the start, and the run that asked for it with it.
func (r *runner) again(ctx context.Context, run Run) error {
	var tx records.Tx
	tx.Drop(records.Cursors, r.conn.ID+startSuffix, 0)
	run.StartedAt, run.Term = r.now().UTC(), r.term
	result := run
	result.State, result.EndedAt = Ended, run.StartedAt
	r.file(run, result)(&tx)
	out, err := r.store.Submit(ctx, &tx)
	if err == nil && out.Conflict {
		return nil // read again
	}
	if err != nil {
		return err
	}
	return errAgain
}

// claim writes that a run has begun. It is false when the record has changed: another leader has
// it.
func (r *runner) claim(ctx context.Context, row records.Record, body any, version *uint64) (bool,
	error) {
	var tx records.Tx
	row.Body = tx.Encode(body)
	tx.Replace(row, *version)
	out, err := r.store.Submit(ctx, &tx)
	if err != nil {
		return false, fmt.Errorf("claim %s: %w", row.Key, err)
	}
	*version = out.Index
	return !out.Conflict, nil
}

// file makes the write that moves a run to those that have ended.
func (r *runner) file(run, result Run) func(tx *records.Tx) {
	return func(tx *records.Tx) {
		tx.Drop(records.Cursors, runPrefix(run.Connection)+run.ID, run.version)
		tx.Put(records.Record{Table: records.Cursors, Key: ranPrefix(run.Connection) + run.ID,
			Expires: result.EndedAt.Add(keepRuns), Body: tx.Encode(result)})
	}
}

// due begins what a schedule has made due, and returns how long nothing else will be.
func (r *runner) due(ctx context.Context) (time.Duration, error) {
	wait := longestWait
	for flow, doc := range r.conn.Flows {
		if !doc.scheduled() || r.busy[flow] {
			continue
		}
		in, err := r.dueFlow(ctx, flow, doc)
		if err != nil {
			return 0, err
		}
		wait = min(wait, in)
	}
	return wait, nil
}

func (r *runner) dueFlow(ctx context.Context, flow string, doc Flow) (time.Duration, error) {
	s, err := NewSchedule(doc)
	if err != nil {
		return 0, fmt.Errorf("flow %s: %w", flow, err)
	}
	last, err := readLast(ctx, r.store, r.conn.ID, flow)
	if err != nil {
		return 0, err
	}
	now := r.now().UTC()
	if last.version == 0 || last.Spec != doc.spec() {
		// Seen for the first time: what was due before was due to nobody.
		last = Last{Spec: doc.spec(), Due: now, version: last.version}
		_, err := r.claim(ctx, r.lastRecord(flow), last, &last.version)
		return untilNext(s, now), err
	}
	due := last.Due
	if last.State != Running {
		if due = s.Last(last.Due, now); due.IsZero() {
			return untilNext(s, now), nil
		}
	}
	if hush := doc.NotBefore(now).Sub(now); hush > 0 {
		return hush, nil // what was missed is not made good in quiet hours either
	}
	if len(r.busy) >= maxRunning {
		return longestWait, nil // one that ends wakes us
	}
	begun := Last{Spec: last.Spec, Due: due, State: Running, StartedAt: now, Term: r.term,
		version: last.version}
	ok, err := r.claim(ctx, r.lastRecord(flow), begun, &begun.version)
	if err != nil || !ok {
		return time.Second, err
	}
	run := Run{ID: "schedule", Connection: r.conn.ID, Flow: flow, By: "schedule", AskedAt: due,
		StartedAt: now, Term: r.term, State: Running}
	r.begin(ctx, run, func(result Run) func(tx *records.Tx) {
		return func(tx *records.Tx) {
			end := begun
			end.State, end.Error, end.EndedAt = result.State, result.Error, result.EndedAt
			row := r.lastRecord(flow)
			row.Body = tx.Encode(end)
			tx.Replace(row, begun.version)
		}
	})
	return longestWait, nil
}

func untilNext(s *Schedule, now time.Time) time.Duration {
	next := s.Next(now)
	if next.IsZero() {
		return longestWait
	}
	return next.Sub(now)
}

func (r *runner) lastRecord(flow string) records.Record {
	return records.Record{Table: records.Cursors, Key: lastKey(r.conn.ID, flow)}
}

// begin runs a flow beside the loop. end makes the write that files how it went.
func (r *runner) begin(ctx context.Context, run Run, end func(result Run) func(tx *records.Tx)) {
	r.busy[run.Flow] = true
	go func() {
		defer func() { r.ended <- run.Flow }()
		err := guard(func() error { return r.adapter.RunFlow(ctx, run) })
		if ctx.Err() != nil {
			return // stays as it was claimed, and the next one runs it again
		}
		result := run
		result.State, result.EndedAt = Ended, r.now().UTC()
		if err != nil {
			result.State, result.Error = Failed, err.Error()[:min(len(err.Error()), maxFault)]
			r.health.Failed("flow "+run.Flow, err)
		}
		r.end(ctx, end(result))
	}()
}

// end files how a run went, until it is filed or somebody else runs the connection.
func (r *runner) end(ctx context.Context, write func(tx *records.Tx)) {
	for pause := backoff(0); ; pause = backoff(pause) {
		var tx records.Tx
		write(&tx)
		_, err := r.store.Submit(ctx, &tx) // a Conflict: it is another leader's by now
		if err == nil || !sleep(ctx, pause) {
			return
		}
		r.health.Failed("filing of a run", err)
	}
}
