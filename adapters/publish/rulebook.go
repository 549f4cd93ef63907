package publish

import (
	"cmp"
	"slices"
	"time"

	"holdfast/engine"
)

// Rulebook is a set of rules made ready to be asked. It is never changed, and is safe for concurrent
// use.
type Rulebook struct {
	bySKU map[string][]*Rule // most specific first
	rest  []*Rule            // those that name no SKU, most specific first
	tags  bool               // a rule names a tag
	edges []time.Time        // when a dated rule begins or ends, in order
}

// NewRulebook makes a rulebook; of two equally specific rules the one with the lower id counts.
func NewRulebook(rules []Rule) *Rulebook {
	b := &Rulebook{bySKU: map[string][]*Rule{}}
	sorted := make([]*Rule, 0, len(rules))
	for i := range rules {
		sorted = append(sorted, &rules[i])
	}
	slices.SortFunc(sorted, func(x, y *Rule) int {
		return cmp.Or(cmp.Compare(y.specific(), x.specific()), cmp.Compare(x.ID, y.ID))
	})
	for _, r := range sorted {
		if r.When.SKU != "" {
			b.bySKU[r.When.SKU] = append(b.bySKU[r.When.SKU], r)
		} else {
			b.rest = append(b.rest, r)
		}
		b.tags = b.tags || r.When.Tag != ""
		for _, edge := range []time.Time{r.When.From, r.When.Until} {
			if !edge.IsZero() {
				b.edges = append(b.edges, edge)
			}
		}
	}
	slices.SortFunc(b.edges, time.Time.Compare)
	return b
}

// NextEdge is when a dated rule begins or ends next after t; zero when none does.
func (b *Rulebook) NextEdge(t time.Time) time.Time {
	for _, edge := range b.edges {
		if edge.After(t) {
			return edge
		}
	}
	return time.Time{}
}

// Subject is what rules are asked about: one slot at one moment of ledger time.
type Subject struct {
	SKU, Location, Channel, Region string
	Tags                           []string
	At                             time.Time
}

// Shape is what rules say of a number, each with the id of the rule that said it.
type Shape struct {
	Buffer, BufferPercent, Max, Min, Threshold, Share int64 // Share −1: none
	Kept, Capped, Floored, Cut, Shared                string
}

// Ruling is what the rules say of one slot: of all that its channel may sell of the SKU, and then of
// its location alone.
type Ruling struct {
	All, Here  Shape
	Zero       string // id of the stop cord that shows 0; "" is none
	Frozen     string // id of the one that sends nothing
	restricted bool   // a rule names this location
}

// Rule asks the rulebook about a subject, whose channel's own rules are own.
func (b *Rulebook) Rule(s *Subject, own *engine.Rules) Ruling {
	r := Ruling{All: Shape{Share: -1}, Here: Shape{Share: -1}}
	var all, here said
	if b != nil {
		byName := b.bySKU[s.SKU]
		for i, j := 0, 0; i < len(byName) || j < len(b.rest); {
			var rule *Rule
			if j == len(b.rest) || i < len(byName) { // every rule that names the SKU comes first
				rule, i = byName[i], i+1
			} else {
				rule, j = b.rest[j], j+1
			}
			if !rule.fits(s) {
				continue
			}
			r.stop(rule)
			if rule.When.Location != "" {
				r.restricted = true
				here.take(&r.Here, rule)
			} else {
				all.take(&r.All, rule)
			}
		}
	}
	all.takeOwn(&r.All, own, s.Channel)
	return r
}

func (r *Ruling) stop(rule *Rule) {
	if rule.Then.Stop == StopZero && r.Zero == "" {
		r.Zero = rule.ID
	}
	if rule.Then.Stop == StopFreeze && r.Frozen == "" {
		r.Frozen = rule.ID
	}
}

func (r *Rule) fits(s *Subject) bool {
	w := &r.When
	return (w.SKU == "" || w.SKU == s.SKU) && (w.Tag == "" || slices.Contains(s.Tags, w.Tag)) &&
		(w.Location == "" || w.Location == s.Location) &&
		(w.Channel == "" || w.Channel == s.Channel) && (w.Region == "" || w.Region == s.Region) &&
		(w.From.IsZero() || !s.At.Before(w.From)) && (w.Until.IsZero() || s.At.Before(w.Until))
}

// said notes which members of a shape a more specific rule has filled.
type said struct{ kept, max, min, threshold, share bool }

func (d *said) take(s *Shape, rule *Rule) {
	t := &rule.Then
	if (t.Buffer != nil || t.BufferPercent != nil) && !d.kept {
		d.kept, s.Kept = true, rule.ID
		if t.Buffer != nil {
			s.Buffer = *t.Buffer
		}
		if t.BufferPercent != nil {
			s.BufferPercent = int64(*t.BufferPercent)
		}
	}
	for _, m := range []struct {
		from *int64
		to   *int64
		done *bool
		by   *string
	}{
		{t.Max, &s.Max, &d.max, &s.Capped}, {t.Min, &s.Min, &d.min, &s.Floored},
		{t.Threshold, &s.Threshold, &d.threshold, &s.Cut}, {(*int64)(t.Share), &s.Share, &d.share, &s.Shared},
	} {
		if m.from != nil && !*m.done {
			*m.to, *m.done, *m.by = *m.from, true, rule.ID
		}
	}
}

// takeOwn fills what no rule has said from the channel's own rules.
func (d *said) takeOwn(s *Shape, own *engine.Rules, channel string) {
	id := "channel:" + channel
	if !d.kept {
		s.Buffer, s.BufferPercent, s.Kept = own.Buffer, own.BufferPercent, id
	}
	if !d.max {
		s.Max, s.Capped = own.Max, id
	}
	if !d.min {
		s.Min, s.Floored = own.Min, id
	}
	if !d.threshold {
		s.Threshold, s.Cut = own.Threshold, id
	}
}
