package netsuitetest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestEverybodyAtOnce lets integrations create and ship orders through faults, as a good client does
// (look up, create, look up after any doubt), while staff work, and counts: each order once, each
// shipped once, and every sum in balance.
func TestEverybodyAtOnce(t *testing.T) {
	t.Parallel()
	items := testItems()
	items[0].Stock["main"], items[1].Stock["main"] = "100000", "100000"
	r := newRig(t, Config{Items: items, Concurrency: 64, Faults: []Fault{
		{ID: "late", Kind: FaultErrorAfter, Operation: opCreate, Percent: 10},
		{ID: "ship", Kind: FaultHTMLAfter, Operation: opTransform, Percent: 10},
		{ID: "busy", Kind: FaultConcurrency, Percent: 10},
		{ID: "changed", Kind: FaultRecordChanged, Operation: opTransform, Percent: 10}}})
	const clients, each = 4, 100
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for i := range each {
				id := ensure(r, fmt.Sprintf("so-%d-%d", c, i), "salesOrder", "salesOrder",
					order(fmt.Sprintf("so-%d-%d", c, i), item("A", 1+i%3), item("KIT", 1)))
				if i%2 == 0 {
					key := fmt.Sprintf("if-%d-%d", c, i)
					ensure(r, key, "itemFulfillment", "salesOrder/"+id+"/!transform/itemFulfillment",
						m{"externalId": key})
				}
			}
		})
	}
	all.Go(func() {
		rng := rand.New(rand.NewPCG(1, 1))
		for range 100 {
			_, err := r.Enter(Orders{MaxLines: 2, MaxQty: 5, Seed: rng.Uint64()})
			assert.NoError(t, err)
			assert.NoError(t, r.Work(Staff{Adjust: []Adjust{{SKU: "B", Location: "main", By: "3"}}}))
			_ = r.sqlPage("SELECT SUM(quantitycommitted) FROM inventoryitemlocations", "")
		}
	})
	all.Wait()
	balance(t, r)
	count := map[string]int{}
	units := 0
	for _, x := range r.State().Transactions {
		if x.By == "api" {
			count[x.Type]++
			count[x.ExternalID]++
			assert.Equal(t, 1, count[x.ExternalID])
		}
		if x.Type == "itemFulfillment" {
			for _, l := range x.Lines {
				if l.SKU == "A" {
					units += int(number(l.Qty))
				}
			}
		}
	}
	assert.Equal(t, clients*each, count["salesOrder"])
	assert.Equal(t, clients*each/2, count["itemFulfillment"])
	assert.Equal(t, fmt.Sprint(100_000-units), level(r, "A", "main").OnHand)
	for _, id := range []string{"late", "ship", "busy", "changed"} {
		assert.NotEmpty(t, r.Journal(Filter{Kind: "fault", Fault: id + ".1"}), id)
	}
}

// ensure makes a record exactly once through whatever goes wrong, and returns its id.
func ensure(r *rig, external, typ, at string, body m) string {
	for range 200 {
		found := r.get(typ + "/eid:" + external)
		if found.status == http.StatusOK {
			return fmt.Sprint(found.body["id"])
		}
		if found.status == http.StatusNotFound {
			_ = r.post(at, body) // whatever it says, the look-up tells
		}
	}
	assert.Fail(r.t, "never done", external)
	return ""
}
