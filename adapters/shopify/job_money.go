package shopify

import (
	"encoding/json"
	"math/big"

	"holdfast/adapters/orders"
)

type (
	taxInput struct {
		Title string     `json:"title"`
		Rate  string     `json:"rate"`
		Price moneyInput `json:"priceSet"`
		// Liable: the marketplace has collected the tax and pays it.
		Liable bool `json:"channelLiable"`
	}
	shippingInput struct {
		Title string     `json:"title"`
		Price moneyInput `json:"priceSet"`
	}
)

// chargeTitles name the charges of a document for people.
var chargeTitles = map[string]string{"shipping": "Shipping", "gift-wrap": "Gift wrap", "fee": "Fee"}

// money adds what the total of an order is made of beside the prices of its lines. One of which that is not
// known is made with its lines, and its payment says the total.
func (in *orderInput) money(o *orders.Order) {
	if o.Money == nil || o.Currency == "" {
		return
	}
	in.TaxIncluded = o.Money.TaxIncluded
	amount := func(text string) moneyInput { return moneyInput{amountInput{text, o.Currency}} }
	for i := range o.Money.Charges {
		c := &o.Money.Charges[i]
		title := c.Title
		if title == "" {
			title = chargeTitles[c.Kind]
		}
		in.Shipping = append(in.Shipping, shippingInput{Title: title, Price: amount(c.Amount)})
	}
}

// lineMoney adds the tax of a line, and takes its discount off its price where that is exact: a document has
// no other place for it.
func (l *lineInput) lineMoney(o *orders.Order, ref string) {
	m := o.Money.Of(ref)
	price, priced := new(big.Rat), false
	if l.Price != nil {
		price, priced = price.SetString(l.Price.Shop.Amount)
	}
	if !priced {
		return
	}
	all := new(big.Rat).Mul(price, new(big.Rat).SetInt64(l.Quantity))
	if off, ok := new(big.Rat).SetString(m.Discount); ok {
		all.Sub(all, off)
		one := new(big.Rat).Quo(all, new(big.Rat).SetInt64(l.Quantity))
		if digits, exact := one.FloatPrec(); exact && digits <= 2 && one.Sign() >= 0 {
			l.Price.Shop.Amount = one.FloatString(2)
		}
	}
	tax, ok := new(big.Rat).SetString(m.Tax)
	if !ok || tax.Sign() <= 0 || all.Sign() <= 0 {
		return
	}
	line := taxInput{Title: "Tax", Rate: new(big.Rat).Quo(tax, all).FloatString(4), Liable: true,
		Price: moneyInput{amountInput{m.Tax, o.Currency}}}
	l.TaxLines, _ = json.Marshal([]taxInput{line}) // texts always encode
}
