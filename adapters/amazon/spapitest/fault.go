package spapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"holdfast/adapters/internal/simtest"
)

// The kinds of faults of calls. They strike calls of the API, of Login with Amazon (operation
// token), of presigned documents (getDocument, putDocument) and of SQS (ReceiveMessage and so on).
const (
	FaultError         = "error"          // a 5xx (status, default 503), nothing happened
	FaultErrorAfter    = "error_after"    // a 5xx after the effect took place
	FaultThrottled     = "throttled"      // 429, whatever is in the bucket
	FaultDenied        = "denied"         // 403 as for a role that is missing
	FaultTokenExpired  = "token_expired"  // 403, and the access token has expired
	FaultTokenRevoked  = "token_revoked"  // 403, and the seller's authorisation is withdrawn
	FaultTimeoutBefore = "timeout_before" // no answer for delay_ms, then the connection ends; no effect
	FaultTimeoutAfter  = "timeout_after"  // the same, but the effect took place
	FaultResetBefore   = "reset_before"   // the connection is reset at once, no effect
	FaultResetAfter    = "reset_after"    // the connection is reset, the effect took place
	FaultSlow          = "slow"           // the answer comes after delay_ms
	FaultTruncated     = "truncated"      // the answer ends half way, as if it were whole
)

// The kinds of faults of notifications, and of what is processed later (feeds, reports, patches).
const (
	FaultNotificationLost      = "notification_lost"
	FaultNotificationDuplicate = "notification_duplicate"
	FaultNotificationDelay     = "notification_delay"     // delay_ms late
	FaultNotificationReorder   = "notification_reorder"   // up to delay_ms late
	FaultNotificationMalformed = "notification_malformed" // its body is cut off

	FaultFeedFatal       = "feed_fatal" // type is that of the feed or report
	FaultReportFatal     = "report_fatal"
	FaultReportCancelled = "report_cancelled"
	FaultPatchDelay      = "patch_delay" // accepted, in effect delay_ms later than drawn
	FaultPatchIssue      = "patch_issue" // accepted, then not applied: an issue says so
)

var callFaults = []string{FaultError, FaultErrorAfter, FaultThrottled, FaultDenied,
	FaultTokenExpired, FaultTokenRevoked, FaultTimeoutBefore, FaultTimeoutAfter, FaultResetBefore,
	FaultResetAfter, FaultSlow, FaultTruncated}

var notificationFaults = []string{FaultNotificationLost, FaultNotificationDuplicate,
	FaultNotificationDelay, FaultNotificationReorder, FaultNotificationMalformed}

var laterFaults = []string{FaultFeedFatal, FaultReportFatal, FaultReportCancelled, FaultPatchDelay,
	FaultPatchIssue}

// Fault is one rule: what goes wrong, where, and how often.
type Fault struct {
	ID        string  `json:"id"`        // of the rule; what it does is ID.1, ID.2 and on
	Kind      string  `json:"kind"`      // one of the Fault constants
	Account   string  `json:"account"`   // "" for all
	Region    string  `json:"region"`    // "" for all: error with it is an outage of a region
	Operation string  `json:"operation"` // as in Amazon's models: searchOrders; "" for all
	Type      string  `json:"type"`      // of a notification, feed or report; "" for all
	SKU       string  `json:"sku"`       // of a patch; "" for all
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
	if !slices.Contains(callFaults, f.Kind) && !slices.Contains(notificationFaults, f.Kind) &&
		!slices.Contains(laterFaults, f.Kind) {
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
	Notifications *Noise          `json:"notifications"`
	Assumptions   json.RawMessage `json:"assumptions"` // only those that differ
	Timing        json.RawMessage `json:"timing"`      // only the spans that differ
	Faults        []Fault         `json:"faults"`
	Clear         bool            `json:"clear"` // first ends all rules in force
}

// ParseScript reads a script of faults from JSON. The error names what is wrong in it: an unknown
// field, or a rule that is not valid.
func ParseScript(text []byte) (Script, error) {
	var out Script
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil {
		return out, fmt.Errorf("script of faults: %w", err)
	}
	if _, _, err := out.settle(Documented(), Usual()); err != nil {
		return out, fmt.Errorf("script of faults: %w", err)
	}
	return out, nil
}

// settle checks a script and lays what it changes over the switches and delays in force.
func (s Script) settle(a Assumptions, t Timing) (Assumptions, Timing, error) {
	for _, f := range s.Faults {
		if err := f.validate(); err != nil {
			return a, t, err
		}
	}
	a, err := a.merged(s.Assumptions)
	if err != nil {
		return a, t, err
	}
	t, err = t.merged(s.Timing)
	return a, t, err
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

func (i *injected) delay() time.Duration { return time.Duration(i.DelayMS) * time.Millisecond }

// victim is what a fault may strike.
type victim struct{ account, region, operation, kind, sku string }

// pick returns the first rule of the given kinds that strikes, or nil.
func (f *faults) pick(kinds []string, v victim) *injected {
	same := func(want, got string) bool { return want == "" || want == got }
	x, id, strikes := f.rules.Pick(func(r Fault) bool {
		return slices.Contains(kinds, r.Kind) && same(r.Account, v.account) &&
			same(r.Region, v.region) && same(r.Operation, v.operation) && same(r.Type, v.kind) &&
			same(r.SKU, v.sku)
	})
	if !strikes {
		return nil
	}
	return &injected{Fault: x, id: id}
}
