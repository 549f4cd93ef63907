package exceptions

import (
	"encoding/json"
	"fmt"
	"time"
)

// Exception is something that a person must look at. There is one for each trace key: what fails
// again adds a try to it.
type Exception struct {
	ID         string          `json:"id"`    // made of Trace, so that the same cause has the same id
	Trace      string          `json:"trace"` // the cause: such as "mapping:shop:sku:ABC", "task:…"
	State      State           `json:"state"`
	Class      Class           `json:"class"`
	Code       string          `json:"code"` // stable, such as "unmapped-sku"
	Key        string          `json:"key"`  // of the order, the slot or the SKU that it is about
	Flow       string          `json:"flow"` // F0a to F15
	Connection string          `json:"connection,omitempty"`
	Task       string          `json:"task,omitempty"` // that a retry runs again
	Detail     string          `json:"detail"`
	Payload    json.RawMessage `json:"payload,omitempty"` // at most MaxPayload bytes
	Tries      int             `json:"tries"`
	FirstAt    time.Time       `json:"first_at"`
	LastAt     time.Time       `json:"last_at"`
	Actions    []string        `json:"actions"` // retry, edit, resolve, map, wait, move, cancel, …
	ClosedAt   time.Time       `json:"closed_at,omitzero"`
	ClosedBy   string          `json:"closed_by,omitempty"` // a principal, or BySuccess
	Note       string          `json:"note,omitempty"`
}

// State is also the State byte of the record.
type State uint8

// The states.
const (
	Open State = iota + 1
	Retrying
	Resolved
)

var stateNames = [...]string{Open: "open", Retrying: "retrying", Resolved: "resolved"}

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
		return nil, fmt.Errorf("exception state %d", s)
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads the wire name; it fails for one that is none.
func (s *State) UnmarshalText(b []byte) error {
	if *s = StateOf(string(b)); *s == 0 {
		return fmt.Errorf("exception state %q", b)
	}
	return nil
}

// Class says what kind of failure it is, and so who can mend it.
type Class string

// The classes.
const (
	Transient Class = "transient" // mends itself; open only when it lasted
	Limit     Class = "limit"     // the vendor asks to wait
	Auth      Class = "auth"      // credentials or scopes
	Data      Class = "data"      // the document is not what it must be: unmapped, invalid, refused
	Stock     Class = "stock"     // short, shortfall, a count that cannot be
	Conflict  Class = "conflict"  // somebody else changed it at the other side
	Bug       Class = "bug"       // ours
)

// Classes lists every class.
func Classes() []Class { return []Class{Transient, Limit, Auth, Data, Stock, Conflict, Bug} }

// BySuccess is who closed an exception that a later success made pointless.
const BySuccess = "success"

// The actions that every part of the product knows. Flows add their own words, such as "map".
const (
	ActRetry   = "retry"
	ActEdit    = "edit" // a retry may carry another payload
	ActResolve = "resolve"
)

// What a person may have done to the order of an exception, in resolving it.
const (
	ActWait       = "wait"        // nothing: stock that comes goes to it
	ActMove       = "move"        // its units leave from another location
	ActSubstitute = "substitute"  // units of another SKU leave in their place
	ActCancel     = "cancel"      // its home is asked to cancel it
	ActAccept     = "accept"      // a buyer who wants to cancel may
	ActDecline    = "decline"     // and may not
	ActRetryOrder = "retry-order" // the ledger is asked again for what it refused
)

// Remedies lists what a person may have done to the order of an exception.
func Remedies() []string {
	return []string{ActWait, ActMove, ActSubstitute, ActCancel, ActAccept, ActDecline, ActRetryOrder}
}

// Limits of an exception: what is over is cut, for what happened matters more than all of its words.
const (
	MaxPayload = 32 << 10 // bytes; a larger payload is replaced by a note of its size
	MaxDetail  = 1 << 10  // bytes
	MaxNote    = 1 << 10
)
