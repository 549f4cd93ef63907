package netsuite

import (
	"encoding/json"
	"time"
)

// Billed is how an order was billed, and so what a refund of it is.
type Billed uint8

// The ways of billing.
const (
	NotBilled Billed = iota
	ByCashSale
	ByInvoice
)

// Refund is money that goes back.
type Refund struct {
	ExternalID string // without its prefix, which follows from how the order was billed
	At         time.Time
	Currency   string
	Amount     string // in all, with tax
	// Of is the return authorisation that the money is for, and Lines what is refunded of its lines; none:
	// the refund is money only.
	Of    int64
	Lines []RefundLine
	// Entity and Subsidiary are those of the order; for a refund that is money only.
	Entity, Subsidiary string
}

// RefundLine is what is refunded of a line of a return authorisation, with its tax.
type RefundLine struct {
	Line   int64
	Qty    int64
	Amount string
}

// RefundOf makes the document of a refund: a cash refund where the order was billed by a cash sale, a
// credit memo where by an invoice. Its total is the refund's to the cent: what the lines do not have of
// it, such as shipping or a fee that is kept back, is a line of RefundItem.
//
// It fails with a Fault: wrong-state for an order that is not billed yet, for there is nothing that money
// could go back of; payload for an amount that is none; unmapped-charge without RefundItem.
func (b Books) RefundOf(r Refund, billed Billed) (Document, error) {
	d := Document{Kind: CreditMemo, ExternalID: ExternalID(ForCredit, r.ExternalID)}
	switch billed {
	case NotBilled:
		return d, refused(codeState, "the order is not billed yet: bill it, or refund its deposit")
	case ByCashSale:
		d.Kind, d.ExternalID = CashRefund, ExternalID(ForCashRefund, r.ExternalID)
	}
	in := currencyOf(r.Currency)
	rest, err := in.parse(r.Amount)
	if err != nil || rest <= 0 {
		return d, refused(codePayload, "a refund of %q", r.Amount)
	}
	items := []any{}
	for _, l := range r.Lines {
		n, err := in.parse(l.Amount)
		if err != nil || n < 0 || l.Qty <= 0 {
			return d, refused(codePayload, "a refund of %d units for %q", l.Qty, l.Amount)
		}
		rate, ok := in.rate(n, l.Qty)
		if !ok {
			rate, n = in.number(n/cents(l.Qty)), n/cents(l.Qty)*cents(l.Qty)
		}
		rest -= n
		amount, qty := in.number(n), l.Qty
		items = append(items, transformLine{OrderLine: l.Line, Quantity: &qty, Rate: &rate,
			Amount: &amount})
	}
	if rest != 0 {
		if b.RefundItem == "" {
			return d, refused(codeNoCharge, "books.refund_item is needed for %s of a refund",
				in.number(rest))
		}
		items = append(items, b.refundLine(in.number(rest)))
	}
	d.Body = map[string]any{"tranDate": r.At.Format(time.DateOnly),
		"item": map[string]any{"items": items}}
	if r.Of != 0 {
		d.From = &Transformed{Kind: ReturnAuthorization, ID: r.Of, To: d.Kind, Replace: []string{"item"}}
		return d, nil
	}
	d.Body["entity"] = id{r.Entity}
	if r.Subsidiary != "" {
		d.Body["subsidiary"] = id{r.Subsidiary}
	}
	if c := b.Currencies[r.Currency]; c != "" {
		d.Body["currency"] = id{c}
	}
	return d, nil
}

func (b Books) refundLine(amount json.Number) orderLine {
	l := orderLine{Item: id{b.RefundItem}, Quantity: 1, Price: custom, Rate: amount, Amount: amount,
		Description: "Refund"}
	if b.NoTax != "" {
		l.TaxCode = &id{b.NoTax}
	}
	return l
}
