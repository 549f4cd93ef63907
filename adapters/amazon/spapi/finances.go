package spapi

import (
	"context"
	"strings"
	"time"

	"holdfast/adapters/lenient"
)

// Transaction is one posting of the account.
type Transaction struct {
	ID          string         `json:"transactionId"`
	Type        string         `json:"transactionType"`
	Status      string         `json:"transactionStatus"`
	Description string         `json:"description"`
	Posted      lenient.Moment `json:"postedDate"`
	Total       Posting        `json:"totalAmount"`
	Related     []struct {
		Name  string `json:"relatedIdentifierName"` // ORDER_ID, REFUND_ID and others
		Value string `json:"relatedIdentifierValue"`
	} `json:"relatedIdentifiers"`
	Marketplace struct {
		ID string `json:"marketplaceId"`
	} `json:"marketplaceDetails"`
	Items []struct {
		Description string  `json:"description"`
		Total       Posting `json:"totalAmount"`
		Contexts    []struct {
			SKU      string         `json:"sku"`
			ASIN     string         `json:"asin"`
			Quantity lenient.Number `json:"quantityShipped"`
		} `json:"contexts"`
	} `json:"items"`

	Complaint string `json:"-"` // what of it could not be read
}

// UnmarshalJSON always returns nil.
func (t *Transaction) UnmarshalJSON(b []byte) error {
	type plain Transaction
	t.Complaint = readLeniently(b, (*plain)(t))
	if t.Complaint == "" && t.Total.Amount.Bad {
		t.Complaint = "its amount is no number"
	}
	return nil
}

// Posting is an amount of a transaction; Amazon writes it as a number.
type Posting struct {
	Amount   lenient.Decimal `json:"currencyAmount"`
	Currency string          `json:"currencyCode"`
}

// The names of what a transaction is about.
const (
	RelatedOrder  = "ORDER_ID"
	RelatedRefund = "REFUND_ID"
)

// About is the id of a name that a transaction is about; empty when there is none.
func (t *Transaction) About(name string) string {
	for _, r := range t.Related {
		if r.Name == name {
			return r.Value
		}
	}
	return ""
}

// Refund reports whether money went back to a buyer: by its id of a refund, or by what Amazon calls
// it.
func (t *Transaction) Refund() bool {
	return t.About(RelatedRefund) != "" || strings.EqualFold(t.Description, "Refund Order") ||
		strings.EqualFold(t.Type, "Refund")
}

// Transactions asks for postings: those since a moment, or those of one order.
type Transactions struct {
	After, Before time.Time // Before must be two minutes ago
	OrderID       string
	Token         string
}

// TransactionsPage is a page of postings. The last 48 hours may not be complete.
type TransactionsPage struct {
	Transactions []Transaction
	Next         string
}

// Transactions reads a page of postings. It fails with a Fault; its code is [CodeExpired] when the
// token of a page is too old.
func (c *Client) Transactions(ctx context.Context, t Transactions) (*TransactionsPage, error) {
	q := query{}
	q.time("postedAfter", t.After)
	q.time("postedBefore", t.Before)
	if t.OrderID != "" {
		q.set("relatedIdentifierName", RelatedOrder)
		q.set("relatedIdentifierValue", t.OrderID)
	}
	q.set("nextToken", t.Token)
	var out struct {
		Transactions []Transaction `json:"transactions"`
		Next         string        `json:"nextToken"`
	}
	if err := c.do(ctx, opTransactions, call{query: q, out: &out, payload: true}); err != nil {
		return nil, pageFault(err, t.Token)
	}
	return &TransactionsPage{Transactions: out.Transactions, Next: out.Next}, nil
}
