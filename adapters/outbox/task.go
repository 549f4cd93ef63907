package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"holdfast/adapters/records"
)

// Task is one thing that an outside system must be told. It is done once: the record remembers who
// claimed it, under which term, and what came of it.
type Task struct {
	ID         string          `json:"id"`   // Kind ":" Key, and ":" Part where a key has several
	Kind       string          `json:"kind"` // such as "erp.order", "shopify.order", "shopify.fulfilment"
	Connection string          `json:"connection,omitempty"`
	Key        string          `json:"key"` // of the order or the slot that it is about; one runs at a time
	Part       string          `json:"part,omitempty"`
	State      State           `json:"state"`
	Payload    json.RawMessage `json:"payload,omitempty"`
	Tries      int             `json:"tries"`
	NextAt     time.Time       `json:"next_at"`
	Claim      uint64          `json:"claim,omitempty"` // counts the claims: a finish must name its own
	ClaimTerm  uint64          `json:"claim_term,omitempty"`
	ClaimUntil time.Time       `json:"claim_until,omitzero"` // nobody else calls until Grace after it
	LastError  string          `json:"last_error,omitempty"`
	Unknown    bool            `json:"unknown,omitempty"` // the last try may have taken effect: look first
	Again      bool            `json:"again,omitempty"`   // wanted once more while it ran
	Raised     bool            `json:"raised,omitempty"`  // an exception of it may be open
	Result     json.RawMessage `json:"result,omitempty"`
	CreatedAt  time.Time       `json:"created_at"`
	DoneAt     time.Time       `json:"done_at,omitzero"`
	After      string          `json:"after,omitempty"` // id of a task that must be done before
	Trace      string          `json:"trace,omitempty"` // what all that came of one cause share
	Flow       string          `json:"flow,omitempty"`  // F0a to F15, for an exception
}

// State is where a task is in its life. It is also the State byte of its record.
type State uint8

// The states.
const (
	Queued  State = iota + 1 // waits for NextAt, for After, or for somebody outside to do it
	Running                  // claimed until ClaimUntil
	Done
	Failed  // an exception is open; a retry of it queues the task again
	Dropped // no longer needed: a later one, or a person, took its place
)

var stateNames = [...]string{Queued: "queued", Running: "running", Done: "done", Failed: "failed",
	Dropped: "dropped"}

// String returns the wire name.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return ""
}

// StateOf is the state of a wire name; 0 when there is none.
func StateOf(name string) State {
	for s, n := range stateNames {
		if n == name && n != "" {
			return State(s)
		}
	}
	return 0
}

// MarshalText returns the wire name; it fails for a state that is none.
func (s State) MarshalText() ([]byte, error) {
	if s.String() == "" {
		return nil, fmt.Errorf("task state %d", s)
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads the wire name; it fails for one that is none.
func (s *State) UnmarshalText(b []byte) error {
	if *s = StateOf(string(b)); *s == 0 {
		return fmt.Errorf("task state %q", b)
	}
	return nil
}

// ended reports whether nothing will come of the task by itself.
func (s State) ended() bool { return s == Done || s == Failed || s == Dropped }

// Executor does tasks of the kinds that it was registered for. It is safe for concurrent use.
type Executor interface {
	// Do makes the call. ctx ends before the claim does. When t.Unknown is set it looks first whether
	// the last try took effect. What it returns is written in one Tx with the end of the task; it may
	// fail with any error: [Classify] decides by behaviour whether and when it is tried again.
	Do(ctx context.Context, t Task) (Finish, error)
}

// Checker is an Executor that looks at a payload before a person's edit of it is queued.
type Checker interface {
	// Check fails when Do could do nothing with the task.
	Check(t Task) error
}

// Finish is what a done task leaves.
type Finish struct {
	Result any // kept in the task; small
	// Also adds to the Tx that ends the task: externals, shipments, changes of what is expected. It may
	// be called again when a record changed in between. nil: nothing.
	Also func(ctx context.Context, tx *records.Tx) error
}

// ID is the id of a task. Part is empty where a key has only one of the kind.
func ID(kind, key, part string) string {
	id := kind + ":" + key
	if part != "" {
		id += ":" + part
	}
	return id
}

// TraceOf is the cause of a task's exception.
func TraceOf(id string) string { return "task:" + id }

// record is the task as it is written. One that is done leaves the lists after the retention.
func (t *Task) record(tx *records.Tx) records.Record {
	r := records.Record{Table: records.Tasks, Key: t.ID, State: uint8(t.State)}
	if t.State == Done || t.State == Dropped {
		r.Expires, r.Archived = t.DoneAt.Add(Retention), true
	}
	r.Body = tx.Encode(t)
	if len(t.Payload) > MaxPayload {
		tx.Encode(tooLarge(len(t.Payload)))
	}
	return r
}

// MaxPayload is the most bytes of a payload: the rest of a record's body is for what comes of the task.
// A Tx with a larger one fails.
const MaxPayload = records.MaxBody - 16<<10

// tooLarge makes a Tx fail that it is encoded for.
type tooLarge int

// MarshalJSON fails.
func (n tooLarge) MarshalJSON() ([]byte, error) {
	return nil, fmt.Errorf("the payload of a task has %d bytes, more than %d", int(n), MaxPayload)
}

// Retention is how long a task that is done stays in lists; by its id it is found longer. Two days are
// a weekend.
const Retention = 48 * time.Hour
