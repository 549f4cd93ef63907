package amazon

import (
	"math/big"
	"strings"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/orders"
)

// chargeKinds are what charges are called elsewhere, by Amazon's words.
var chargeKinds = map[string]string{"SHIPPING": "shipping", "GIFT_WRAP": "gift-wrap", "COD_FEE": "fee",
	"OTHER": "fee"}

// sum is amounts that are added up exactly.
type sum struct{ big.Rat }

func (s *sum) add(d string, sign int64) {
	if n, ok := new(big.Rat).SetString(d); ok {
		s.Add(&s.Rat, n.Mul(n, new(big.Rat).SetInt64(sign)))
	}
}

// text is the amount with as many digits as Amazon gave, at most four; empty is none.
func (s *sum) text() string {
	if s.Sign() == 0 {
		return ""
	}
	digits, _ := s.FloatPrec()
	return s.FloatString(min(max(digits, 2), 4))
}

// proceeds says what the total is made of. Amazon does not say whether prices have their taxes in them: the
// total tells, to the cent. Where neither makes the total, nothing is said: a wrong sum is worse than none.
func (r *reading) proceeds(o *spapi.Order) {
	if r.snap.Total == "" {
		return
	}
	m := &orders.Money{}
	var net, tax sum
	charges := map[string]*sum{}
	for i := range o.Items {
		it := &o.Items[i]
		if it.Proceeds == nil || it.ID == "" {
			return
		}
		l := orders.LineMoney{Ref: it.ID}
		var amount, off, own sum
		for _, b := range it.Proceeds.Breakdowns {
			d := b.Subtotal.Amount.Text
			if b.Subtotal.Amount.Bad || b.Subtotal.Currency != r.snap.Currency {
				return
			}
			switch kind := strings.ToUpper(b.Type); kind {
			case "ITEM":
				amount.add(d, 1)
			case "TAX":
				own.add(d, 1)
			case "DISCOUNT":
				off.add(strings.TrimPrefix(d, "-"), 1)
			default:
				name := first(chargeKinds[kind], "fee")
				if charges[name] == nil {
					charges[name] = new(sum)
				}
				charges[name].add(d, 1)
				net.add(d, 1)
			}
		}
		net.Add(&net.Rat, &amount.Rat)
		net.Sub(&net.Rat, &off.Rat)
		tax.Add(&tax.Rat, &own.Rat)
		l.Amount, l.Discount, l.Tax = amount.text(), off.text(), own.text()
		m.Lines = append(m.Lines, l)
	}
	for _, name := range []string{"shipping", "gift-wrap", "fee"} {
		if c := charges[name]; c != nil && c.Sign() > 0 {
			m.Charges = append(m.Charges, orders.Charge{Kind: name, Amount: c.text()})
		} else if c != nil && c.Sign() < 0 {
			return
		}
	}
	var total sum
	total.add(r.snap.Total, 1)
	switch {
	case total.Cmp(&net.Rat) == 0:
		m.TaxIncluded = true
	case total.Cmp(new(big.Rat).Add(&net.Rat, &tax.Rat)) != 0:
		return
	}
	r.snap.Money = m
}
