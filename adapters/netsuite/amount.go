package netsuite

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// cents is an amount in the smallest unit of a currency: cents of a dollar, yen of a yen. With the
// digits of any currency it reaches far over what an order can be.
type cents int64

// currency is what amounts of an order are in.
type currency struct {
	code   string
	digits int // behind the point
}

// digitsOf are the currencies whose smallest unit is not a hundredth (ISO 4217).
var digitsOf = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0,
	"RWF": 0, "UGX": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}

func currencyOf(code string) currency {
	if n, ok := digitsOf[code]; ok {
		return currency{code, n}
	}
	return currency{code, 2}
}

// maxCents bounds every amount, so that no sum of a thousand of them overflows.
const maxCents = math.MaxInt64 / 100_000

// parse reads a decimal; empty is nothing. It fails for what is no amount, and for one with more digits
// than the currency has, unless they are zeros: money is never rounded in silence.
func (c currency) parse(text string) (cents, error) {
	if text == "" {
		return 0, nil
	}
	whole, fraction, pointed := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	if whole == "" || pointed && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, fmt.Errorf("%.40q is no amount", text)
	}
	if len(fraction) > c.digits && strings.Trim(fraction[c.digits:], "0") != "" {
		return 0, fmt.Errorf("%.40q has more digits than %s has", text, c.code)
	}
	fraction = (fraction + "000")[:c.digits]
	n, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil || n > maxCents {
		return 0, fmt.Errorf("%.40q is too much for an amount", text)
	}
	if strings.HasPrefix(text, "-") {
		n = -n
	}
	return cents(n), nil
}

// number writes an amount as NetSuite has it: a JSON number with a point.
func (c currency) number(n cents) json.Number {
	sign, u := "", uint64(n)
	if n < 0 {
		sign, u = "-", -u
	}
	s := strconv.FormatUint(u, 10)
	if c.digits == 0 {
		return json.Number(sign + s)
	}
	if len(s) <= c.digits {
		s = strings.Repeat("0", c.digits+1-len(s)) + s
	}
	return json.Number(sign + s[:len(s)-c.digits] + "." + s[len(s)-c.digits:])
}

// rateDigits is how many digits NetSuite keeps of a rate.
const rateDigits = 8

// rate is the price of one unit of which qty together are worth amount: exact where that divides, else
// with as many digits as NetSuite keeps. ok is false when not even these give the amount again.
func (c currency) rate(amount cents, qty int64) (r json.Number, ok bool) {
	if int64(amount)%qty == 0 {
		return c.number(cents(int64(amount) / qty)), true
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(rateDigits-c.digits)), nil)
	unit := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(int64(amount)), scale), big.NewInt(qty))
	n := roundHalfUp(unit)
	back := roundHalfUp(new(big.Rat).SetFrac(new(big.Int).Mul(n, big.NewInt(qty)), scale))
	fine := currency{c.code, rateDigits}
	return fine.number(cents(n.Int64())), n.IsInt64() && back.Cmp(big.NewInt(int64(amount))) == 0
}

// roundHalfUp rounds to a whole number, halves away from zero, as NetSuite does ◊.
func roundHalfUp(r *big.Rat) *big.Int {
	n := new(big.Int).Abs(r.Num())
	n.Mul(n, big.NewInt(2)).Add(n, r.Denom())
	n.Quo(n, new(big.Int).Mul(r.Denom(), big.NewInt(2)))
	if r.Sign() < 0 {
		n.Neg(n)
	}
	return n
}
