package netsuite

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/orders"
)

// books are of an account in which everything has an id.
func books() Books {
	return Books{Customers: map[string]string{"*": "42"}, Currencies: map[string]string{"USD": "1", "JPY": "2", "KWD": "3"},
		Subsidiaries: map[string]string{"web": "7", "*": "8"}, Location: "6", FBALocation: "60", NoTax: "-8",
		TaxItem: "100", DiscountItem: "101", ShippingItem: "102", RoundingItem: "103", RefundItem: "104",
		TaxType: "5", TaxCode: "9", Charges: map[string]string{"*": "110"}, Untracked: map[string]string{"*": "120"}}
}

func saleOf(o *orders.Order) Sale {
	return Sale{Order: o, Money: o.Money, Item: func(l *orders.Line) string {
		if l.SKU == "" {
			return ""
		}
		return "1" + fmt.Sprint(len(l.SKU))
	}}
}

// adds up the document of a bill as NetSuite does: every line's rate × quantity rounded to a cent, which
// must be its amount, the tax details, and the shipping of its field. It reads the JSON that is sent.
func adds(t *testing.T, digits int, bill *Bill) *big.Rat {
	t.Helper()
	text, err := json.Marshal(bill.Body)
	require.NoError(t, err)
	var body struct {
		Shipping json.Number `json:"shippingCost"`
		Item     struct {
			Items []struct {
				Quantity     int64
				Rate, Amount json.Number
			}
		} `json:"item"`
		Taxes struct {
			Items []struct {
				Amount json.Number `json:"taxAmount"`
			}
		} `json:"taxDetails"`
	}
	require.NoError(t, json.Unmarshal(text, &body))
	number := func(n json.Number) *big.Rat {
		if n == "" {
			return new(big.Rat)
		}
		r, ok := new(big.Rat).SetString(string(n))
		require.True(t, ok, "%q", n)
		return r
	}
	sum := number(body.Shipping)
	for _, l := range body.Item.Items {
		line := new(big.Rat).Mul(number(l.Rate), new(big.Rat).SetInt64(l.Quantity))
		require.Equal(t, number(l.Amount).FloatString(digits), line.FloatString(digits), "rate × quantity is the amount")
		sum.Add(sum, number(l.Amount))
	}
	for _, d := range body.Taxes.Items {
		sum.Add(sum, number(d.Amount))
	}
	require.Len(t, bill.Refs, len(body.Item.Items))
	return sum
}

// anyOrder makes an order as homes write them: prices with discounts, taxes inside or on top, charges, and
// a total that is off by the cents that rounding each part leaves.
func anyOrder(r *rand.Rand, in currency) *orders.Order {
	o := &orders.Order{ID: fmt.Sprint("shopify:shop:", r.Uint64()), Channel: "web", Currency: in.code,
		CreatedAt: time.Date(2026, 11, 23, 23, 30, 0, 0, time.UTC), Name: "#1001", Money: &orders.Money{}}
	o.Money.TaxIncluded = r.IntN(2) == 0
	text := func(n int64) string { return string(in.number(cents(n))) }
	total := int64(0)
	part := func(gross int64) (discount, tax string) {
		d, x := int64(0), int64(0)
		if r.IntN(2) == 0 {
			d = r.Int64N(gross + 1)
		}
		if r.IntN(3) > 0 {
			x = (gross - d) * r.Int64N(26) / 100
		}
		total += gross - d
		if !o.Money.TaxIncluded {
			total += x
		}
		return text(d), text(x)
	}
	for i := range 1 + r.IntN(6) {
		l := orders.Line{Ref: fmt.Sprint(i), SKU: fmt.Sprintf("S%0*d", 1+i, i), Title: "Thing", Qty: 1 + r.Int64N(9)}
		money := orders.LineMoney{Ref: l.Ref}
		gross := r.Int64N(20_000)
		if r.IntN(3) == 0 { // a home that tells amounts of lines only
			if r.IntN(4) == 0 {
				l.Qty = 1 + r.Int64N(3_000_000)
			}
			money.Amount = text(gross)
		} else {
			l.Price = text(gross)
			gross *= l.Qty
		}
		if r.IntN(8) == 0 {
			l.SKU, l.Untracked = "", "gift-card"
		}
		money.Discount, money.Tax = part(gross)
		o.Lines, o.Money.Lines = append(o.Lines, l), append(o.Money.Lines, money)
	}
	for range r.IntN(3) {
		c := orders.Charge{Kind: []string{"shipping", "gift-wrap", "tip"}[r.IntN(3)]}
		gross := r.Int64N(3_000)
		c.Amount = text(gross)
		c.Discount, c.Tax = part(gross)
		o.Money.Charges = append(o.Money.Charges, c)
	}
	if whole := total * r.Int64N(20) / 100; r.IntN(4) == 0 && !o.Money.TaxIncluded {
		o.Money.Discount = text(whole)
		total -= whole
	}
	if whole := total * r.Int64N(20) / 100; r.IntN(4) == 0 { // a home that tells one tax
		for i := range o.Money.Lines {
			sub(o, &total, in, &o.Money.Lines[i].Tax)
		}
		for i := range o.Money.Charges {
			sub(o, &total, in, &o.Money.Charges[i].Tax)
		}
		o.Money.Tax = text(whole)
		if !o.Money.TaxIncluded {
			total += whole
		}
	}
	if r.IntN(3) == 0 {
		total = max(total+r.Int64N(7)-3, 0)
	}
	o.Total = text(total)
	return o
}

// sub takes a tax out of an order.
func sub(o *orders.Order, total *int64, in currency, tax *string) {
	n, err := in.parse(*tax)
	if err != nil {
		panic(err)
	}
	if !o.Money.TaxIncluded {
		*total -= int64(n)
	}
	*tax = ""
}

// TestTotalsAlwaysMatchToTheCent drives orders of all kinds through books of all kinds.
func TestTotalsAlwaysMatchToTheCent(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	rounded := 0
	for n := range 20_000 {
		in := currencyOf([]string{"USD", "JPY", "KWD"}[r.IntN(3)])
		o, b := anyOrder(r, in), books()
		b.Tax = []string{"", TaxLines, SuiteTax, TaxGross}[r.IntN(4)]
		if r.IntN(2) == 0 {
			b.DiscountItem = ""
		}
		if b.Tax != SuiteTax && r.IntN(2) == 0 {
			b.ShippingItem = ""
		}
		bill, ok, err := b.OrderBill(saleOf(o))
		require.NoError(t, err, "seed %d, order %d: %+v", seed, n, o.Money)
		require.True(t, ok)
		require.Equal(t, o.Total, adds(t, in.digits, &bill).FloatString(in.digits), "seed %d, order %d", seed, n)
		if bill.Rounding != "" {
			rounded++
		}
		again, _, err := b.OrderBill(saleOf(o))
		require.NoError(t, err)
		require.Equal(t, bill, again, "it is a pure function")
	}
	require.Positive(t, rounded, "the orders did need rounding")
}

// TestASubtotalHidesItsDiscounts is an order as a shop tells it: what its lines cost in the end, one tax.
func TestASubtotalHidesItsDiscounts(t *testing.T) {
	t.Parallel()
	for _, item := range []string{"", "101"} {
		for _, tax := range []string{TaxLines, SuiteTax, TaxGross} {
			for _, inside := range []bool{false, true} {
				b, o := books(), plainOrder()
				b.DiscountItem, b.Tax = item, tax
				o.Lines = append(o.Lines, orders.Line{Ref: "2", SKU: "B", Price: "0.01", Qty: 1})
				o.Money.TaxIncluded, o.Money.Subtotal, o.Money.Tax = inside, "29.98", "7.00"
				if o.Total = "42.98"; inside {
					o.Total = "35.98"
				}
				bill, _, err := b.OrderBill(saleOf(o))
				require.NoError(t, err)
				require.Equal(t, o.Total, adds(t, 2, &bill).FloatString(2))
				require.Empty(t, bill.Rounding)
			}
		}
	}
}

func plainOrder() *orders.Order {
	return &orders.Order{ID: "shopify:shop:5551", Channel: "web", Home: orders.External{System: "shop", ID: "5551"},
		Name: "#1001", Currency: "USD", Total: "45.98", CreatedAt: time.Date(2026, 11, 23, 23, 30, 0, 0, time.UTC),
		Lines: []orders.Line{{Ref: "1", SKU: "A", Title: "Mug", Price: "19.99", Qty: 2}},
		Money: &orders.Money{Charges: []orders.Charge{{Kind: "shipping", Title: "Post", Amount: "6.00"}}}}
}

func TestTheDocumentOfAnOrder(t *testing.T) {
	t.Parallel()
	b := books()
	b.Zone, b.ShippingItem, b.ShipMethod = "Asia/Tokyo", "", "31"
	sale := saleOf(plainOrder())
	sale.ShipTo = &Address{Name: "Ada", Line1: "1 Way", City: "Town", Zip: "94105", State: "CA", Country: "US"}
	bill, ok, err := b.OrderBill(sale)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, SalesOrder, bill.Kind)
	require.Equal(t, "hfso-shopify_3ashop_3a5551", bill.ExternalID)
	require.Equal(t, []string{"1"}, bill.Refs)
	text, err := json.Marshal(bill.Body)
	require.NoError(t, err)
	require.JSONEq(t, `{"entity":{"id":"42"},"currency":{"id":"1"},"subsidiary":{"id":"7"},"location":{"id":"6"},
		"otherRefNum":"#1001","memo":"holdfast shopify:shop:5551","tranDate":"2026-11-24","orderStatus":{"id":"B"},
		"shippingCost":6.00,"shipMethod":{"id":"31"},
		"shippingAddress":{"override":false,"addressee":"Ada","addr1":"1 Way","city":"Town","state":"CA","zip":"94105","country":{"id":"US"}},
		"item":{"items":[{"item":{"id":"11"},"quantity":2,"price":{"id":"-1"},"rate":19.99,"amount":39.98,
			"description":"Mug","location":{"id":"6"},"taxCode":{"id":"-8"}}]}}`, string(text))
}

func TestOrdersThatAmazonFulfils(t *testing.T) {
	t.Parallel()
	for word, kind := range map[string]string{"": SalesOrder, BillOrder: SalesOrder, BillInvoice: Invoice, BillCashSale: CashSale} {
		b, o := books(), plainOrder()
		b.FBA, o.FulfilledBy = word, "amazon"
		bill, ok, err := b.OrderBill(saleOf(o))
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, kind, bill.Kind)
		require.Equal(t, id{"60"}, bill.Body["location"])
		require.Equal(t, kind == SalesOrder, bill.Body["orderStatus"] != nil)
	}
	b, o := books(), plainOrder()
	b.FBA, o.FulfilledBy = BillSkip, "amazon"
	_, ok, err := b.OrderBill(saleOf(o))
	require.NoError(t, err)
	require.False(t, ok)
}

func TestWhatIsMissingForADocument(t *testing.T) {
	t.Parallel()
	for code, spoil := range map[string]func(b *Books, o *orders.Order){
		codeNoItem:       func(_ *Books, o *orders.Order) { o.Lines[0].SKU = "" },
		codeNoCustomer:   func(b *Books, _ *orders.Order) { b.Customers = nil },
		codeNoCurrency:   func(_ *Books, o *orders.Order) { o.Currency = "SEK" },
		codeNoSubsidiary: func(b *Books, _ *orders.Order) { b.Subsidiaries = map[string]string{"x": "1"} },
		codeNoCharge:     func(b *Books, o *orders.Order) { b.Charges, o.Money.Charges[0].Kind = nil, "tip" },
		codeTotal:        func(_ *Books, o *orders.Order) { o.Total = "50.00" },
		codePayload:      func(_ *Books, o *orders.Order) { o.Lines[0].Price = "19.999" },
		codeState:        func(_ *Books, o *orders.Order) { o.Lines[0].Qty = 0 },
	} {
		b, o := books(), plainOrder()
		spoil(&b, o)
		_, ok, err := b.OrderBill(saleOf(o))
		require.Equal(t, code, codeOf(err), "%v", err)
		require.False(t, ok)
	}
	b, o := books(), plainOrder()
	o.Total, b.Difference = "50.00", BookDifference
	bill, _, err := b.OrderBill(saleOf(o))
	require.NoError(t, err)
	require.Equal(t, "4.02", bill.Rounding, "booked where the merchant wants it so")
	require.Equal(t, "50.00", adds(t, 2, &bill).FloatString(2))
}

func TestCustomersOfBuyers(t *testing.T) {
	t.Parallel()
	b, sale := books(), saleOf(plainOrder())
	b.Customer, sale.Buyer = PerBuyer, &Buyer{ID: "99", Last: "Lovelace", Mail: "ada@example.com"}
	bill, _, err := b.OrderBill(sale)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"externalId": "hfcu-shop-99"}, bill.Body["entity"])
	d, err := b.CustomerDocument(sale.Order, *sale.Buyer)
	require.NoError(t, err)
	require.Equal(t, "hfcu-shop-99", d.ExternalID)
	require.Equal(t, map[string]any{"firstName": "-", "lastName": "Lovelace", "isPerson": true,
		"email": "ada@example.com", "subsidiary": id{"7"}}, d.Body)
	_, err = b.CustomerDocument(sale.Order, Buyer{ID: "1"})
	require.Equal(t, codeNoCustomer, codeOf(err))
	sale.Buyer = nil
	bill, _, err = b.OrderBill(sale)
	require.NoError(t, err)
	require.Equal(t, id{"42"}, bill.Body["entity"], "a guest is the channel's customer")
}

func TestAmounts(t *testing.T) {
	t.Parallel()
	usd, jpy := currencyOf("USD"), currencyOf("JPY")
	for text, want := range map[string]cents{"": 0, "0": 0, "19.99": 1999, "5": 500, "5.1": 510, "-0.01": -1, "7.1000": 710} {
		n, err := usd.parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, n, text)
	}
	for _, text := range []string{"1.999", ".5", "5.", "1e3", "NaN", "--1", "1,000", "99999999999999999999"} {
		_, err := usd.parse(text)
		require.Error(t, err, text)
	}
	require.Equal(t, json.Number("-0.05"), usd.number(-5))
	require.Equal(t, json.Number("1200"), jpy.number(1200))
	rate, ok := usd.rate(1000, 3)
	require.True(t, ok)
	require.Equal(t, json.Number("3.33333333"), rate)
	_, ok = usd.rate(1, 100_000_001)
	require.False(t, ok)
}
