package netsuitetest

import (
	"math/bits"
	"strconv"
	"strings"
)

// dec is a quantity, a rate or an amount in millionths: no binary fraction touches money. NetSuite
// keeps up to 8 places of a rate; six are enough for what is simulated.
type dec int64

const (
	one    dec = 1_000_000
	cent   dec = one / 100
	places     = 6
)

// whole makes a dec of a whole number.
func whole(n int64) dec { return dec(n) * one }

// parseDec reads a decimal such as -12.5; an exponent or more than 12 digits before the point is no
// number here. Digits after the sixth place are rounded half away from zero.
func parseDec(s string) (dec, bool) {
	digits, negative := strings.CutPrefix(s, "-")
	before, after, dotted := strings.Cut(digits, ".")
	if before == "" && after == "" || len(before) > 12 || dotted && after == "" {
		return 0, false
	}
	var n dec
	for _, c := range before {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + dec(c-'0')
	}
	for i := range max(places, len(after)) {
		var digit dec
		if i < len(after) {
			if after[i] < '0' || after[i] > '9' {
				return 0, false
			}
			digit = dec(after[i] - '0')
		}
		switch {
		case i < places:
			n = n*10 + digit
		case i == places && digit >= 5:
			n++
		}
	}
	if negative {
		n = -n
	}
	return n, true
}

// String is the shortest exact text: 5, 0.25, -19.99.
func (d dec) String() string {
	sign := ""
	n := uint64(d)
	if d < 0 {
		sign, n = "-", uint64(-d)
	}
	text := sign + strconv.FormatUint(n/uint64(one), 10)
	if part := n % uint64(one); part != 0 {
		tail := strconv.FormatUint(part+uint64(one), 10)[1:]
		text += "." + strings.TrimRight(tail, "0")
	}
	return text
}

// times multiplies and rounds half away from zero to the given step: cent for money, 1 for millionths.
func (d dec) times(by, step dec) dec {
	negative := (d < 0) != (by < 0)
	hi, lo := bits.Mul64(magnitude(d), magnitude(by))
	divisor := uint64(one) * uint64(step)
	lo, carry := bits.Add64(lo, divisor/2, 0)
	hi += carry
	if hi >= divisor {
		panic("netsuitetest: an amount is too large: " + d.String() + " times " + by.String())
	}
	q, _ := bits.Div64(hi, lo, divisor)
	out := dec(q) * step
	if negative {
		return -out
	}
	return out
}

// over divides and cuts to millionths; by must not be 0.
func (d dec) over(by dec) dec {
	negative := (d < 0) != (by < 0)
	hi, lo := bits.Mul64(magnitude(d), uint64(one))
	divisor := magnitude(by)
	if hi >= divisor {
		panic("netsuitetest: a quotient is too large: " + d.String() + " over " + by.String())
	}
	q, _ := bits.Div64(hi, lo, divisor)
	if negative {
		return -dec(q)
	}
	return dec(q)
}

// rounded rounds half away from zero to cents.
func (d dec) rounded() dec { return d.times(one, cent) }

// floor is the greatest whole number that is not above d.
func (d dec) floor() dec {
	whole := d / one * one
	if whole > d {
		whole -= one
	}
	return whole
}

func magnitude(d dec) uint64 {
	if d < 0 {
		return uint64(-d)
	}
	return uint64(d)
}
