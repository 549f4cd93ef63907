package httpapi

import "holdfast/engine"

// tally counts what became of the ops of one call, for the headers and for the whole call's status.
type tally struct {
	c        *call
	total    int
	replayed int
	errors   int
	first    *problem // of what failed
	unknown  *problem // the first error that leaves open what happened
}

func newTally(c *call, total int) *tally { return &tally{c: c, total: total} }

// count takes the end of one op and returns its status and, when it is no success, its problem.
func (t *tally) count(v verb, r *engine.Result, err error,
	cmd engine.Command) (int, *problem) {
	if err != nil {
		p := problemOf(err, true)
		t.failed(p)
		return p.httpStatus(), p
	}
	t.c.index = max(t.c.index, r.Index)
	if r.Replayed {
		t.replayed++
	}
	if r.Refusal != engine.Accepted {
		p := refused(r, cmd)
		if r.Refusal == engine.Overloaded {
			t.failed(p)
		}
		return p.httpStatus(), p
	}
	return successStatus(v, r), nil
}

// failed counts an op that the ledger did not decide.
func (t *tally) failed(p *problem) {
	t.errors++
	if t.first == nil {
		t.first = p
	}
	if t.unknown == nil && (p.code == codeUnknownResult || p.code == codeInternal) {
		t.unknown = p
	}
}

// none is the problem of a call none of whose ops was decided by the ledger, so that a client that
// looks at the status alone does the right thing; nil otherwise. It sets the replay header when all
// of them were replays, and logs why when only some failed.
func (t *tally) none() error {
	if t.replayed == t.total && t.total > 0 {
		t.c.ctx.Response.Header.Set(headerReplayed, "true")
	}
	switch {
	case t.errors < t.total || t.total == 0:
		t.c.logCause(t.first)
		if t.unknown != t.first {
			t.c.logCause(t.unknown)
		}
		return nil
	case t.unknown != nil:
		return t.unknown
	}
	return t.first
}

// successStatus is the status of an accepted command: 201 where a reservation was made, also when
// the answer is a replay of that.
func successStatus(v verb, r *engine.Result) int {
	if v == verbReserve && !r.Existed {
		return 201
	}
	return 200
}
