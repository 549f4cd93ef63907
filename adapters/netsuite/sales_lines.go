package netsuite

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"

	"holdfast/adapters/orders"
)

// writer writes the lines of one document, and adds up what NetSuite will.
type writer struct {
	books  Books
	sale   Sale
	money  *orders.Money // never nil
	in     currency
	amazon bool

	items    []orderLine
	refs     []string
	taxes    []taxDetail
	taxSum   cents // that a line of its own will have
	sum      cents // of all that was written, as NetSuite adds it up
	slack    cents // by how much rounding may explain that it is not the order's total
	shipping cents // in the field shippingCost
	rounding string

	goodsCount int // pieces that are lines of the order; charges come behind them
}

// custom is the price level Custom: without it NetSuite takes its own price over ours.
var custom = &id{"-1"}

// piece is something that an order asks money for.
type piece struct {
	ref, item, text      string
	place                string
	qty                  int64
	gross, discount, tax cents
	field                bool // shippingCost, and no line
}

// lines writes all lines, so that they add up to the order's total. It fails with a Fault.
func (w *writer) lines(head map[string]any) error {
	pieces, err := w.pieces()
	if err != nil {
		return err
	}
	apart, err := w.shareOut(pieces)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if err := w.write(p); err != nil {
			return err
		}
	}
	if apart > 0 {
		w.single(w.books.DiscountItem, "Discount", -apart)
	}
	if w.taxSum > 0 {
		if w.books.TaxItem == "" {
			return refused(codeNoCharge, "books.tax_item is needed for the line of tax")
		}
		w.single(w.books.TaxItem, "Tax", w.taxSum)
	}
	if w.shipping > 0 {
		head["shippingCost"] = w.in.number(w.shipping)
		if w.books.ShipMethod != "" {
			head["shipMethod"] = id{w.books.ShipMethod}
		}
	}
	return w.round()
}

// pieces are the lines that are to be sold, and the charges.
func (w *writer) pieces() ([]piece, error) {
	var all []piece
	for i := range w.sale.Order.Lines {
		l := &w.sale.Order.Lines[i]
		if l.Qty <= 0 {
			continue
		}
		p, err := w.goods(l)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, refused(codeState, "the order %s has no line that is to be sold", w.sale.Order.ID)
	}
	w.goodsCount = len(all)
	for i := range w.money.Charges {
		p, err := w.charge(&w.money.Charges[i])
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// shareOut gives the pieces their part of what the order has as a whole: tax always, because it belongs
// to what is taxed; a discount where it has no item of its own, else it is returned. The parts are in
// proportion to what the pieces cost, and add up to the cent.
func (w *writer) shareOut(all []piece) (apart cents, err error) {
	discount, tax, err := w.less(w.money.Discount, w.money.Tax)
	if err != nil {
		return 0, err
	}
	w.slack += 2
	weights := make([]cents, len(all))
	for i, p := range all {
		weights[i] = max(p.gross-p.discount, 0)
	}
	if w.money.Subtotal != "" {
		if discount, err = w.hidden(all); err != nil {
			return 0, err
		}
	}
	if w.books.DiscountItem != "" {
		apart = discount
	} else if discount > 0 {
		of := weights
		if w.money.Subtotal != "" { // of the lines alone
			of = append(slices.Clone(weights[:w.goodsCount]), make([]cents, len(all)-w.goodsCount)...)
		}
		parts, ok := shares(discount, of)
		if !ok {
			return 0, refused(codePayload, "the order has more discount than it costs")
		}
		for i := range all {
			all[i].discount += parts[i]
			weights[i] -= parts[i]
		}
	}
	if tax == 0 {
		return apart, nil
	}
	parts, ok := shares(tax, weights)
	if !ok {
		return 0, refused(codePayload, "the order has more tax than it costs")
	}
	for i := range all {
		all[i].tax += parts[i]
	}
	return apart, nil
}

// hidden is the discount of the lines together, of a home that tells what they cost behind it. A line that
// costs more than its price, by a cent of rounding, is no discount.
func (w *writer) hidden(all []piece) (cents, error) {
	subtotal, err := w.amount("the subtotal", w.money.Subtotal)
	if err != nil {
		return 0, err
	}
	var gross cents
	for _, p := range all[:w.goodsCount] {
		gross += p.gross - p.discount
	}
	return max(gross-subtotal, 0), nil
}

// shares parts a sum in proportion to weights, rounded so that the parts add up to it and none is more
// than one over its fair part. ok is false when the sum is more than all weights: then a part would be
// more than what it is of.
func shares(sum cents, weights []cents) (parts []cents, ok bool) {
	var total, seen, given cents
	for _, w := range weights {
		total += w
	}
	if sum > total {
		return nil, false
	}
	parts = make([]cents, len(weights))
	for i, w := range weights {
		seen += w
		// What is due up to here, less what was given: the error of one never adds to that of the next.
		due := new(big.Int).Mul(big.NewInt(int64(sum)), big.NewInt(int64(seen)))
		parts[i] = cents(due.Quo(due, big.NewInt(int64(max(total, 1)))).Int64()) - given
		given += parts[i]
	}
	return parts, true
}

// goods is the piece of a line of the order.
func (w *writer) goods(l *orders.Line) (p piece, err error) {
	money := w.money.Of(l.Ref)
	p = piece{ref: l.Ref, text: l.Title, qty: l.Qty}
	if p.gross, err = w.gross(l, money); err != nil {
		return p, err
	}
	if p.discount, p.tax, err = w.less(money.Discount, money.Tax); err != nil {
		return p, err
	}
	if w.sale.Item != nil {
		p.item = w.sale.Item(l)
	}
	if p.item == "" && l.Untracked != "" {
		p.item = pick(w.books.Untracked, l.Untracked)
	}
	if p.item == "" {
		return p, refused(codeNoItem, "%s has no item in the account",
			strconv.Quote(first(l.SKU, l.Theirs, l.Title)))
	}
	if w.sale.Place != nil {
		p.place = w.sale.Place(l)
	}
	if p.place == "" && l.Untracked == "" {
		p.place = w.usual()
	}
	return p, nil
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// gross is what a line costs before its discount.
func (w *writer) gross(l *orders.Line, money orders.LineMoney) (cents, error) {
	if money.Amount != "" {
		return w.amount("the amount of a line", money.Amount)
	}
	unit, err := w.amount("the price of a line", l.Price)
	if err != nil {
		return 0, err
	}
	product := new(big.Int).Mul(big.NewInt(int64(unit)), big.NewInt(l.Qty))
	if !product.IsInt64() || product.Int64() > maxCents {
		return 0, refused(codePayload, "a line of %d units at %s is too much", l.Qty, l.Price)
	}
	return cents(product.Int64()), nil
}

// amount reads an amount that is not negative.
func (w *writer) amount(what, text string) (cents, error) {
	n, err := w.in.parse(text)
	if err == nil && n < 0 {
		err = fmt.Errorf("%s is negative", text)
	}
	if err != nil {
		return 0, refused(codePayload, "%s: %v", what, err)
	}
	return n, nil
}

func (w *writer) less(discount, tax string) (d, t cents, err error) {
	if d, err = w.amount("a discount", discount); err != nil {
		return 0, 0, err
	}
	t, err = w.amount("a tax", tax)
	return d, t, err
}

// charge is the piece of a charge. Shipping has a field of its own where it has no item.
func (w *writer) charge(c *orders.Charge) (p piece, err error) {
	p = piece{text: c.Title, qty: 1}
	if p.gross, err = w.amount("a charge", c.Amount); err != nil {
		return p, err
	}
	if p.discount, p.tax, err = w.less(c.Discount, c.Tax); err != nil {
		return p, err
	}
	if c.Kind == "shipping" {
		p.item = w.books.ShippingItem
		p.field = p.item == ""
		return p, nil
	}
	p.item = pick(w.books.Charges, c.Kind)
	if p.item == "" && p.gross > 0 {
		return p, refused(codeNoCharge, "the charge %q has no item in books.charges", c.Kind)
	}
	return p, nil
}

// write adds a piece: its line, that of its discount, and its tax.
func (w *writer) write(p piece) error {
	value := p.gross - p.discount
	taxInside := w.money.TaxIncluded
	switch {
	case w.books.Tax == TaxGross && !taxInside:
		value += p.tax
	case w.books.Tax != TaxGross && taxInside:
		value -= p.tax
	}
	w.slack += 3 // its price, its discount and its tax may each be rounded
	if value < 0 {
		return refused(codePayload, "%q has more discount and tax than it costs", first(p.ref, p.text))
	}
	if p.field {
		w.shipping += value
		w.sum += value
		return w.tax(p.tax, value, "")
	}
	if p.ref == "" && value == 0 && p.discount == 0 {
		return nil // a charge of nothing
	}
	apart := w.books.DiscountItem != "" && p.discount > 0
	whole := value
	if apart {
		whole += p.discount
	}
	line := w.line(p, whole)
	if w.books.Tax == SuiteTax && p.tax > 0 {
		line.TaxRef = "hf" + strconv.Itoa(len(w.items)+1)
	}
	w.items, w.refs = append(w.items, line), append(w.refs, p.ref)
	if apart {
		w.single(w.books.DiscountItem, "Discount", -p.discount)
	}
	return w.tax(p.tax, value, line.TaxRef)
}

// line is the line of a piece. Where no rate of NetSuite's digits gives the amount again, the rate is
// rounded down and the rest is left to the rounding line.
func (w *writer) line(p piece, amount cents) orderLine {
	rate, ok := w.in.rate(amount, p.qty)
	if !ok {
		unit := cents(int64(amount) / p.qty)
		rest := amount - unit*cents(p.qty)
		w.slack += rest
		amount -= rest
		rate = w.in.number(unit)
	}
	l := orderLine{Item: id{p.item}, Quantity: p.qty, Price: custom, Rate: rate,
		Amount: w.in.number(amount), Description: cut(p.text)}
	if p.place != "" {
		l.Location = &id{p.place}
	}
	w.untaxed(&l)
	w.sum += amount
	return l
}

// single writes a line of one unit that stands for money alone.
func (w *writer) single(item, text string, amount cents) {
	l := orderLine{Item: id{item}, Quantity: 1, Price: custom, Rate: w.in.number(amount),
		Amount: w.in.number(amount), Description: text}
	w.untaxed(&l)
	w.items, w.refs = append(w.items, l), append(w.refs, "")
	w.sum += amount
}

// untaxed keeps NetSuite from adding tax by itself, where the tax is ours to write.
func (w *writer) untaxed(l *orderLine) {
	if w.books.Tax != SuiteTax && w.books.NoTax != "" {
		l.TaxCode = &id{w.books.NoTax}
	}
}

// tax books the tax of a piece that is worth basis without it.
func (w *writer) tax(tax, basis cents, ref string) error {
	if tax == 0 || w.books.Tax == TaxGross {
		return nil // it is inside
	}
	if w.books.Tax == TaxLines {
		w.taxSum += tax
		return nil
	}
	if ref == "" {
		return refused(codeNoCharge, "books.shipping_item is needed for the tax of shipping")
	}
	w.sum += tax
	w.taxes = append(w.taxes, taxDetail{Ref: ref, Type: id{w.books.TaxType}, Code: id{w.books.TaxCode},
		Basis: w.in.number(basis), Rate: percent(tax, basis), Amount: w.in.number(tax)})
	return nil
}

// percent is a tax in percent of its basis, with four digits. It is for reading: the amount counts.
func percent(tax, basis cents) json.Number {
	if basis == 0 {
		return "0"
	}
	n := roundHalfUp(new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(int64(tax)),
		big.NewInt(1_000_000)), big.NewInt(int64(basis))))
	if !n.IsInt64() {
		return "0"
	}
	return currency{digits: 4}.number(cents(n.Int64()))
}

// minSlack is what the total of any order may differ by through rounding, in cents.
const minSlack = 5

// round writes the line that makes the total the order's. What is more than rounding can be is refused:
// it is a tax, a charge or a discount that nobody has told us of.
func (w *writer) round() error {
	o := w.sale.Order
	if o.Total == "" {
		return nil
	}
	total, err := w.amount("the total", o.Total)
	if err != nil {
		return err
	}
	missing := total - w.sum
	if missing == 0 {
		return nil
	}
	size := max(missing, -missing)
	if size > max(w.slack, minSlack) && w.books.Difference != BookDifference {
		return refused(codeTotal, "its parts add up to %s, and its total is %s",
			w.in.number(w.sum), w.in.number(total))
	}
	if w.books.RoundingItem == "" {
		return refused(codeNoCharge, "books.rounding_item is needed for %s", w.in.number(missing))
	}
	w.single(w.books.RoundingItem, "Rounding", missing)
	w.rounding = string(w.in.number(missing))
	return nil
}
