package storm

import (
	"context"
	"fmt"
	"net/url"
)

// acts are the calls that repeat or revert what the shop did itself, in a storm in which nobody but
// the shop acts on its orders: each of them is an echo.
var acts = []string{"orderCreate", "orderCancel", "orderClose", "fulfillmentCreate",
	"fulfillmentCancel", "fulfillmentTrackingInfoUpdate", "fulfillmentOrderMove",
	"fulfillmentOrderHold", "fulfillmentOrderReleaseHold", "refundCreate", "returnCreate",
	"returnProcess", "returnClose", "inventoryMoveQuantities"}

// checkEchoes reads in the journal what our calls did. An echo is a call of [acts], a change of a
// number at the location of which the shop is the master, or one at ours beyond what others did
// there: each sale over the API and each edit in the admin is worth one change at most, and all
// changes of a slot add up to those sales and edits and to nothing else.
func (s *storm) checkEchoes(ctx context.Context, f *findings) error {
	for _, op := range acts {
		calls, err := s.journal(ctx, url.Values{"kind": {"request"}, "op": {op}})
		if err != nil {
			return err
		}
		for _, e := range calls {
			f.wrong("echo: call %s at %v: %s", op, e.At, e.Variables)
		}
	}
	changes, err := s.journal(ctx, url.Values{"kind": {"stock"}, "cause": {"api"}})
	if err != nil {
		return err
	}
	pushes, told := map[place]int{}, map[place]string{}
	applied := 0
	for _, e := range changes {
		if e.State != "available" {
			f.wrong("our call changed %s of %s at %s", e.State, e.SKU, e.Location)
		}
		applied++
		pushes[place{e.SKU, e.Location}]++
		told[place{e.SKU, e.Location}] += fmt.Sprintf(" %+d at %s", e.Delta, e.At.Format("05.000"))
	}
	for at, n := range pushes {
		if at.location == theirs {
			f.wrong("echo: %d pushes of %s,%s, where the shop is the master", n, at.sku, told[at])
		} else if most := s.books.touched[at]; n > most {
			f.wrong("echo: %d pushes of %s,%s, for %d causes", n, at.sku, told[at], most)
		}
	}
	f.count("echoes: 0; %d changes of ours at %d slots", applied, len(pushes))
	return nil
}
