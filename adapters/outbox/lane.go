package outbox

import (
	"time"

	"holdfast/adapters/exceptions"
)

// lane is one connection, as the dispatcher's loop sees it: what is due, and whether it may be sent.
type lane struct {
	connection string
	ready      []*keyQueue // keys take turns
	reads      []*keyQueue // the same, of tasks that only read
	readNext   bool        // whose turn it is
	waiting    int         // items of the lane on the board
	running    int
	blocked    string // by the gate
	breaker    breaker
	budget     budget
	raised     map[string]bool // traces of what is wrong with the connection as a whole
	looked     bool            // whether such an exception of a former leader is open
}

// may reports whether the lane may make a call now, if only one that reads; if not, when to ask again.
// Zero: when one of its calls ends.
func (l *lane) may(now time.Time, gate Gate, most int) (ok bool, again time.Time) {
	l.blocked = gate.Blocked(l.connection)
	if l.blocked != "" && (len(l.reads) == 0 || stopsReads(l.blocked)) {
		return false, now.Add(askGate)
	}
	if l.running >= most {
		return false, time.Time{}
	}
	if ok, again := l.breaker.may(now, l.running); !ok {
		return false, again
	}
	return l.budget.may(now)
}

// stopsReads reports whether a reason of the gate stops also what changes nothing over there: a
// connection that is only observed, or whose start is under way, is still read.
func stopsReads(blocked string) bool { return blocked == "paused" || blocked == "unknown" }

// list is the due queues of the tasks that only read, or of the others.
func (l *lane) list(reads bool) *[]*keyQueue {
	if reads {
		return &l.reads
	}
	return &l.ready
}

// askGate is how often a blocked connection is asked whether it still is.
const askGate = time.Second

// heard learns from the end of a call. It returns what is to be said of the connection as a whole:
// an exception to raise, or that those which are open are over.
func (l *lane) heard(now time.Time, v *Verdict, jitter float64) (raise *exceptions.Exception,
	clear bool) {
	if v == nil || !ofConnection(v.Class) {
		l.breaker.success() // it answered
		l.budget.success()
		clear = len(l.raised) > 0 || !l.looked
		l.raised, l.looked = nil, true
		return nil, clear
	}
	e := exceptions.Exception{Class: v.Class, Code: v.Code, Flow: "F14",
		Connection: l.connection, Key: l.connection, LastAt: now}
	switch v.Class {
	case exceptions.Limit:
		l.budget.limited(now, v.After)
		return nil, false
	case exceptions.Auth:
		l.breaker.failure(now, true, jitter)
		e.Trace = lanePrefix + l.connection + ":auth"
		e.Detail = "The connection is turned away; its tasks wait. " + v.Code
	default:
		l.breaker.failure(now, false, jitter)
		if !l.breaker.lasts() {
			return nil, false
		}
		e.Trace = lanePrefix + l.connection + ":down"
		e.Detail = "The connection has not worked for some time; its tasks wait. " + v.Code
	}
	if l.raised[e.Trace] {
		return nil, false
	}
	if l.raised == nil {
		l.raised = make(map[string]bool)
	}
	l.raised[e.Trace] = true
	return &e, false
}

// ofConnection reports whether a failure says something of the connection, not only of the task.
func ofConnection(c exceptions.Class) bool {
	return c == exceptions.Transient || c == exceptions.Limit || c == exceptions.Auth
}

// lanePrefix begins the trace of what is wrong with a connection as a whole.
const lanePrefix = "connection:"

// laneTraces are the traces of all that can be.
func laneTraces(connection string) []string {
	return []string{lanePrefix + connection + ":auth", lanePrefix + connection + ":down"}
}

// LaneState is what people see of a connection's tasks.
type LaneState struct {
	Connection string        `json:"connection"`
	Waiting    int           `json:"waiting"` // all that have not ended
	Due        int           `json:"due"`     // keys of which a task could run now
	Running    int           `json:"running"`
	Blocked    string        `json:"blocked,omitempty"` // by the connection's mode
	Breaker    string        `json:"breaker"`
	Until      time.Time     `json:"until,omitzero"` // nothing is sent before
	Rate       float64       `json:"-"`              // calls a second that the vendor takes; 0 is no limit
	Pause      time.Duration `json:"-"`
}

func (l *lane) show(now time.Time) LaneState {
	s := LaneState{Connection: l.connection, Waiting: l.waiting, Due: len(l.ready) + len(l.reads),
		Running: l.running, Blocked: l.blocked, Breaker: l.breaker.state.String(), Rate: l.budget.rate}
	if l.breaker.state == OpenWide {
		s.Until = l.breaker.until
	}
	if l.budget.until.After(now) && l.budget.until.After(s.Until) {
		s.Until = l.budget.until
	}
	if s.Until.After(now) {
		s.Pause = s.Until.Sub(now)
	}
	return s
}
