package routing

import (
	"cmp"
	"encoding/json"
	"strings"
)

// Decimal is an amount as it was written, such as "49.90". It is compared digit by digit: a float
// would make 0.1 + 0.2 a third thing, and a currency has as many decimals as it likes.
type Decimal string

// maxDigits bounds an amount: no currency's largest order has as many.
const maxDigits = 30

// UnmarshalJSON takes a text or a number, as it is written. Its error is always nil: what is no
// amount fails Valid.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	var text string
	switch {
	case b[0] == '"' && json.Unmarshal(b, &text) == nil:
		*d = Decimal(text)
	default:
		*d = Decimal(b)
	}
	return nil
}

// Valid reports whether it is an amount: digits, at most one point with digits on both sides, and a
// minus in front for less than nothing.
func (d Decimal) Valid() bool {
	text := strings.TrimPrefix(string(d), "-")
	whole, part, pointed := strings.Cut(text, ".")
	return len(text) <= maxDigits && digits(whole) && (!pointed || digits(part))
}

func digits(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

// Compare returns -1, 0 or +1 as d is below, equal to or above other. Both must be Valid.
func (d Decimal) Compare(other Decimal) int {
	a, b := d.parts(), other.parts()
	if a.negative != b.negative {
		if a.negative {
			return -1
		}
		return 1
	}
	order := cmp.Or(cmp.Compare(len(a.whole), len(b.whole)), cmp.Compare(a.whole, b.whole),
		cmp.Compare(a.part, b.part)) // fractions without trailing zeros compare as texts
	if a.negative {
		return -order
	}
	return order
}

// amount is a decimal without zeros that say nothing.
type amount struct {
	negative    bool
	whole, part string
}

func (d Decimal) parts() amount {
	text, negative := strings.CutPrefix(string(d), "-")
	whole, part, _ := strings.Cut(text, ".")
	a := amount{whole: strings.TrimLeft(whole, "0"), part: strings.TrimRight(part, "0")}
	a.negative = negative && a.whole+a.part != "" // -0 is 0
	return a
}
