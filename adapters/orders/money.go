package orders

// Money is what an order is made of beside the prices of its lines, as its home has it now. All amounts
// are decimals in the order's currency, as the home wrote them, and none is negative; empty is none.
//
// The total of an order is the sum over its lines of price × quantity less the line's discount, and of
// its charges less theirs, less Discount; and with taxes on top (TaxIncluded false) plus every tax.
type Money struct {
	// TaxIncluded says that prices, charges and discounts have their tax in them.
	TaxIncluded bool        `json:"tax_included,omitempty"`
	Lines       []LineMoney `json:"lines,omitempty"`
	Charges     []Charge    `json:"charges,omitempty"`
	// Discount is taken off the order as a whole: it is in no line's and in no charge's.
	Discount string `json:"discount,omitempty"`
	// Subtotal is what all lines cost behind every discount: a home that tells it tells neither Discount
	// nor those of the lines.
	Subtotal string `json:"subtotal,omitempty"`
	// Tax is of the order as a whole: it is in no line's and in no charge's.
	Tax string `json:"tax,omitempty"`
}

// LineMoney is what a line, of all its units now, has beside its price.
type LineMoney struct {
	Ref      string `json:"ref"`
	Discount string `json:"discount,omitempty"`
	Tax      string `json:"tax,omitempty"`
	// Amount is price × quantity where the home does not say a price of one unit, or where it is not
	// that product to the cent.
	Amount string `json:"amount,omitempty"`
}

// Charge is something that an order asks money for and that is no line.
type Charge struct {
	Kind     string `json:"kind"`            // shipping, gift-wrap, tip, duty, fee
	Title    string `json:"title,omitempty"` // such as the name of the ship service
	Amount   string `json:"amount"`
	Discount string `json:"discount,omitempty"`
	Tax      string `json:"tax,omitempty"`
}

// Of is the money of a line; the zero LineMoney when it has none.
func (m *Money) Of(ref string) LineMoney {
	if m != nil {
		for _, l := range m.Lines {
			if l.Ref == ref {
				return l
			}
		}
	}
	return LineMoney{}
}
