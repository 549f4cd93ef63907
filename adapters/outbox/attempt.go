package outbox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/records"
	"holdfast/engine"
)

const (
	// ClaimFor is how long a claim lasts: what a vendor takes for a call on a bad day, twice.
	ClaimFor = 20 * time.Second
	// callFor is the time of a call: the rest of the claim is for writing what came of it.
	callFor = ClaimFor - 3*time.Second
	// again is the pause before a store is asked again that could not answer.
	again = 250 * time.Millisecond
	// behindFor is how long until a task that comes after another is looked at again, if no news of that
	// one comes before.
	behindFor = 30 * time.Second
)

// attempt is one claim, call and finish of a task, on a goroutine of its own.
type attempt struct {
	*loop
	item     *item
	id       string
	executor Executor
}

// run goes through all of it. If the process dies before the claim is agreed, nothing happened. Dies it
// between claim and finish, the call may have been made: whoever leads then finds the task running,
// waits for the end of its claim, and has the executor look first.
func (a *attempt) run(ctx context.Context) landing {
	t, version, x := a.claim(ctx)
	if version == 0 {
		return x
	}
	call, cancel := context.WithDeadline(ctx, t.ClaimUntil.Add(callFor-ClaimFor))
	begun := a.cfg.Now()
	finish, err := a.call(call, t)
	cancel()
	a.stats.seconds.WithLabelValues(t.Connection).Observe(a.cfg.Now().Sub(begun).Seconds())
	return a.end(ctx, claimed{t, version}, finish, err)
}

// claimed is a task as it was written by our claim.
type claimed struct {
	Task
	version uint64
}

// claim makes the task ours, agreed by the store. A version of 0 says that it is not; the landing then
// says what it is.
func (a *attempt) claim(ctx context.Context) (t Task, version uint64, x landing) {
	x = landing{item: a.item, wait: time.Second}
	t, read, err := read(ctx, a.cfg.Store, a.id)
	if err != nil {
		return t, 0, x
	}
	x.task, x.version = t, read
	now := a.cfg.Now()
	switch {
	case read == 0: // dropped: the watch says so too
		return t, 0, x
	case t.State != Queued && t.State != Running,
		t.State == Queued && t.NextAt.After(now.Add(time.Millisecond)),
		(t.State == Running || t.Unknown) && !t.ClaimUntil.Add(Grace).Before(now.Add(time.Millisecond)):
		x.wait = again // the board has old news
		return t, 0, x
	}
	if ok, err := a.afterDone(ctx, t.After); !ok || err != nil {
		x.wait, x.behind = behindFor, true
		return t, 0, x
	}
	was := t.State
	t.Unknown = t.Unknown || was == Running
	t.State, t.ClaimTerm, t.ClaimUntil = Running, a.term, now.Add(ClaimFor)
	t.Claim++
	t.Tries++
	var tx records.Tx
	a.fence.Hold(&tx)
	t.write(&tx, read, was)
	o, err := a.cfg.Store.Submit(ctx, &tx)
	switch {
	case err != nil:
		version = a.isOurs(ctx, &t, err)
		return t, version, x
	case a.fence.lost(o):
		a.cancel(ErrDeposed)
		return t, 0, landing{item: a.item, end: endStale}
	case o.Conflict:
		return t, 0, landing{item: a.item, wait: again}
	}
	return t, o.Index, x
}

// isOurs finds out whether a claim was agreed whose outcome is unknown. A claim that is seen is ours to
// use, for nobody else can have called under it; one that is not seen may still come: then it runs out.
func (a *attempt) isOurs(ctx context.Context, t *Task, err error) (version uint64) {
	if codeOf(err) != "outcome-unknown" {
		return 0
	}
	now, version, err := read(ctx, a.cfg.Store, a.id)
	if err != nil || now.State != Running || now.Claim != t.Claim || now.ClaimTerm != a.term {
		return 0
	}
	if a.cfg.Now().Add(ClaimFor / 2).After(now.ClaimUntil) {
		return 0 // too late to begin a call
	}
	*t = now
	return version
}

// afterDone reports whether the task that this one comes after is out of the way.
func (a *attempt) afterDone(ctx context.Context, id string) (bool, error) {
	if id == "" {
		return true, nil
	}
	r, ok, err := a.cfg.Store.Get(ctx, records.Tasks, id)
	s := State(r.State)
	return !ok || s == Done || s == Dropped, err
}

// call runs the executor; a panic in it is the task's failure, not the node's.
func (a *attempt) call(ctx context.Context, t Task) (f Finish, err error) {
	defer func() {
		if p := recover(); p != nil {
			a.cfg.Logger.Error("an executor panicked", "task", t.ID, "panic", p,
				"stack", string(debug.Stack()))
			err = &Bug{What: fmt.Sprint(p)}
		}
	}()
	return a.executor.Do(ctx, t)
}

// end writes what became of the call. The Tx holds only while the claim is the newest one and nobody
// else leads; a store that cannot answer is asked again while the claim lasts, and then the task is
// left to run out, for its outcome is unknown to all but us.
func (a *attempt) end(ctx context.Context, c claimed, f Finish, err error) landing {
	v := a.settle(&c.Task, f, err)
	x := landing{item: a.item, verdict: v.verdict, end: v.end}
	x.called = v.end != endLater && v.end != endDropped // those may not have reached the other side
	for a.cfg.Now().Before(c.ClaimUntil) && ctx.Err() == nil {
		o, task, err := a.write(ctx, c, v)
		var refused *refusedError
		switch {
		case errors.As(err, &refused):
			v = a.refused(&c.Task, f, refused)
			x.end = v.end
			continue
		case err == nil && a.fence.lost(o):
			a.cancel(ErrDeposed)
			return landing{item: a.item, end: endStale}
		case err == nil && !o.Conflict:
			x.task, x.version = task, o.Index
			return x
		case err != nil:
			pause(ctx, again)
		}
		fresh, err := a.refresh(ctx, c)
		if errors.Is(err, errNotOurs) {
			// Somebody else has taken it, or our finish was agreed unseen.
			x.task, x.version, x.wait = fresh.Task, fresh.version, again
			return x
		}
		c = fresh
	}
	// Nothing could be written: the task runs out like that of a leader that died.
	x.task, x.version, x.end = c.Task, c.version, endStale
	return x
}

var errNotOurs = errors.New("the claim is not the newest")

// refresh reads the task again, which somebody may have wanted once more while it ran. It fails with
// errNotOurs and the task as it is when our claim no longer stands; any other failure leaves c as it was.
func (a *attempt) refresh(ctx context.Context, c claimed) (claimed, error) {
	t, version, err := read(ctx, a.cfg.Store, a.id)
	if err != nil {
		return c, err
	}
	if version == 0 || t.State != Running || t.Claim != c.Claim || t.ClaimTerm != a.term {
		return claimed{t, version}, errNotOurs
	}
	return claimed{t, version}, nil
}

// refusedError says that the ledger or a flow refused what should follow from a call that was made.
type refusedError struct {
	code string
	err  error
}

func (e *refusedError) Error() string { return e.err.Error() }

// write submits the end of a task. The world is unchanged when it returns an error, unless the store's
// says that the outcome is unknown.
func (a *attempt) write(ctx context.Context, c claimed, v ending) (records.Outcome, Task, error) {
	t := c.Task
	var tx records.Tx
	a.fence.Hold(&tx)
	if v.also != nil {
		if err := v.also(ctx, &tx); err != nil {
			if ctx.Err() != nil || storeTrouble(err) {
				return records.Outcome{}, t, err
			}
			return records.Outcome{}, t, &refusedError{code: "finish-failed", err: err}
		}
	}
	v.apply(&t)
	if v.raise != nil {
		t.Raised = true
		if err := exceptions.Raise(ctx, a.cfg.Store, &tx, *v.raise); err != nil {
			return records.Outcome{}, t, err
		}
	} else if t.Raised && t.State.ended() {
		t.Raised = false
		if err := exceptions.Clear(ctx, a.cfg.Store, &tx, TraceOf(t.ID), a.cfg.Now()); err != nil {
			return records.Outcome{}, t, err
		}
	}
	t.write(&tx, c.version, c.State)
	o, err := a.cfg.Store.Submit(ctx, &tx)
	if err != nil && v.also != nil && !storeTrouble(err) && ctx.Err() == nil {
		err = &refusedError{code: "finish-invalid", err: err}
	}
	if err == nil && o.Refusal != engine.Accepted {
		err = &refusedError{code: o.Refusal.String(),
			err: fmt.Errorf("the ledger refused op %d of the finish: %s", o.At, o.Refusal)}
	}
	return o, t, err
}

// storeTrouble reports whether an error passes by itself: nobody leads, or nobody knows.
func storeTrouble(err error) bool {
	switch codeOf(err) {
	case "no-leader", "outcome-unknown", "overloaded", "closing", "disk-full", "rate-limited":
		return true
	}
	return errors.Is(err, records.ErrBusy)
}

func codeOf(err error) string {
	var coded interface{ Code() string }
	if errors.As(err, &coded) {
		return coded.Code()
	}
	return ""
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
