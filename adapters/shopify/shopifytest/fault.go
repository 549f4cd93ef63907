package shopifytest

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"holdfast/adapters/internal/simtest"
)

// The kinds of faults of calls, in the order in which they are looked for.
const (
	FaultTokenRevoked  = "token_revoked"  // 401, and the token stays revoked
	FaultLocked        = "locked"         // 423
	FaultError         = "error"          // a 5xx (status, default 503), nothing happened
	FaultErrorAfter    = "error_after"    // a 5xx after the effect took place
	FaultInternal      = "internal"       // 200 with INTERNAL_SERVER_ERROR, nothing happened
	FaultThrottled     = "throttled"      // 200 with THROTTLED, whatever is in the bucket
	FaultTimeoutBefore = "timeout_before" // no answer for delay_ms, then the connection ends; no effect
	FaultTimeoutAfter  = "timeout_after"  // the same, but the effect took place
	FaultResetBefore   = "reset_before"   // the connection is reset at once, no effect
	FaultResetAfter    = "reset_after"    // the connection is reset, the effect took place
	FaultSlow          = "slow"           // the answer comes after delay_ms
	FaultWrongVersion  = "wrong_version"  // X-Shopify-API-Version names another version
)

// The kinds of faults of webhooks.
const (
	FaultWebhookLost      = "webhook_lost"
	FaultWebhookDuplicate = "webhook_duplicate" // sent twice, with one id
	FaultWebhookDelay     = "webhook_delay"     // sent delay_ms late
	FaultWebhookReorder   = "webhook_reorder"   // sent up to delay_ms late, so that later ones overtake
	FaultWebhookBadHMAC   = "webhook_bad_hmac"
)

var callFaults = []string{FaultTokenRevoked, FaultLocked, FaultError, FaultErrorAfter,
	FaultInternal, FaultThrottled, FaultTimeoutBefore, FaultTimeoutAfter, FaultResetBefore,
	FaultResetAfter, FaultSlow, FaultWrongVersion}

var webhookFaults = []string{FaultWebhookLost, FaultWebhookDuplicate, FaultWebhookDelay,
	FaultWebhookReorder, FaultWebhookBadHMAC}

// Fault is one rule: what goes wrong, where, and how often.
type Fault struct {
	ID        string  `json:"id"`        // of the rule; what it does is ID.1, ID.2 and on
	Kind      string  `json:"kind"`      // one of the Fault constants
	Shop      string  `json:"shop"`      // "" for all
	Operation string  `json:"operation"` // a root field such as orderCreate, "" for all
	Topic     string  `json:"topic"`     // webhooks: orders/create, "" for all
	Percent   float64 `json:"percent"`   // of what matches; 0 counts as 100
	Skip      int     `json:"skip"`      // the first matches that stay whole
	Count     int     `json:"count"`     // how often at most; 0 for no limit
	Status    int     `json:"status"`    // of an error; default 503
	DelayMS   int64   `json:"delay_ms"`  // default 15,000 of a timeout, 1,000 otherwise
	FromMS    int64   `json:"from_ms"`   // in force from so long after it was set
	ForMS     int64   `json:"for_ms"`    // for so long; 0 for ever
	Seed      uint64  `json:"seed"`      // 0 takes the server's
}

func (f Fault) validate() error {
	if !slices.Contains(callFaults, f.Kind) && !slices.Contains(webhookFaults, f.Kind) {
		return fmt.Errorf("fault %q: no kind %q", f.ID, f.Kind)
	}
	if f.Percent < 0 || f.Percent > 100 || f.Skip < 0 || f.Count < 0 || f.DelayMS < 0 {
		return fmt.Errorf("fault %q: percent is 0 to 100, skip, count and delay_ms 0 or more", f.ID)
	}
	if f.Status != 0 && (f.Status < 400 || f.Status > 599) {
		return fmt.Errorf("fault %q: status is 400 to 599", f.ID)
	}
	return nil
}

// Script is a file of faults.
type Script struct {
	Webhooks    *WebhookNoise   `json:"webhooks"`
	SearchLagMS *int64          `json:"search_lag_ms"`
	Assumptions json.RawMessage `json:"assumptions"` // only those that differ
	Faults      []Fault         `json:"faults"`
	Clear       bool            `json:"clear"` // first ends all rules in force
}

// faults holds the rules in force. Safe for concurrent use.
type faults struct{ rules *simtest.Rules[Fault] }

func newFaults(seed uint64, now func() time.Time) *faults {
	return &faults{simtest.NewRules[Fault](seed, now)}
}

func (f *faults) add(list ...Fault) {
	for _, x := range list {
		if x.Status == 0 {
			x.Status = 503
		}
		if x.DelayMS == 0 {
			x.DelayMS = 1000
			if x.Kind == FaultTimeoutAfter || x.Kind == FaultTimeoutBefore {
				x.DelayMS = 15_000
			}
		}
		f.rules.Add(x, simtest.Terms{ID: x.ID, Percent: x.Percent, Skip: x.Skip, Count: x.Count,
			FromMS: x.FromMS, ForMS: x.ForMS, Seed: x.Seed})
	}
}

// injected is one fault that happens now.
type injected struct {
	Fault
	id string
}

// pick returns the first rule of the given kinds that strikes, or nil.
func (f *faults) pick(kinds []string, shop string, matches func(Fault) bool) *injected {
	x, id, strikes := f.rules.Pick(func(r Fault) bool {
		return slices.Contains(kinds, r.Kind) && (r.Shop == "" || r.Shop == shop) && matches(r)
	})
	if !strikes {
		return nil
	}
	return &injected{Fault: x, id: id}
}

func (i *injected) delay() time.Duration { return time.Duration(i.DelayMS) * time.Millisecond }
