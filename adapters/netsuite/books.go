package netsuite

import (
	"maps"
	"slices"
	"time"
)

// Books say how documents of an account are made. They are the member books of a connection's settings.
// Ids are internal ids; in a map by channel, "*" is every other channel.
type Books struct {
	// Customer is channel, the default: one customer of each channel has all its sales; or buyer: each
	// buyer is a customer. NetSuite warns of more than 10,000 transactions of one customer.
	Customer  string            `json:"customer,omitempty"`
	Customers map[string]string `json:"customers,omitempty"` // of each channel
	// Subsidiaries are those of each channel; empty in an account without OneWorld.
	Subsidiaries map[string]string `json:"subsidiaries,omitempty"`
	Currencies   map[string]string `json:"currencies,omitempty"` // ISO code → id
	Location     string            `json:"location,omitempty"`   // of lines that have none of their own
	Form         string            `json:"form,omitempty"`       // custom form
	// Approval is true where a person approves each order in NetSuite before it is fulfilled.
	Approval bool `json:"approval,omitempty"`
	// Zone is the IANA zone by whose calendar a document is dated; empty is UTC.
	Zone string `json:"zone,omitempty"`

	// Tax is how tax is booked: lines, the default, as lines of TaxItem; suitetax, as tax details of each
	// line, which needs TaxType and TaxCode and an account with SuiteTax; or gross, inside the amounts.
	Tax     string `json:"tax,omitempty"`
	TaxItem string `json:"tax_item,omitempty"`
	TaxType string `json:"tax_type,omitempty"`
	TaxCode string `json:"tax_code,omitempty"`
	// NoTax is the tax code of every line where Tax is lines or gross, so that a legacy account adds
	// none by itself.
	NoTax string `json:"no_tax,omitempty"`

	// DiscountItem makes a discount a line of its own; without it, it is taken off what it is for.
	DiscountItem string            `json:"discount_item,omitempty"`
	ShippingItem string            `json:"shipping_item,omitempty"` // without it: the field shippingCost
	ShipMethod   string            `json:"ship_method,omitempty"`   // that shippingCost needs in some accounts
	Charges      map[string]string `json:"charges,omitempty"`       // kind of charge, or "*" → item
	Untracked    map[string]string `json:"untracked,omitempty"`     // why a line is no stock, or "*" → item
	// RoundingItem is that of the line that makes up for cents. Required.
	RoundingItem string `json:"rounding_item,omitempty"`
	// Difference is refuse, the default: what is more than rounding is an exception; or line: it is
	// booked on RoundingItem, whatever it is.
	Difference string `json:"difference,omitempty"`

	// FBA is how an order is billed that Amazon fulfils: sales-order, the default, invoice, cash-sale, or
	// skip: it is not in the books by order.
	FBA string `json:"fba,omitempty"`
	// FBALocation is where the stock of such orders is.
	FBALocation string `json:"fba_location,omitempty"`
	// RefundItem is that of the line of money that is refunded for no line.
	RefundItem string `json:"refund_item,omitempty"`
}

// The words of Books.
const (
	PerChannel = "channel"
	PerBuyer   = "buyer"

	TaxLines = "lines"
	SuiteTax = "suitetax"
	TaxGross = "gross"

	RefuseDifference = "refuse"
	BookDifference   = "line"

	BillOrder    = "sales-order"
	BillInvoice  = "invoice"
	BillCashSale = "cash-sale"
	BillSkip     = "skip"
)

// others is the key of whatever has no entry of its own.
const others = "*"

// withDefaults fills what may be left out.
func (b Books) withDefaults() Books {
	for _, d := range []struct {
		field *string
		word  string
	}{{&b.Customer, PerChannel}, {&b.Tax, TaxLines}, {&b.Difference, RefuseDifference},
		{&b.FBA, BillOrder}} {
		if *d.field == "" {
			*d.field = d.word
		}
	}
	return b
}

// pick is the entry of a key, or that of all others.
func pick(m map[string]string, key string) string {
	if v, ok := m[key]; ok {
		return v
	}
	return m[others]
}

// check adds what is wrong with the books. Those of a connection that makes no documents may be empty;
// what a document needs and is not there is an exception of that document.
func (b Books) check(f *faults) {
	b = b.withDefaults()
	for _, w := range []struct {
		field, word string
		of          []string
	}{
		{"customer", b.Customer, []string{PerChannel, PerBuyer}},
		{"tax", b.Tax, []string{TaxLines, SuiteTax, TaxGross}},
		{"difference", b.Difference, []string{RefuseDifference, BookDifference}},
		{"fba", b.FBA, []string{BillOrder, BillInvoice, BillCashSale, BillSkip}},
	} {
		if !slices.Contains(w.of, w.word) {
			f.add("settings.books."+w.field, "must be one of %v", w.of)
		}
	}
	if b.Tax == SuiteTax {
		if b.TaxType == "" || b.TaxCode == "" {
			f.add("settings.books.tax", "suitetax needs tax_type and tax_code")
		}
		if b.ShippingItem == "" {
			f.add("settings.books.shipping_item", "is needed with suitetax: a field has no tax details")
		}
	}
	if _, err := time.LoadLocation(b.Zone); err != nil {
		f.add("settings.books.zone", "must be an IANA zone such as Europe/Berlin")
	}
	b.checkIDs(f)
}

func (b *Books) checkIDs(f *faults) {
	for _, id := range []struct{ field, value string }{
		{"location", b.Location}, {"form", b.Form}, {"tax_item", b.TaxItem}, {"tax_type", b.TaxType},
		{"tax_code", b.TaxCode}, {"no_tax", b.NoTax}, {"discount_item", b.DiscountItem},
		{"shipping_item", b.ShippingItem}, {"ship_method", b.ShipMethod},
		{"rounding_item", b.RoundingItem}, {"fba_location", b.FBALocation},
		{"refund_item", b.RefundItem},
	} {
		if id.value != "" && !isID(id.value) && !(id.field == "no_tax" && id.value == "-8") {
			f.add("settings.books."+id.field, "must be an internal id, such as 12")
		}
	}
	for _, m := range []struct {
		field string
		ids   map[string]string
	}{{"customers", b.Customers}, {"subsidiaries", b.Subsidiaries}, {"currencies", b.Currencies},
		{"charges", b.Charges}, {"untracked", b.Untracked}} {
		for _, key := range slices.Sorted(maps.Keys(m.ids)) {
			if !isID(m.ids[key]) {
				f.add("settings.books."+m.field+"."+key, "must be an internal id, such as 12")
			}
		}
	}
}
