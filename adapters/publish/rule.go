package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"holdfast/engine"
)

// Rule shapes what is published of the SKUs, and at the places, that it names. Where several rules
// say the same thing, the most specific one counts; the channel's own rules are the least specific.
type Rule struct {
	ID   string `json:"id"`
	When When   `json:"when"`
	Then Then   `json:"then"`
	Note string `json:"note,omitempty"`
}

// When says what a rule is about; an empty field is everything. A rule that names a location shapes
// only the number of that location, after all rules that do not.
type When struct {
	SKU      string    `json:"sku,omitempty"`
	Tag      string    `json:"tag,omitempty"` // one of the SKU's
	Location string    `json:"location,omitempty"`
	Channel  string    `json:"channel,omitempty"`
	Region   string    `json:"region,omitempty"` // of the channel
	From     time.Time `json:"from,omitzero"`    // in force from then on, by ledger time
	Until    time.Time `json:"until,omitzero"`   // and before then
}

// Then is what a rule does; nil leaves it to less specific rules. Buffer and BufferPercent are one
// thing said in two ways: a rule that has either of them replaces both, and the larger one counts.
type Then struct {
	Buffer        *int64   `json:"buffer,omitempty"`         // units kept back
	BufferPercent *Percent `json:"buffer_percent,omitempty"` // of what is available, kept back
	Max           *int64   `json:"max,omitempty"`            // shown at most; 0 is no limit
	Min           *int64   `json:"min,omitempty"`            // shown at least, if so many are sellable
	Threshold     *int64   `json:"threshold,omitempty"`      // at or below it 0 is shown
	Share         *Percent `json:"share,omitempty"`          // dedicated mode: of the pool
	Stop          Stop     `json:"stop,omitempty"`
}

// Stop is a stop cord.
type Stop string

// The stop cords.
const (
	StopZero   Stop = "zero"   // 0 is shown
	StopFreeze Stop = "freeze" // nothing is sent
)

// Percent is in hundredths of a percent, and a number with two decimals in JSON.
type Percent int64

// MarshalJSON writes 12.5 for 1250. It never fails.
func (p Percent) MarshalJSON() ([]byte, error) {
	return []byte(strconv.FormatFloat(float64(p)/100, 'f', -1, 64)), nil
}

// UnmarshalJSON fails with what is not a number from 0 to 100 with at most two decimals.
func (p *Percent) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return errors.New("null is not a percentage")
	}
	var n json.Number
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	whole, part, _ := strings.Cut(n.String(), ".")
	v, err := strconv.ParseUint((whole + (part + "00")[:2]), 10, 32)
	if err != nil || len(part) > 2 || v > 10_000 {
		return fmt.Errorf("%s is not a number from 0 to 100 with at most two decimals", text)
	}
	*p = Percent(v)
	return nil
}

// The limits of rules: all of them are replaced in one Tx.
const (
	MaxRules     = 2_000
	maxRuleNote  = 255
	stopIDPrefix = "stop/" // ids that are not a person's to give
)

// Validate returns nil, or all faults of a list of rules, each a *engine.FieldError.
func Validate(rules []Rule) error {
	var faults []error
	bad := func(at, must string) { faults = append(faults, &engine.FieldError{Field: at, Reason: must}) }
	if len(rules) > MaxRules {
		bad("rules", fmt.Sprintf("must be at most %d", MaxRules))
		return errors.Join(faults...)
	}
	seen := make(map[string]bool, len(rules))
	for i := range rules {
		at := fmt.Sprintf("rules[%d].", i)
		if seen[rules[i].ID] {
			bad(at+"id", "is there twice")
		}
		seen[rules[i].ID] = true
		rules[i].validate(func(member, must string) { bad(at+member, must) })
	}
	return errors.Join(faults...)
}

func (r *Rule) validate(bad func(at, must string)) {
	if len(r.ID) == 0 || len(r.ID) > engine.MaxIDBytes || !printable(r.ID) ||
		strings.HasPrefix(r.ID, stopIDPrefix) {
		bad("id", `must be 1 to 128 printable ASCII characters without space, not beginning "stop/"`)
	}
	if len(r.Note) > maxRuleNote {
		bad("note", "must be at most 255 bytes")
	}
	if !r.When.From.IsZero() && !r.When.Until.IsZero() && !r.When.From.Before(r.When.Until) {
		bad("when.until", "must be after when.from")
	}
	t := &r.Then
	if t.Stop != "" {
		bad("then.stop", "is set by the stop cord only")
	}
	if t.Buffer == nil && t.BufferPercent == nil && t.Max == nil && t.Min == nil &&
		t.Threshold == nil && t.Share == nil {
		bad("then", "must say something")
	}
	for _, n := range []struct {
		at    string
		value *int64
	}{{"buffer", t.Buffer}, {"max", t.Max}, {"min", t.Min}, {"threshold", t.Threshold}} {
		if n.value != nil && (*n.value < 0 || *n.value > engine.MaxQty) {
			bad("then."+n.at, "must be 0 to 1000000000")
		}
	}
	for _, n := range []struct {
		at    string
		value *Percent
	}{{"buffer_percent", t.BufferPercent}, {"share", t.Share}} {
		if n.value != nil && (*n.value < 0 || *n.value > 10_000) {
			bad("then."+n.at, "must be 0 to 100")
		}
	}
	if t.Max != nil && t.Min != nil && *t.Max > 0 && *t.Min > *t.Max {
		bad("then.min", "must be at most then.max")
	}
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// specific orders rules: what names a SKU is before what names a tag, a location, a channel, a region.
func (r *Rule) specific() int {
	n := 0
	for _, w := range []struct {
		named  bool
		weight int
	}{
		{r.When.SKU != "", 32}, {r.When.Tag != "", 16}, {r.When.Location != "", 8},
		{r.When.Channel != "", 4}, {r.When.Region != "", 2},
		{!r.When.From.IsZero() || !r.When.Until.IsZero(), 1}, // for a while, so meant for then
	} {
		if w.named {
			n += w.weight
		}
	}
	return n
}
