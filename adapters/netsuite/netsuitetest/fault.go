package netsuitetest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The kinds of faults. Those with After in the name strike when the effect has taken place.
const (
	FaultTokenRevoked   = "token_revoked"  // 401, and the token stays revoked
	FaultConcurrency    = "concurrency"    // 429 CONCURRENCY_LIMIT_EXCEEDED, however few are under way
	FaultRequestLimit   = "request_limit"  // 400 SSS_REQUEST_LIMIT_EXCEEDED, as RESTlets say it
	FaultError          = "error"          // status (default 503) with an error body, nothing happened
	FaultErrorAfter     = "error_after"    // the same, but the effect took place
	FaultHTML           = "html"           // status (default 502) with the HTML page of a gateway
	FaultHTMLAfter      = "html_after"     // the same, but the effect took place
	FaultRecordChanged  = "record_changed" // a write ends with RCRD_HAS_BEEN_CHANGED, nothing changed
	FaultScriptRefuses  = "script_refuses" // a user event script refuses the write: USER_ERROR
	FaultTimeoutBefore  = "timeout_before" // no answer for delay_ms, then the end; no effect
	FaultTimeoutAfter   = "timeout_after"  // the same, but the effect took place
	FaultResetBefore    = "reset_before"   // the connection is reset at once, no effect
	FaultResetAfter     = "reset_after"    // the connection is reset, the effect took place
	FaultSlow           = "slow"           // the answer comes delay_ms late, the slot is held so long
	FaultItemFails      = "item_fails"     // one member of an asynchronous batch fails
	defaultSlowMS       = 1_000            // a slow page of an account with many scripts
	defaultTimeoutMS    = 15_000           // longer than any client that means well waits
	defaultFaultStatus  = 503              //
	defaultGatewayFault = 502              //
)

var faultKinds = []string{FaultTokenRevoked, FaultConcurrency, FaultRequestLimit, FaultError,
	FaultErrorAfter, FaultHTML, FaultHTMLAfter, FaultRecordChanged, FaultScriptRefuses,
	FaultTimeoutBefore, FaultTimeoutAfter, FaultResetBefore, FaultResetAfter, FaultSlow,
	FaultItemFails}

// Fault is one rule: what goes wrong, where, and how often.
type Fault struct {
	ID        string  `json:"id"`        // of the rule; what it does is ID.1, ID.2 and on
	Kind      string  `json:"kind"`      // one of the Fault constants
	Operation string  `json:"operation"` // an operation such as create, "" for all but token
	Record    string  `json:"record"`    // a record type; of a transform its target; "" for all
	Percent   float64 `json:"percent"`   // of what matches; 0 counts as 100
	Skip      int     `json:"skip"`      // the first matches that stay whole
	Count     int     `json:"count"`     // how often at most; 0 for no limit
	Status    int     `json:"status"`    // of an error
	DelayMS   int64   `json:"delay_ms"`  // real time: default 15,000 of a timeout, 1,000 otherwise
	FromMS    int64   `json:"from_ms"`   // in force from so long after it was set
	ForMS     int64   `json:"for_ms"`    // for so long; 0 for ever
	Seed      uint64  `json:"seed"`      // 0 takes the server's
}

func (f Fault) validate() error {
	if !slices.Contains(faultKinds, f.Kind) {
		return fmt.Errorf("fault %q: no kind %q", f.ID, f.Kind)
	}
	if f.Operation != "" && !slices.Contains(operations, f.Operation) {
		return fmt.Errorf("fault %q: no operation %q", f.ID, f.Operation)
	}
	if f.Record != "" && recordTypes[lower(f.Record)] == nil {
		return fmt.Errorf("fault %q: no record type %q", f.ID, f.Record)
	}
	if f.Percent < 0 || f.Percent > 100 || f.Skip < 0 || f.Count < 0 || f.DelayMS < 0 {
		return fmt.Errorf("fault %q: percent is 0 to 100, skip, count and delay_ms 0 or more", f.ID)
	}
	if f.Status != 0 && (f.Status < 400 || f.Status > 599) {
		return fmt.Errorf("fault %q: status is 400 to 599", f.ID)
	}
	return nil
}

func (f Fault) withDefaults(n int) Fault {
	if f.ID == "" {
		f.ID = "f" + strconv.Itoa(n)
	}
	if f.Percent == 0 {
		f.Percent = 100
	}
	if f.Status == 0 {
		f.Status = defaultFaultStatus
		if f.Kind == FaultHTML || f.Kind == FaultHTMLAfter {
			f.Status = defaultGatewayFault
		}
	}
	if f.DelayMS == 0 {
		f.DelayMS = defaultSlowMS
		if f.Kind == FaultTimeoutAfter || f.Kind == FaultTimeoutBefore {
			f.DelayMS = defaultTimeoutMS
		}
	}
	return f
}

// Script is a file of faults.
type Script struct {
	Concurrency *int            `json:"concurrency"` // the account's limit from now on
	Occupied    *int            `json:"occupied"`    // of it, held by other integrations
	LatencyMS   *int64          `json:"latency_ms"`  // what each call takes, in real time
	Assumptions json.RawMessage `json:"assumptions"` // only those that differ
	Faults      []Fault         `json:"faults"`
	Clear       bool            `json:"clear"` // first ends all rules in force
}

type rule struct {
	Fault
	since        time.Time
	rng          *rand.Rand
	matched, hit int
}

// faults holds the rules in force. Safe for concurrent use.
type faults struct {
	seed uint64
	now  func() time.Time

	mu    sync.Mutex
	made  int
	rules []*rule
}

func (f *faults) add(list ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range list {
		f.made++
		x = x.withDefaults(f.made)
		seed := x.Seed
		if seed == 0 {
			seed = f.seed
		}
		f.rules = append(f.rules, &rule{Fault: x, since: f.now(),
			rng: rand.New(rand.NewPCG(seed, uint64(f.made)))})
	}
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// injected is one fault that happens now.
type injected struct {
	Fault
	id string
}

func (i *injected) delay() time.Duration { return time.Duration(i.DelayMS) * time.Millisecond }

// is says whether a fault of one of the kinds happens; a nil fault is none.
func (i *injected) is(kinds ...string) bool { return i != nil && slices.Contains(kinds, i.Kind) }

// pick returns the first rule that strikes the call, or nil.
func (f *faults) pick(c *call) *injected {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	for _, r := range f.rules {
		age := now.Sub(r.since).Milliseconds()
		if !r.concerns(c) || age < r.FromMS || r.ForMS > 0 && age >= r.FromMS+r.ForMS {
			continue
		}
		r.matched++
		if r.matched <= r.Skip || r.Count > 0 && r.hit >= r.Count ||
			r.rng.Float64()*100 >= r.Percent {
			continue
		}
		r.hit++
		return &injected{Fault: r.Fault, id: r.ID + "." + strconv.Itoa(r.hit)}
	}
	return nil
}

// concerns says whether the rule is about this call. Kinds that are about writes leave reads alone.
func (r *rule) concerns(c *call) bool {
	if r.Operation == "" && c.op == opToken || r.Operation != "" && r.Operation != c.op {
		return false
	}
	switch r.Kind {
	case FaultRecordChanged, FaultScriptRefuses:
		if !c.writes() {
			return false
		}
	case FaultItemFails:
		if c.op != opBatchItem {
			return false
		}
	}
	if c.op == opBatchItem && r.Kind != FaultItemFails {
		return false
	}
	return r.Record == "" || c.target != nil && lower(r.Record) == lower(c.target.name)
}
