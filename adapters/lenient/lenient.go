// Package lenient has the types with which bodies of other systems are read: a member that is not
// what it should be must not hide the sale that stands beside it. They never fail; they remember
// that they could not be read, and whoever uses them complains. No float is ever made.
package lenient

import (
	"bytes"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Number is a whole number, or the same in quotes. A null and an empty text are 0.
type Number struct {
	Value int64
	Bad   bool // it was something else
}

// UnmarshalJSON always returns nil.
func (n *Number) UnmarshalJSON(b []byte) error {
	b = bytes.Trim(b, `"`)
	if string(b) == "null" || len(b) == 0 {
		*n = Number{}
		return nil
	}
	v, err := strconv.ParseInt(string(b), 10, 64)
	*n = Number{v, err != nil}
	return nil
}

// Decimal is an amount as it was written, in quotes or not. A null and an empty text are empty.
type Decimal struct {
	Text string
	Bad  bool // it was no amount, and Text is empty
}

// UnmarshalJSON always returns nil.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	text := strings.TrimSpace(string(bytes.Trim(b, `"`)))
	if text == "null" || text == "" {
		*d = Decimal{}
		return nil
	}
	text, ok := Amount(text)
	*d = Decimal{text, !ok}
	return nil
}

// Amount is a decimal written out in digits; ok is false, and the text empty, when it is none. Some
// systems write 12000 as 1.2E+4.
func Amount(text string) (plain string, ok bool) {
	if IsDecimal(text) {
		return text, true
	}
	mantissa, exponent, found := strings.Cut(strings.ToUpper(text), "E")
	power, err := strconv.Atoi(exponent)
	if !found || err != nil || !IsDecimal(mantissa) || power < -20 || power > 20 {
		return "", false
	}
	r, ok := new(big.Rat).SetString(mantissa + "e" + strconv.Itoa(power))
	if !ok {
		return "", false
	}
	_, frac, _ := strings.Cut(mantissa, ".")
	return r.FloatString(max(len(frac)-power, 0)), true
}

// IsDecimal reports whether a text is digits with at most one point, perhaps with a sign.
func IsDecimal(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, frac, point := strings.Cut(s, ".")
	return len(s) <= 32 && allDigits(whole) && (!point || allDigits(frac))
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Moment is a time in RFC 3339. A null and an empty text are the zero time.
type Moment struct {
	time.Time
	Bad bool // it was no time
}

// UnmarshalJSON always returns nil.
func (m *Moment) UnmarshalJSON(b []byte) error {
	text := string(bytes.Trim(b, `"`))
	if text == "null" || text == "" {
		*m = Moment{}
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	*m = Moment{at.UTC(), err != nil}
	return nil
}
