package httpapi

import (
	"fmt"
	"strings"

	"holdfast/engine"
)

// An atomic group is refused because of one op. Only when the entry was too full is it nobody's
// fault: then the answer is that of the group.

// groupFailure is the problem of the op that made a group fail, and its place; ok is false when the
// refusal is not one op's.
func groupFailure(r *engine.Result, group *engine.Group) (at int, p *problem, ok bool) {
	failed := engine.Result{Refusal: r.Refusal, Short: r.Short, Index: r.Index, Replayed: r.Replayed}
	at = r.At
	if i, found := elementOf(r.Field, "ops"); found {
		at = i
		_, failed.Field, _ = strings.Cut(r.Field, "].")
	}
	decided := r.Refusal != engine.Accepted && r.Refusal != engine.Overloaded
	if !decided || at < 0 || at >= len(group.Ops) {
		return 0, nil, false
	}
	if at < len(r.Ops) {
		op := &r.Ops[at]
		failed.Reservation = op.Reservation
		if len(op.Short) > 0 {
			failed.Short = op.Short
		}
		if op.Field != "" {
			failed.Field = op.Field
		}
	}
	return at, refused(&failed, group.Ops[at]), true
}

// changesProblem is the problem of a list of changes. When one failed all, the answer is 409 with
// that one's code and place.
func changesProblem(err error, r *engine.Result, group *engine.Group) error {
	at, failed, ok := groupFailure(r, group)
	if !ok {
		p := problemOf(err, true)
		p.at = strings.Replace(p.at, "ops[", "changes[", 1)
		return p
	}
	p := *failed
	p.at = fmt.Sprintf("changes[%d]", at)
	p.detail = "All is refused because of " + joinPath(p.at, failed.at) + ": " +
		lowerFirst(failed.detail)
	if p.httpStatus() != 400 {
		p.status = 409
	}
	return &p
}
