package orders

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// packed is an order of two lines of which the books have reported one package.
func packed(t *testing.T) *world {
	w := newWorld(t)
	w.stock("main", "A", 10)
	w.stock("main", "B", 10)
	w.take("1 at=1 line=L1/v:1/qty:2 line=L2/v:2/qty:3")
	_, err := w.book.Ship(w.ctx, "shopify:shop:1", Shipment{Key: "P1", By: "erp", Tracking: "1Z1",
		Location: "main", Lines: []ShipmentLine{{Ref: "L1", Qty: 1}, {Ref: "L2", Qty: 1}}})
	require.NoError(t, err)
	return w
}

const leftOfPacked = "line=L1/v:1/qty:2/left:1 line=L2/v:2/qty:3/left:2"

func (w *world) packages() (all []string) {
	for _, s := range w.order("shopify:shop:1").Shipments {
		all = append(all, fmt.Sprintf("%s %s %d", s.By, s.Key, units(s.Lines)))
	}
	return all
}

// TestPackageInTwoFulfilments: the shop keeps a package that was told to it as two. It has left
// once, whichever word of them comes first.
func TestPackageInTwoFulfilments(t *testing.T) {
	t.Parallel()
	snapshot := "ship=F1/tracking:1Z1/from:main/L1:1 ship=F2/tracking:1Z1/from:main/L2:1 " + leftOfPacked
	for _, named := range []bool{false, true} {
		w := packed(t)
		balances, tasks := w.balances(), w.tasks()
		if named {
			all := []ShipmentLine{{Ref: "L1", Qty: 1}, {Ref: "L2", Qty: 1}}
			_, err := w.book.Attach(w.ctx, "shopify:shop:1", Attachment{System: "shop", Shipments: []Shipment{
				{Key: "F1", By: "shop", Tracking: "1Z1", Lines: all},
				{Key: "F2", By: "shop", Tracking: "1Z1", Lines: all}}})
			require.NoError(t, err)
			require.Equal(t, balances, w.balances())
		}
		for at := 2; at < 4; at++ {
			require.Empty(t, w.take(fmt.Sprintf("1 at=%d %s", at, snapshot)))
			require.Equal(t, balances, w.balances(), "named %v", named)
			require.Equal(t, []string{"erp P1 2"}, w.packages())
		}
		require.Equal(t, tasks, w.tasks(), "nobody is told again")

		// A third one with the number has more than the package: its units have left, too.
		require.Empty(t, w.take("1 at=9 ship=F1/tracking:1Z1/from:main/L1:1 "+
			"ship=F2/tracking:1Z1/from:main/L2:1 ship=F3/tracking:1Z1/from:main/L1:1 "+
			"line=L1/v:1/qty:2/left:0 line=L2/v:2/qty:3/left:2"))
		require.Equal(t, []string{"erp P1 2", "shop F3 1"}, w.packages())
		require.Contains(t, w.balances(), "A@main on hand 8 committed 0")
		require.Contains(t, w.balances(), "B@main on hand 9 committed 2")
		w.sound()
	}
}

// TestTwoPackagesOfOneNumber: those that the shop itself tells apart are two, whatever they share.
func TestTwoPackagesOfOneNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock("main", "A", 10)
	w.take("1 at=1 line=L1/v:1/qty:2 ship=F1/tracking:T/from:main/L1:1 ship=F2/tracking:T/from:main/L1:1")
	require.Equal(t, []string{"shop F1 1", "shop F2 1"}, w.packages())
	require.Equal(t, []string{"A@main on hand 8 committed 0"}, w.balances())
	w.sound()
}
