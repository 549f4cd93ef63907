package amazon

import (
	"context"
	"encoding/hex"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/zeebo/xxh3"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/orders"
)

// atAmazon is the disposition of units that Amazon has back and may sell again: they are on hand there, and
// only the level that Amazon reports counts them.
const atAmazon = "sellable-at-amazon"

// takeAmazonReturns takes in what has come back to Amazon. It is on no hand of ours, whatever its state.
func (s *seller) takeAmazonReturns(ctx context.Context, all *Sellers, t *spapi.Table) error {
	for {
		more, err := t.Next()
		if err != nil || !more {
			return err
		}
		row := t.AmazonReturn()
		if row.Complaint != "" || row.Quantity <= 0 {
			continue
		}
		disposition := "damaged"
		switch strings.ToUpper(row.Disposition) {
		case "SELLABLE":
			disposition = atAmazon
		case "LOST":
			disposition = "lost"
		}
		id := row.LicencePlate
		if id == "" {
			h := xxh3.HashString128(strings.Join([]string{row.OrderID, row.SellerSKU, row.FNSKU,
				row.Returned.UTC().Format(time.RFC3339), row.Disposition,
				strconv.FormatInt(row.Quantity, 10)}, "\t")).Bytes()
			id = hex.EncodeToString(h[:8])
		}
		err = s.cameBack(ctx, all, row.OrderID, row.SellerSKU, orders.Return{ID: id, By: s.id, At: row.Returned,
			State: orders.ReturnReceived, Disposition: disposition}, row.Quantity)
		if err != nil {
			return err
		}
	}
}

// takeSellerReturns takes in what buyers want to send back to the seller. That it was delivered is no
// receipt: on hand rises when the location's master says so.
func (s *seller) takeSellerReturns(ctx context.Context, all *Sellers, t *spapi.Table) error {
	for {
		more, err := t.Next()
		if err != nil || !more {
			return err
		}
		row := t.SellerReturn()
		if row.Complaint != "" || row.Quantity <= 0 || row.RMA == "" {
			continue
		}
		state := orders.ReturnRequested
		if strings.EqualFold(row.Status, "Denied") || strings.EqualFold(row.Status, "Declined") {
			state = orders.ReturnDeclined
		}
		err = s.cameBack(ctx, all, row.OrderID, row.SellerSKU, orders.Return{ID: row.RMA, By: s.id,
			At: row.Requested, State: state}, row.Quantity)
		if err != nil {
			return err
		}
	}
}

// cameBack hands a return to the book, for the line that has the SKU. What is not known, or known already,
// or more than has left, changes nothing: the row comes again while it is young.
func (s *seller) cameBack(ctx context.Context, all *Sellers, order, sku string, r orders.Return, qty int64) error {
	o, err := all.cfg.Book.Get(ctx, s.orderKey(order))
	if isUnknownOrder(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for i := range o.Returns {
		if have := &o.Returns[i]; have.By == s.id && have.ID == r.ID &&
			(have.State == r.State || have.State != orders.ReturnRequested) {
			return nil
		}
	}
	for i := range o.Lines {
		if o.Lines[i].Item.SellerSKU == sku {
			r.Lines = []orders.ShipmentLine{{Ref: o.Lines[i].Ref, Qty: qty}}
			break
		}
	}
	if len(r.Lines) == 0 {
		return nil
	}
	_, err = all.cfg.Book.Return(ctx, o.ID, r)
	if isNo(err) {
		return nil
	}
	return err
}

// moneyPlace is up to when postings are in: the record CONNECTION/report/refunds of the table Documents.
type moneyPlace struct {
	Have time.Time `json:"have"`
	Next time.Time `json:"next"`
}

const (
	refundsEvery = 30 * time.Minute
	// refundsBack is how late a posting may be listed.
	refundsBack = 72 * time.Hour
	// refundPages bounds one look; the rest comes with the next.
	refundPages = 50
)

// refunds takes in the money that Amazon has given back to buyers. It moves no stock.
func (s *seller) refunds(ctx context.Context, all *Sellers) error {
	key := s.id + "/report/refunds"
	p, version, err := readDocument[moneyPlace](ctx, all, key)
	now := all.cfg.Now().UTC()
	if err != nil || now.Before(p.Next) {
		return err
	}
	q := spapi.Transactions{After: now.Add(-reportsFrom)}
	if !p.Have.IsZero() {
		q.After = p.Have.Add(-refundsBack)
	}
	for range refundPages {
		page, err := s.client.As(spapi.Background).Transactions(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Transactions {
			if err := s.refund(ctx, all, &page.Transactions[i]); err != nil {
				return err
			}
		}
		if q.Token = page.Next; q.Token == "" {
			return putDocument(ctx, all, key, moneyPlace{now, now.Add(s.every(refundsEvery))}, version)
		}
	}
	return spapi.Later(s.every(refundsEvery), "more than %d pages of postings", refundPages)
}

// refund hands one to the book, by Amazon's id of it, once. One that is not released yet comes again when it
// is, under the same id.
func (s *seller) refund(ctx context.Context, all *Sellers, t *spapi.Transaction) error {
	id, order := t.About(spapi.RelatedRefund), t.About(spapi.RelatedOrder)
	if !t.Refund() || order == "" || t.Complaint != "" {
		return nil
	}
	if id == "" {
		id = t.ID
	}
	amount, ok := new(big.Rat).SetString(t.Total.Amount.Text)
	if !ok || id == "" {
		return nil
	}
	text := strings.TrimPrefix(t.Total.Amount.Text, "-")
	if strings.ContainsAny(text, "eE") {
		text = amount.Abs(amount).FloatString(2)
	}
	o, err := all.cfg.Book.Get(ctx, s.orderKey(order))
	if isUnknownOrder(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for i := range o.Refunds {
		if o.Refunds[i].By == s.id && o.Refunds[i].ID == id {
			return nil
		}
	}
	_, err = all.cfg.Book.Refund(ctx, o.ID, orders.Refund{ID: id, By: s.id, At: t.Posted.Time, Amount: text})
	if isNo(err) {
		return nil
	}
	return err
}
