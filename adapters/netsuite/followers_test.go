package netsuite

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var monday = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// order7 is sales order 7 as NetSuite has it: its lines are not numbered in a row.
func order7() []OpenLine {
	return []OpenLine{{Line: 1, Item: "11", Location: "6", Quantity: 3, Remaining: 3},
		{Line: 4, Item: "12", Location: "8", Quantity: 2, Remaining: 2},
		{Line: 5, Item: "13", Location: "6", Quantity: 1, Remaining: 0},
		{Line: 9, Item: "14", Quantity: 1, Remaining: 1, Closed: true},
		{Line: 12, Item: "15", Type: "OthCharge", Quantity: 1, Remaining: 1}}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func TestOneFulfilmentForEachLocation(t *testing.T) {
	t.Parallel()
	p := Package{ExternalID: "hfif-7-a", Tracking: "1Z", At: monday,
		Units: []Units{{Line: 1, Qty: 2}, {Line: 4, Qty: 1}, {Line: 4, Qty: 1}}}
	parts, err := p.ByLocation(order7())
	require.NoError(t, err)
	require.Len(t, parts, 2)
	require.Equal(t, []string{"hfif-7-a-l6", "hfif-7-a-l8"}, []string{parts[0].ExternalID, parts[1].ExternalID})
	d, err := FulfilmentOf(7, order7(), parts[0])
	require.NoError(t, err)
	require.Equal(t, &Transformed{Kind: SalesOrder, ID: 7, To: ItemFulfillment}, d.From)
	require.JSONEq(t, `{"shipStatus":{"id":"C"},"tranDate":"2026-11-23",
		"package":{"items":[{"packageTrackingNumber":"1Z","packageWeight":0.1}]},
		"item":{"items":[{"orderLine":1,"quantity":2,"location":{"id":"6"},"itemReceive":true},
			{"orderLine":4,"location":{"id":"8"},"itemReceive":false}]}}`, jsonOf(t, d.Body))

	after := order7() // the first part was made
	after[0].Remaining = 1
	again, err := p.ByLocation(after)
	require.NoError(t, err)
	require.Equal(t, parts, again, "parted alike")
	d, err = FulfilmentOf(7, after, parts[1])
	require.NoError(t, err)
	require.JSONEq(t, `[{"orderLine":1,"location":{"id":"6"},"itemReceive":false},
			{"orderLine":4,"quantity":2,"location":{"id":"8"},"itemReceive":true}]`,
		jsonOf(t, d.Body["item"].(map[string]any)["items"]))
}

func TestFulfilmentsThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, units := range [][]Units{{{Line: 1, Qty: 2}, {Line: 1, Qty: 2}}, {{Line: 9, Qty: 1}}, {{Line: 5, Qty: 1}}} {
		_, err := FulfilmentOf(7, order7(), Package{Units: units})
		require.Equal(t, codeState, codeOf(err), "%v", units)
	}
	_, err := Package{Units: []Units{{Line: 2, Qty: 1}}}.ByLocation(order7())
	require.Equal(t, codeState, codeOf(err))
	_, err = Package{Units: []Units{{Line: 9, Qty: 1}}}.ByLocation(order7())
	require.Equal(t, codeNoLocation, codeOf(err))
}

func TestClosingListsWhatIsOpen(t *testing.T) {
	t.Parallel()
	body, ok := Closed(order7())
	require.True(t, ok)
	require.JSONEq(t, `{"item":{"items":[{"line":1,"isClosed":true},{"line":4,"isClosed":true},{"line":5,"isClosed":true},{"line":12,"isClosed":true}]}}`,
		jsonOf(t, body))
	_, ok = Closed(order7()[3:4])
	require.False(t, ok)
}

func TestReturnsAndReceiptsListEveryLine(t *testing.T) {
	t.Parallel()
	c := Coming{ExternalID: "hfra-1", At: monday, Memo: "r", Units: []Units{{Line: 1, Qty: 2}}}
	d, err := ReturnOf(7, order7()[:2], c)
	require.NoError(t, err)
	require.JSONEq(t, `{"tranDate":"2026-11-23","memo":"r","orderStatus":{"id":"B"},"item":{"items":[
		{"orderLine":1,"quantity":2},{"orderLine":4,"isClosed":true}]}}`, jsonOf(t, d.Body))
	require.Equal(t, &Transformed{Kind: SalesOrder, ID: 7, To: ReturnAuthorization}, d.From)
	c.Units[0].Qty = 4
	_, err = ReturnOf(7, order7(), c)
	require.Equal(t, codeState, codeOf(err))

	c = Coming{ExternalID: "hfir-1", At: monday, Units: []Units{{Line: 4, Qty: 1}}}
	d, err = ReceiptOf(8, order7(), Arrived{Coming: c, Location: "6"})
	require.NoError(t, err)
	require.JSONEq(t, `[{"orderLine":1,"itemReceive":false},
		{"orderLine":4,"quantity":1,"location":{"id":"6"},"itemReceive":true,"restock":false}]`,
		jsonOf(t, d.Body["item"].(map[string]any)["items"]))
}

func TestRefundsFollowTheBilling(t *testing.T) {
	t.Parallel()
	r := Refund{ExternalID: "shop:1", At: monday, Currency: "USD", Amount: "25.00", Of: 8,
		Lines: []RefundLine{{Line: 1, Qty: 3, Amount: "20.00"}}}
	d, err := books().RefundOf(r, ByInvoice)
	require.NoError(t, err)
	require.Equal(t, CreditMemo, d.Kind)
	require.Equal(t, "hfcm-shop_3a1", d.ExternalID)
	require.Equal(t, &Transformed{ReturnAuthorization, 8, CreditMemo, []string{"item"}}, d.From)
	require.JSONEq(t, `[{"orderLine":1,"quantity":3,"rate":6.66666667,"amount":20.00},
		{"item":{"id":"104"},"quantity":1,"price":{"id":"-1"},"rate":5.00,"amount":5.00,"description":"Refund","taxCode":{"id":"-8"}}]`,
		jsonOf(t, d.Body["item"].(map[string]any)["items"]))
	d, err = books().RefundOf(Refund{ExternalID: "x", Currency: "USD", Amount: "5", Entity: "42"}, ByCashSale)
	require.NoError(t, err)
	require.Equal(t, CashRefund, d.Kind)
	require.Nil(t, d.From)
	require.Equal(t, id{"42"}, d.Body["entity"])
	_, err = books().RefundOf(r, NotBilled)
	require.Equal(t, codeState, codeOf(err))
	for _, amount := range []string{"", "0", "-1", "x"} {
		r.Amount = amount
		_, err = books().RefundOf(r, ByInvoice)
		require.Equal(t, codePayload, codeOf(err))
	}
}

func TestLinesAreFoundAgain(t *testing.T) {
	t.Parallel()
	b, o := books(), plainOrder()
	o.Money.Charges, o.Total = nil, "79.96"
	o.Lines = append(o.Lines, o.Lines[0])
	o.Lines[1].Ref = "2"
	bill, _, err := b.OrderBill(saleOf(o))
	require.NoError(t, err)
	now := []OpenLine{{Line: 3, Item: "999"}, {Line: 4, Item: "11"}, {Line: 6, Item: "11"}}
	lines, ok := bill.Match(now)
	require.True(t, ok)
	require.Equal(t, map[string]OpenLine{"1": now[1], "2": now[2]}, lines)
	_, ok = bill.Match(now[:2])
	require.False(t, ok, "one is gone")
}
