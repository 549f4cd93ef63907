package netsuite

import (
	"encoding/json"
	"strings"
	"time"

	"holdfast/adapters/orders"
)

// Sale is an order, and what of it is not kept here.
type Sale struct {
	Order *orders.Order
	Money *orders.Money // nil: its lines and its total are all that is known
	// Buyer and ShipTo pass through from the home to NetSuite; nil: not asked for, or not allowed.
	Buyer  *Buyer
	ShipTo *Address
	// Item is the id of a line's item in the account; empty: it is not mapped.
	Item func(l *orders.Line) string
	// Place is the id of the location that a line leaves from; empty: not known.
	Place func(l *orders.Line) string
}

// Buyer is who bought, as the home tells it.
type Buyer struct {
	ID                         string // the home's, the same for every order of a buyer
	First, Last, Company, Mail string
}

// Address is where an order goes.
type Address struct {
	Name, Company, Phone      string
	Line1, Line2, Line3       string
	City, State, Zip, Country string // Country has two letters
}

// Bill is a document that stands for an order in the books.
type Bill struct {
	Document
	// Refs are the lines of the document: of each, the ref of the order's line, empty for one that is
	// tax, discount, a charge or rounding. It is how a line is found again that NetSuite has numbered.
	Refs []string
	// Rounding is what the rounding line has, as a decimal; empty: there is none.
	Rounding string
}

// The types of records that an order that Amazon fulfils may be billed as, beside a sales order.
const (
	Invoice  = "invoice"
	CashSale = "cashSale"
)

// OrderBill makes the document of an order; ok is false where the books have none for it. It is a pure
// function: the same sale makes the same document. The total of the document, as NetSuite adds it up,
// is the order's to the cent.
//
// It fails with a Fault of what is missing: unmapped-item, unmapped-customer, unmapped-currency,
// unmapped-subsidiary, unmapped-charge, unknown-location, total-differs, or payload for an amount that
// is none.
func (b Books) OrderBill(s Sale) (bill Bill, ok bool, err error) {
	w := writer{books: b.withDefaults(), sale: s, money: s.Money, in: currencyOf(s.Order.Currency)}
	if w.money == nil {
		w.money = &orders.Money{}
	}
	w.amazon = s.Order.FulfilledBy == "amazon"
	bill.Kind, bill.Mark = SalesOrder, "otherRefNum"
	if w.amazon {
		switch w.books.FBA {
		case BillSkip:
			return Bill{}, false, nil
		case BillInvoice:
			bill.Kind = Invoice
		case BillCashSale:
			bill.Kind = CashSale
		}
	}
	head, err := w.head(bill.Kind)
	if err != nil {
		return Bill{}, false, err
	}
	if err := w.lines(head); err != nil {
		return Bill{}, false, err
	}
	head["item"] = map[string]any{"items": w.items}
	if len(w.taxes) > 0 {
		head["taxDetailsOverride"] = true
		head["taxDetails"] = map[string]any{"items": w.taxes}
	}
	bill.ExternalID = ExternalID(ForOrder, s.Order.ID)
	bill.Body, bill.Refs, bill.Rounding = head, w.refs, w.rounding
	return bill, true, nil
}

// The codes of what is missing for a document.
const (
	codeNoItem       = "unmapped-item"
	codeNoCustomer   = "unmapped-customer"
	codeNoCurrency   = "unmapped-currency"
	codeNoSubsidiary = "unmapped-subsidiary"
	codeNoCharge     = "unmapped-charge"
	codeNoLocation   = "unknown-location"
	codeTotal        = "total-differs"
)

// id is a reference to a record.
type id struct {
	ID string `json:"id"`
}

// head makes the body without its lines.
func (w *writer) head(kind string) (map[string]any, error) {
	b, o := &w.books, w.sale.Order
	head := map[string]any{"otherRefNum": Reference(o), "memo": "holdfast " + o.ID}
	zone, err := time.LoadLocation(b.Zone)
	if err != nil {
		zone = time.UTC
	}
	head["tranDate"] = o.CreatedAt.In(zone).Format(time.DateOnly)
	entity, err := w.entity()
	if err != nil {
		return nil, err
	}
	head["entity"] = entity
	if o.Currency != "" {
		c, ok := b.Currencies[o.Currency]
		if !ok {
			return nil, refused(codeNoCurrency, "currency %s has no id in books.currencies", o.Currency)
		}
		head["currency"] = id{c}
	}
	if len(b.Subsidiaries) > 0 {
		sub := pick(b.Subsidiaries, o.Channel)
		if sub == "" {
			return nil, refused(codeNoSubsidiary, "channel %s has none in books.subsidiaries", o.Channel)
		}
		head["subsidiary"] = id{sub}
	}
	if place := w.usual(); place != "" {
		head["location"] = id{place}
	}
	if b.Form != "" {
		head["customForm"] = id{b.Form}
	}
	if kind == SalesOrder {
		head["orderStatus"] = id{"B"} // pending fulfilment
		if b.Approval {
			head["orderStatus"] = id{"A"}
		}
	}
	if a := w.sale.ShipTo; a != nil {
		head["shippingAddress"] = a.body()
	}
	return head, nil
}

// Reference is how people find an order in NetSuite: by its name, or else by the home's id.
func Reference(o *orders.Order) string {
	if o.Name != "" {
		return o.Name
	}
	return o.Home.ID
}

// usual is the location of a document, and of its lines that have none of their own.
func (w *writer) usual() string {
	if w.amazon {
		return w.books.FBALocation
	}
	return w.books.Location
}

// entity is the customer.
func (w *writer) entity() (any, error) {
	o := w.sale.Order
	if buyer := w.sale.Buyer; w.books.Customer == PerBuyer && buyer != nil && buyer.ID != "" {
		return map[string]string{"externalId": CustomerID(o.Home.System, buyer.ID)}, nil
	}
	customer := pick(w.books.Customers, o.Channel)
	if customer == "" {
		return nil, refused(codeNoCustomer, "channel %s has none in books.customers", o.Channel)
	}
	return id{customer}, nil
}

// CustomerID is the external id of a buyer's customer.
func CustomerID(system, buyer string) string { return ExternalID(ForCustomer, system, buyer) }

// CustomerDocument makes the customer of a buyer. It is a pure function. It fails with a Fault when the
// buyer has neither a name nor a company, or the channel no subsidiary.
func (b Books) CustomerDocument(o *orders.Order, buyer Buyer) (Document, error) {
	body := map[string]any{}
	switch {
	case buyer.Company != "":
		body["companyName"], body["isPerson"] = buyer.Company, false
	case buyer.Last != "":
		first := buyer.First
		if first == "" {
			first = "-" // a person must have both
		}
		body["firstName"], body["lastName"], body["isPerson"] = first, buyer.Last, true
	default:
		return Document{}, refused(codeNoCustomer, "the buyer has neither a name nor a company")
	}
	if buyer.Mail != "" {
		body["email"] = buyer.Mail
	}
	if len(b.Subsidiaries) > 0 {
		sub := pick(b.Subsidiaries, o.Channel)
		if sub == "" {
			return Document{}, refused(codeNoSubsidiary, "channel %s has none in books.subsidiaries",
				o.Channel)
		}
		body["subsidiary"] = id{sub}
	}
	return Document{Kind: Customer, ExternalID: CustomerID(o.Home.System, buyer.ID), Body: body}, nil
}

// body is an address as a sub-record of a document. Override keeps NetSuite from taking the customer's.
func (a *Address) body() map[string]any {
	body := map[string]any{"override": false}
	for _, f := range []struct{ name, value string }{
		{"addressee", a.Name}, {"attention", a.Company}, {"addrPhone", a.Phone}, {"addr1", a.Line1},
		{"addr2", a.Line2}, {"addr3", a.Line3}, {"city", a.City}, {"state", a.State}, {"zip", a.Zip},
	} {
		if v := strings.TrimSpace(f.value); v != "" {
			body[f.name] = v
		}
	}
	if a.Country != "" {
		body["country"] = id{a.Country}
	}
	return body
}

// orderLine is one line of a document. A number of money is a json.Number, which is written as it is.
type orderLine struct {
	Item        id          `json:"item"`
	Quantity    int64       `json:"quantity"`
	Price       *id         `json:"price,omitempty"`
	Rate        json.Number `json:"rate"`
	Amount      json.Number `json:"amount"`
	Description string      `json:"description,omitempty"`
	Location    *id         `json:"location,omitempty"`
	TaxCode     *id         `json:"taxCode,omitempty"`
	TaxRef      string      `json:"taxDetailsReference,omitempty"`
}

// taxDetail is the tax of one line, with SuiteTax.
type taxDetail struct {
	Ref    string      `json:"taxDetailsReference"`
	Type   id          `json:"taxType"`
	Code   id          `json:"taxCode"`
	Basis  json.Number `json:"taxBasis"`
	Rate   json.Number `json:"taxRate"` // in percent
	Amount json.Number `json:"taxAmount"`
}
