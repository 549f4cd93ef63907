package routing

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"holdfast/engine"
)

// The limits of a list. They keep one decision within some 100 µs, and the list within a record.
const (
	maxRules     = 500
	maxWords     = 200
	maxWordBytes = 255
	maxLocations = 100
	maxHoldBytes = 200
)

// names says what the ledger knows of the names in a rule.
type names interface {
	// Channel reports whether there is such a channel.
	Channel(id string) bool
	// Location reports whether there is such a location, and whether it mirrors Amazon's stock.
	Location(id string) (fba, ok bool)
}

// Validate checks what needs no state: nil, or every fault as an *engine.FieldError, joined.
func (l List) Validate() error {
	var f faults
	if len(l.Rules) > maxRules {
		f.add("rules", "must be at most %d rules", maxRules)
		return f.err()
	}
	ids := make(map[string]int, len(l.Rules))
	for i := range l.Rules {
		r, at := &l.Rules[i], fmt.Sprintf("rules[%d]", i)
		if !validID(r.ID) {
			f.add(at+".id", "must be 1 to 128 bytes of printable ASCII without space")
		} else if first, twice := ids[r.ID]; twice {
			f.add(at+".id", "is that of rules[%d] too; each rule has its own", first)
		} else {
			ids[r.ID] = i
		}
		f.when(at+".when", &r.When)
		f.then(at+".then", &r.Then)
	}
	return f.err()
}

// check holds the names of one rule against what is known: nil, or every fault as an
// *engine.FieldError, joined.
func (l List) check(i int, known names) error {
	var f faults
	r, at := &l.Rules[i], fmt.Sprintf("rules[%d]", i)
	for j, c := range r.When.Channel {
		if !known.Channel(c) {
			f.add(place(at+".when.channel", j, len(r.When.Channel)), "names no channel: %s", c)
		}
	}
	for j, id := range r.When.Available {
		if _, ok := known.Location(id); !ok {
			f.add(place(at+".when.available", j, len(r.When.Available)), "names no location: %s", id)
		}
	}
	for j, id := range r.Then.Locations {
		f.location(fmt.Sprintf("%s.then.locations[%d]", at, j), r, id, known)
	}
	return f.err()
}

// asksLedger reports whether a rule looks at what is there, or at the tags of a SKU.
func (l List) asksLedger() bool {
	return slices.ContainsFunc(l.Rules, func(r Rule) bool {
		return len(r.When.Available)+len(r.When.Tag) > 0
	})
}

// location checks one location that a rule serves from. Stock at Amazon is used only by an order
// that Amazon fulfils, or through multi-channel fulfilment; the two kinds are never drawn from
// together.
func (f *faults) location(at string, r *Rule, id string, known names) {
	fba, ok := known.Location(id)
	amazon := len(r.When.FulfilledBy) == 1 && r.When.FulfilledBy[0] == "amazon"
	switch {
	case !ok:
		f.add(at, "names no location: %s", id)
	case fba && !r.Then.MCF && !amazon:
		f.add(at, "is stock at Amazon (%s): say mcf true, or fulfilled_by amazon in when", id)
	case !fba && r.Then.MCF:
		f.add(at, "is not stock at Amazon (%s), which mcf needs", id)
	}
}

func (f *faults) when(at string, w *When) {
	f.words(at+".channel", w.Channel, idWord)
	f.words(at+".tag", w.Tag, nil)
	f.words(at+".sku", w.SKU, nil)
	f.words(at+".country", w.Country, func(c string) string {
		if len(c) != 2 || strings.ToUpper(c) != c || strings.Trim(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return "must be two capital letters, such as US"
		}
		return ""
	})
	f.words(at+".region", w.Region, nil)
	f.words(at+".postal_code", w.PostalCode, func(p string) string {
		if squeeze(p) == "" {
			return "must have a letter or a digit"
		}
		return ""
	})
	f.words(at+".available", w.Available, idWord)
	f.words(at+".fulfilled_by", w.FulfilledBy, func(who string) string {
		if who != "merchant" && who != "amazon" {
			return "must be merchant or amazon"
		}
		return ""
	})
	if w.Value != nil {
		f.value(at+".value", w.Value)
	}
}

func (f *faults) value(at string, v *Value) {
	const form = "must be an amount such as 49.90"
	switch {
	case v.Min == broken:
		f.add(at, `must have only min, max and currency, or be a text such as ">=100" or "<49.90"`)
		return
	case v.Min == "" && v.Max == "":
		f.add(at, "needs min or max")
	}
	if v.Min != "" && !v.Min.Valid() {
		f.add(at+".min", form)
	} else if v.Max != "" && !v.Max.Valid() {
		f.add(at+".max", form)
	} else if v.Min != "" && v.Max != "" && v.Min.Compare(v.Max) >= 0 {
		f.add(at+".max", "must be above min: max is the first amount that is too high")
	}
	if c := v.Currency; c != "" && (len(c) != 3 || strings.ToUpper(c) != c) {
		f.add(at+".currency", "must be three capital letters, such as USD")
	}
}

func (f *faults) then(at string, t *Then) {
	if len(t.Locations) > maxLocations {
		f.add(at+".locations", "must be at most %d locations", maxLocations)
		return
	}
	for i, id := range t.Locations {
		if !validID(id) {
			f.add(fmt.Sprintf("%s.locations[%d]", at, i), "must be the id of a location")
		} else if slices.Contains(t.Locations[:i], id) {
			f.add(fmt.Sprintf("%s.locations[%d]", at, i), "lists %s twice", id)
		}
	}
	switch {
	case t.Hold == broken:
		f.add(at+".hold", "must be true, false or the reason")
	case len(t.Hold) > maxHoldBytes || !plain(string(t.Hold)):
		f.add(at+".hold", "must be at most %d bytes without control characters", maxHoldBytes)
	}
}

func (f *faults) words(at string, words Words, rule func(string) string) {
	if len(words) > maxWords {
		f.add(at, "must be at most %d words", maxWords)
		return
	}
	for i, w := range words {
		where := place(at, i, len(words))
		switch {
		case w == broken:
			f.add(where, "must be a text, or a list of at least one text")
		case w == "" || len(w) > maxWordBytes || !plain(w):
			f.add(where, "must be 1 to %d bytes of UTF-8 without control characters", maxWordBytes)
		case rule != nil && rule(w) != "":
			f.add(where, "%s", rule(w))
		}
	}
}

func idWord(w string) string {
	if !validID(w) {
		return "must be an id: printable ASCII without space"
	}
	return ""
}

// place is the path of a word; one that stands without a list has no number.
func place(at string, i, of int) string {
	if of == 1 {
		return at
	}
	return fmt.Sprintf("%s[%d]", at, i)
}

func plain(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' || r >= 0x7f && r < 0xa0
	})
}

// faults collects what is wrong, each with its field.
type faults []error

func (f *faults) add(field, reason string, args ...any) {
	*f = append(*f, &engine.FieldError{Field: field, Reason: fmt.Sprintf(reason, args...)})
}

func (f faults) err() error { return errors.Join(f...) }

// validID reports whether a text can be an id of the ledger.
func validID(text string) bool {
	if text == "" || len(text) > engine.MaxIDBytes {
		return false
	}
	for i := 0; i < len(text); i++ {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}
