package amazon

import (
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/amazon/spapitest"
)

// The parts of an order of the simulator make its total to the cent.
func TestTheTotalIsMadeOfItsParts(t *testing.T) {
	r := newRig(t, spapitest.Timing{})
	o := r.order(r.buy(spapitest.PurchaseLine{SKU: "AZ-A", Qty: 3}, spapitest.PurchaseLine{SKU: "AZ-B", Qty: 1}))
	require.NotNil(t, o.Money)
	require.Len(t, o.Money.Lines, 2)
	var all sum
	for _, l := range o.Money.Lines {
		all.add(l.Amount, 1)
		all.add(l.Tax, 1)
	}
	for _, c := range o.Money.Charges {
		all.add(c.Amount, 1)
	}
	var total sum
	total.add(o.Total, 1)
	require.NotEmpty(t, o.Total)
	require.Zero(t, total.Cmp(&all.Rat), "%s of %s", all.text(), o.Total)
	require.False(t, o.Money.TaxIncluded)
}
