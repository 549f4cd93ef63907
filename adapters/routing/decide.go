package routing

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode"
)

// Order is what rules may look at. Nothing of it says who buys.
type Order struct {
	Channel     string   `json:"channel"`
	FulfilledBy string   `json:"fulfilled_by,omitempty"` // merchant (also when empty) or amazon
	Tags        []string `json:"tags,omitempty"`
	Country     string   `json:"country,omitempty"`
	Region      string   `json:"region,omitempty"`
	PostalCode  string   `json:"postal_code,omitempty"`
	Value       Decimal  `json:"value,omitempty"`
	Currency    string   `json:"currency,omitempty"`
	Lines       []Line   `json:"lines"`
}

// Line is one line that needs stock. One that the home has pinned to a location (a sale at a till)
// has left it already: the decision does not move it, and no availability is asked for it.
type Line struct {
	SKU      string   `json:"sku"`
	Qty      int64    `json:"qty"`
	Tags     []string `json:"tags,omitempty"` // of the SKU
	Location string   `json:"location,omitempty"`
}

// Stock is what is there at the moment of the decision.
type Stock interface {
	// Covers reports whether a location alone has every unit of the lines, taken together: kits
	// exploded, and equal SKUs summed.
	Covers(location string, lines []Line) bool
}

// Decide returns what the first matching rule says, or the channel's own order. stock may be nil:
// then no condition on availability holds. It is pure but for stock's answers.
func Decide(list List, o Order, stock Stock) Decision {
	for i := range list.Rules {
		why, ok := list.Rules[i].matches(&o, stock)
		if !ok {
			continue
		}
		d := list.Rules[i].decision(why)
		if d.MCF {
			d.Fallback = fallbacks(list.Rules[i+1:], &o, stock)
		}
		return d
	}
	return Decision{Why: "no rule matches: the channel's own order of locations"}
}

// fallbacks are the later rules that match, and then a person.
func fallbacks(later []Rule, o *Order, stock Stock) []Decision {
	var all []Decision
	for i := range later {
		if why, ok := later[i].matches(o, stock); ok && len(all) < maxFallbacks {
			all = append(all, later[i].decision(why))
		}
	}
	return append(all, Decision{Why: "no further rule can serve it", Hold: OutOfStock})
}

func (r *Rule) decision(why string) Decision {
	return Decision{Rule: r.ID, Why: why, Locations: slices.Clone(r.Then.Locations), Split: r.Then.Split,
		MCF: r.Then.MCF, Hold: string(r.Then.Hold)}
}

// matches says in words what held, or that something did not.
func (r *Rule) matches(o *Order, stock Stock) (why string, ok bool) {
	var held []string
	for name, found := range r.conditions(o, stock) {
		if found == "" {
			return "", false
		}
		held = append(held, name+" "+found)
	}
	if len(held) == 0 {
		return "rule " + r.ID + " matches every order", true
	}
	return "rule " + r.ID + ": " + strings.Join(held, ", "), true
}

// conditions walks those that the rule has, each by its name with what made it hold; empty is that
// nothing did. The stock, which costs most, is looked at last.
func (r *Rule) conditions(o *Order, stock Stock) iter.Seq2[string, string] {
	w := &r.When
	checks := [...]struct {
		name  string
		words Words
		find  func() string
	}{
		{"channel", w.Channel, func() string { return among(w.Channel, o.Channel) }},
		{"fulfilled by", w.FulfilledBy, func() string { return among(w.FulfilledBy, o.fulfilledBy()) }},
		{"country", w.Country, func() string { return among(w.Country, strings.ToUpper(o.Country)) }},
		{"region", w.Region, func() string { return w.Region.folded(o.Region) }},
		{"postal code", w.PostalCode, func() string { return w.PostalCode.prefixOf(o.PostalCode) }},
		{"tag", w.Tag, func() string { return w.Tag.tagOf(o) }},
		{"SKU", w.SKU, func() string { return w.SKU.skuOf(o.Lines) }},
		{"value", w.Value.asked(), func() string { return w.Value.holding(o) }},
		{"everything at", w.Available, func() string { return w.Available.covering(o, stock) }},
	}
	return func(yield func(string, string) bool) {
		for _, c := range checks {
			if len(c.words) > 0 && !yield(c.name, c.find()) {
				return
			}
		}
	}
}

func among(words Words, text string) string {
	if text != "" && slices.Contains(words, text) {
		return text
	}
	return ""
}

func (o *Order) fulfilledBy() string {
	if o.FulfilledBy == "" {
		return "merchant"
	}
	return o.FulfilledBy
}

// folded compares without case: homes write CA, ca and California as they like.
func (w Words) folded(text string) string {
	for _, word := range w {
		if text != "" && strings.EqualFold(word, text) {
			return text
		}
	}
	return ""
}

// prefixOf finds the prefix of a postal code: 941 is of 94105, SW1 of sw1a 1aa.
func (w Words) prefixOf(code string) string {
	code = squeeze(code)
	for _, word := range w {
		if code != "" && strings.HasPrefix(code, squeeze(word)) {
			return word
		}
	}
	return ""
}

// squeeze leaves of a postal code what two writers of it agree on.
func squeeze(code string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToUpper(r)
		}
		return -1
	}, code)
}

func (w Words) tagOf(o *Order) string {
	for _, tag := range o.Tags {
		if found := w.folded(tag); found != "" {
			return found
		}
	}
	for i := range o.Lines {
		for _, tag := range o.Lines[i].Tags {
			if found := w.folded(tag); found != "" {
				return found + " of " + o.Lines[i].SKU
			}
		}
	}
	return ""
}

func (w Words) skuOf(lines []Line) string {
	for _, word := range w {
		prefix, wild := strings.CutSuffix(word, "*")
		for i := range lines {
			if sku := lines[i].SKU; sku == word || wild && strings.HasPrefix(sku, prefix) {
				return sku
			}
		}
	}
	return ""
}

func (w Words) covering(o *Order, stock Stock) string {
	if stock == nil {
		return ""
	}
	free := slices.DeleteFunc(slices.Clone(o.Lines), func(l Line) bool { return l.Location != "" })
	for _, location := range w {
		if len(free) > 0 && stock.Covers(location, free) {
			return location
		}
	}
	return ""
}

// asked is not empty where there is a range.
func (v *Value) asked() Words {
	if v == nil {
		return nil
	}
	return Words{string(v.Min + v.Max)}
}

func (v *Value) holding(o *Order) string {
	switch {
	case o.Value == "" || !o.Value.Valid(),
		v.Currency != "" && v.Currency != o.Currency,
		v.Min != "" && o.Value.Compare(v.Min) < 0,
		v.Max != "" && o.Value.Compare(v.Max) >= 0:
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s", o.Value, o.Currency))
}
