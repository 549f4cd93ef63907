package routing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"holdfast/engine"
)

// List is all rules, in the order in which they are tried.
type List struct {
	Rules []Rule `json:"rules"`
}

// Rule says where the orders that it matches are served from.
type Rule struct {
	ID   string `json:"id"`
	When When   `json:"when,omitzero"`
	Then Then   `json:"then,omitzero"`
}

// When is the conditions of a rule: all that are given must hold, and each holds with any one of
// its words. The zero When matches every order.
type When struct {
	Channel     Words  `json:"channel,omitempty"`
	Tag         Words  `json:"tag,omitempty"`          // of the order, or of the SKU of a line
	SKU         Words  `json:"sku,omitempty"`          // of a line; one that ends in * is a prefix
	Country     Words  `json:"country,omitempty"`      // ISO 3166-1 alpha-2 of the ship-to
	Region      Words  `json:"region,omitempty"`       // of the ship-to, as the home writes it
	PostalCode  Words  `json:"postal_code,omitempty"`  // prefixes; spaces and hyphens do not count
	Available   Words  `json:"available,omitempty"`    // a location that alone has every unit now
	Value       *Value `json:"value,omitempty"`        // of the order
	FulfilledBy Words  `json:"fulfilled_by,omitempty"` // merchant, amazon
}

// Value is a range of order values. A bound that is empty does not bind; an order without a value,
// or in another currency where one is named, is in no range.
type Value struct {
	Min      Decimal `json:"min,omitempty"` // at least
	Max      Decimal `json:"max,omitempty"` // below
	Currency string  `json:"currency,omitempty"`
}

// Then is what a rule does. The zero Then leaves the order to the channel, and ends the search.
type Then struct {
	Locations []string `json:"locations,omitempty"`
	Split     *bool    `json:"split,omitempty"`
	MCF       bool     `json:"mcf,omitempty"`
	Hold      Hold     `json:"hold,omitempty"`
}

// Words are texts of which one is enough. In JSON one of them may stand without the list.
type Words []string

// broken stands for a value that was not of a known form, so that [List.Validate] can name its
// path; no text that is valid in a record has it.
const broken = "\x00"

// UnmarshalJSON takes a text or a list of texts. Its error is always nil: what is neither is
// refused by List.Validate, which knows the path.
func (w *Words) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil && b[0] == '"' {
		*w = Words{one}
		return nil
	}
	var many []string
	if json.Unmarshal(b, &many) != nil || len(many) == 0 {
		*w = Words{broken}
		return nil
	}
	*w = many
	return nil
}

// MarshalJSON writes one word without a list. Its error is always nil.
func (w Words) MarshalJSON() ([]byte, error) {
	if len(w) == 1 {
		return json.Marshal(w[0])
	}
	return json.Marshal([]string(w))
}

// Hold is why a person must look at an order first; empty is no hold. In JSON true stands for the
// plain words.
type Hold string

// plainHold is the reason where the rule gives none.
const plainHold = "the rule wants a person to look first"

// UnmarshalJSON takes a text or a boolean. Its error is always nil, as that of Words.
func (h *Hold) UnmarshalJSON(b []byte) error {
	var text string
	switch {
	case string(b) == "true":
		*h = plainHold
	case string(b) == "false":
		*h = ""
	case b[0] == '"' && json.Unmarshal(b, &text) == nil:
		*h = Hold(text)
	default:
		*h = broken
	}
	return nil
}

// UnmarshalJSON takes a range, or one bound as a text: ">=100", "<49.90". Its error is always nil,
// as that of Words.
func (v *Value) UnmarshalJSON(b []byte) error {
	var text string
	if b[0] == '"' && json.Unmarshal(b, &text) == nil {
		*v = Value{Min: broken}
		if bound, ok := strings.CutPrefix(text, ">="); ok {
			*v = Value{Min: Decimal(strings.TrimSpace(bound))}
		} else if bound, ok := strings.CutPrefix(text, "<"); ok && !strings.HasPrefix(bound, "=") {
			*v = Value{Max: Decimal(strings.TrimSpace(bound))}
		}
		return nil
	}
	type plain Value // without this method
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if d.Decode((*plain)(v)) != nil {
		*v = Value{Min: broken}
	}
	return nil
}

// Parse reads a list and checks what needs no state. Unknown members are refused, so that a rule
// with a misspelt condition never matches everything. It fails with one or more *engine.FieldError,
// joined.
func Parse(body []byte) (List, error) {
	var list List
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(&list)
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("there is more behind the object")
		}
	}
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return List{}, &engine.FieldError{Field: kind.Field, Reason: "must not be a " + kind.Value}
	case err != nil:
		if at, ok := unknownMember(body); ok {
			return List{}, &engine.FieldError{Field: at, Reason: "is not a member of a rule; a condition " +
				"that is not known would match every order"}
		}
		return List{}, &engine.FieldError{Field: "rules", Reason: fmt.Sprintf("cannot be read: %v", err)}
	}
	if list.Rules == nil {
		return List{}, &engine.FieldError{Field: "rules", Reason: "is required; [] is no rule"}
	}
	return list, list.Validate()
}
