package outbox

import (
	"cmp"
	"context"
	"errors"
	"time"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/records"
	"holdfast/engine"
)

// ending is what is to be written after a call.
type ending struct {
	end     string
	verdict *Verdict // nil: the connection did its part
	apply   func(t *Task)
	also    func(ctx context.Context, tx *records.Tx) error
	raise   *exceptions.Exception
}

// settle decides what becomes of a task after its call. t is as our claim wrote it.
func (a *attempt) settle(t *Task, f Finish, err error) ending {
	now := a.cfg.Now()
	var later *Later
	var needless *Needless
	switch {
	case err == nil:
		return done(f, now)
	case errors.As(err, &later):
		wait := later.After
		if wait <= 0 {
			wait = time.Minute
		}
		return ending{end: endLater, apply: func(t *Task) {
			t.queue(now.Add(wait), later.Why)
			t.Tries--
		}}
	case errors.As(err, &needless):
		return ending{end: endDropped, apply: func(t *Task) {
			t.State, t.DoneAt, t.LastError, t.Unknown = Dropped, now, needless.Why, false
			t.onceMore(now)
		}}
	}
	v := Classify(err)
	if a.mayHelp(&v, t.Tries) {
		return a.retry(t, v, err)
	}
	return a.fail(v, t, err)
}

func done(f Finish, now time.Time) ending {
	result, fault := raw(f.Result)
	if fault == nil && len(result) > MaxResult {
		result, fault = nil, errors.New("the result is too large to keep")
	}
	return ending{end: endDone, also: f.Also, apply: func(t *Task) {
		t.State, t.DoneAt, t.Unknown, t.LastError = Done, now, false, ""
		t.Result, t.ClaimUntil = result, time.Time{}
		if fault != nil {
			t.LastError = fault.Error()
		}
		t.onceMore(now)
	}}
}

// MaxResult is the most bytes of a result that are kept in a task.
const MaxResult = 8 << 10

// onceMore queues a task again that was wanted once more while it ran.
func (t *Task) onceMore(now time.Time) {
	if t.Again {
		result := t.Result
		t.restart(now)
		t.Result = result
	}
}

// mayHelp reports whether the same call may work later.
func (a *attempt) mayHelp(v *Verdict, tries int) bool {
	switch v.Class {
	case exceptions.Limit, exceptions.Auth: // they say nothing against the task
		return true
	case exceptions.Transient:
		return tries < cmp.Or(v.Most, a.cfg.MaxTries)
	case exceptions.Conflict: // somebody was faster: look again, but not for ever
		return tries < conflictTries
	default:
		return false
	}
}

// conflictTries is how often a task is tried that meets what somebody else changed.
const conflictTries = 5

// retry queues the task for later. After an unknown outcome that is not before its claim has ended:
// the call may be under way still.
func (a *attempt) retry(t *Task, v Verdict, err error) ending {
	at := a.cfg.Now().Add(max(v.After, backoff(t.Tries, a.cfg.Jitter())))
	if v.Unknown && at.Before(t.ClaimUntil.Add(Grace)) {
		at = t.ClaimUntil.Add(Grace)
	}
	counts := v.Class == exceptions.Transient || v.Class == exceptions.Conflict
	return ending{end: endRetry, verdict: &v, apply: func(t *Task) {
		t.queue(at, err.Error())
		t.Unknown = t.Unknown || v.Unknown
		if !counts {
			t.Tries--
		}
	}}
}

// queue makes a task that ran a queued one.
func (t *Task) queue(at time.Time, why string) {
	t.State, t.NextAt, t.LastError, t.Again = Queued, at, cutText(why), false
}

// fail gives the task to a person.
func (a *attempt) fail(v Verdict, t *Task, err error) ending {
	e := exceptions.Exception{
		Trace: TraceOf(t.ID), Class: v.Class, Code: v.Code, Key: t.Key, Flow: t.Flow,
		Connection: t.Connection, Task: t.ID, Detail: cutText(err.Error()), Payload: t.Payload,
		LastAt: a.cfg.Now(),
	}
	return ending{end: endFailed, verdict: &v, raise: &e, apply: func(t *Task) {
		t.State, t.LastError, t.Again = Failed, e.Detail, false
		t.Unknown = t.Unknown || v.Unknown
	}}
}

// refused is for a call that was made, and of which what should follow was refused here. A retry looks
// at what the call did, for it has taken effect.
func (a *attempt) refused(t *Task, f Finish, why *refusedError) ending {
	class := exceptions.Bug
	if why.code == engine.InsufficientStock.String() || why.code == engine.WrongState.String() {
		class = exceptions.Stock
	}
	e := a.fail(Verdict{Class: class, Code: why.code, Unknown: true}, t, why.err)
	e.verdict = nil // the connection did its part
	result, _ := raw(f.Result)
	apply := e.apply
	e.apply = func(t *Task) {
		apply(t)
		if len(result) <= MaxResult {
			t.Result = result
		}
	}
	return e
}

func cutText(s string) string {
	return exceptions.Cut(s, exceptions.MaxDetail)
}
