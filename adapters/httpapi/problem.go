package httpapi

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"holdfast/engine"
)

// problem is an answer that is not a success, as RFC 9457 has it. It is the error that handlers
// return; the server turns it into a reply in one place.
type problem struct {
	*outcome
	status     int    // when not 0 it stands in place of the outcome's
	detail     string // for a person, safe to show
	at         string // the member of the body that it is about, such as "changes[3]"
	line       int64  // the line of the reservation, from 1; 0 is none
	short      []engine.ShortLine
	limit      string // the name of the limit that was passed
	limitValue int64
	index      uint64 // where the ledger said so; 0 is nowhere
	replayed   bool
	leader     string
	allow      string // methods, for a 405
	results    []byte // a JSON array: what each op of an atomic batch got
	obstacles  []byte // a JSON array: what stands in the way of mode on
	retryAfter time.Duration
	malformed  bool  // the JSON itself is at fault, so nothing behind it can be read
	cause      error // the true text, for the log only
}

func (p *problem) Error() string { return p.code + ": " + p.detail }

// httpStatus is the status of the reply.
func (p *problem) httpStatus() int {
	if p.status != 0 {
		return p.status
	}
	return p.outcome.status
}

// retryAfterSeconds is the whole number of seconds for Retry-After, at least 1; 0 for a status that
// has none.
func (p *problem) retryAfterSeconds() int64 {
	if s := p.httpStatus(); s != 429 && s != 503 {
		return 0
	}
	return max(1, int64((p.retryAfter+time.Second-1)/time.Second))
}

func newProblem(code, detail string) *problem {
	return &problem{outcome: outcomeOf(code), detail: detail}
}

// invalid is the 400 that names a member of the body, of the query or of the path, and what is
// allowed there.
func invalid(field, allowed string) *problem {
	p := newProblem(codeInvalid, allowed)
	if field != "" {
		p.at = field
		p.detail = field + " " + allowed
	}
	return p
}

// tooLarge is the 413 that names the limit.
func tooLarge(field, limit string, value int64) *problem {
	p := newProblem(codeTooLarge, "at most "+strconv.FormatInt(value, 10)+" ("+limit+")")
	if field != "" {
		p.at = field
		p.detail = field + ": " + p.detail
	}
	p.limit, p.limitValue = limit, value
	return p
}

func bodyTooLarge(most int, name string) *problem {
	p := tooLarge("", name, int64(most))
	p.detail = "The body may have " + p.detail + " bytes."
	return p
}

// elementOf reads i out of a path that begins with list[i].
func elementOf(path, list string) (i int, ok bool) {
	rest, ok := strings.CutPrefix(path, list+"[")
	if !ok {
		return 0, false
	}
	digits, _, ok := strings.Cut(rest, "]")
	if !ok {
		return 0, false
	}
	i, err := strconv.Atoi(digits)
	return i, err == nil && i >= 0
}

// plainDetails is what a client is told in place of an error's own words, which name addresses and
// the parts inside; those go to the log.
var plainDetails = map[string]string{
	codeNoLeader:      "No node leads the cluster at the moment, or this one cannot reach it.",
	codeOverloaded:    "Too much is waiting already.",
	codeUnknownResult: "The cluster did not confirm it in time.",
	codeDiskFull:      "The disks are too full to take it.",
	codeEventsGone:    "The events behind that sequence are no longer kept.",
}

// problemOf turns an error of the ledger or of a handler into a problem. write says whether the
// call could have changed something: then an error that nobody classified is "unknown".
func problemOf(err error, write bool) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var field *engine.FieldError
	if errors.As(err, &field) {
		return invalid(field.Field, field.Reason)
	}
	var coded interface{ Code() string }
	if errors.As(err, &coded) && outcomesByCode[coded.Code()] != nil {
		p = newProblem(coded.Code(), err.Error())
		if plain := plainDetails[p.code]; plain != "" {
			p.detail, p.cause = plain, err
		}
		if p.code == codeTooLarge {
			p.limit, p.limitValue = "command-bytes", engine.MaxCommandBytes
		}
		var later interface{ RetryAfter() time.Duration }
		if errors.As(err, &later) {
			p.retryAfter = later.RetryAfter()
		}
		var at interface{ At() string }
		if errors.As(err, &at) {
			p.at = at.At()
		}
		var led interface{ Leader() string }
		if errors.As(err, &led) {
			p.leader = led.Leader()
		}
		return p
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		p = newProblem(codeOverloaded, "The ledger did not answer in time.")
		if write {
			p = newProblem(codeUnknownResult, p.detail)
		}
		p.cause = err
		return p
	}
	p = newProblem(codeInternal, "The server could not answer; its log says why.")
	p.cause = err
	return p
}

// appendProblem appends the application/problem+json document.
func appendProblem(b []byte, p *problem) []byte {
	b = append(b, `{"type":"/problems/`...)
	b = append(b, p.code...)
	b = append(b, `","title":`...)
	b = appendText(b, p.title)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(p.httpStatus()), 10)
	b = appendProblemMembers(b, p)
	if p.results != nil {
		b = append(b, `,"results":`...)
		b = append(b, p.results...)
	}
	return append(b, '}')
}

// appendProblemMembers appends what a problem says beside type, title and status, each member with
// a comma in front.
func appendProblemMembers(b []byte, p *problem) []byte {
	b = append(b, `,"detail":`...)
	b = appendText(b, p.detail)
	b = append(b, `,"code":"`...)
	b = append(b, p.code...)
	b = append(b, `","promise":`...)
	b = appendText(b, p.promise)
	if p.at != "" {
		b = append(b, `,"at":`...)
		b = appendText(b, p.at)
	}
	b = appendIntIf(b, `,"line":`, p.line)
	if len(p.short) > 0 {
		b = append(b, `,"short":`...)
		b = appendShort(b, p.short)
	}
	if p.limit != "" {
		b = append(b, `,"limit":{"name":"`...)
		b = append(b, p.limit...)
		b = append(b, `","max":`...)
		b = strconv.AppendInt(b, p.limitValue, 10)
		b = append(b, '}')
	}
	if p.obstacles != nil {
		b = append(append(b, `,"obstacles":`...), p.obstacles...)
	}
	if p.index != 0 {
		b = append(b, `,"index":`...)
		b = strconv.AppendUint(b, p.index, 10)
	}
	if p.leader != "" {
		b = append(b, `,"leader":`...)
		b = appendText(b, p.leader)
	}
	if s := p.retryAfterSeconds(); s != 0 {
		b = append(b, `,"retry_after_ms":`...)
		b = strconv.AppendInt(b, s*1000, 10)
	}
	return b
}

// lowerFirst lowers the first letter of a sentence that goes on another.
func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
