package netsuitetest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCommitment follows stock through what orders ask for.
func TestCommitment(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	r.post("salesOrder", order("one", item("A", 8))).id()
	r.post("salesOrder", order("two", item("A", 5))).id()
	assert.Equal(t, "10 10 0 3", r.stock("A", "main"), "what is not there is back-ordered")
	pending := order("three", item("A", 1))
	pending["orderStatus"] = m{"id": "A"}
	r.post("salesOrder", pending).id()
	assert.Equal(t, "10 10 0 3", r.stock("A", "main"), "an order that waits for approval asks for nothing")
	never := item("A", 4)
	never["commitInventory"] = m{"id": "3"}
	r.post("salesOrder", order("four", never)).id()
	assert.Equal(t, "10 10 0 3", r.stock("A", "main"))

	require.NoError(t, r.Work(Staff{Adjust: []Adjust{{SKU: "A", Location: "main", By: "2"}}}))
	assert.Equal(t, "12 12 0 1", r.stock("A", "main"), "what comes goes to those who wait")
	require.NoError(t, r.Work(Staff{Approve: []string{"three"}}))
	assert.Equal(t, "12 12 0 2", r.stock("A", "main"))
	r.patch("salesOrder/eid:one", m{"item": list(m{"line": 1, "isClosed": true})}).id()
	assert.Equal(t, "12 6 6 0", r.stock("A", "main"), "closing gives back")
	assert.Equal(t, "H", r.status("one"))
	r.patch("salesOrder/eid:two", m{"item": list(m{"line": 1, "location": m{"id": "2"}})}).id()
	assert.Equal(t, "12 1 11 0", r.stock("A", "main"))
	assert.Equal(t, "5 5 0 0", r.stock("A", "east"), "another location, other stock")
	assert.Equal(t, 204, r.send("DELETE", records+"salesOrder/eid:two", nil).status)
	assert.Equal(t, "5 0 5 0", r.stock("A", "east"))
}

// TestKits commits and ships the members of a kit.
func TestKits(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	id := r.post("salesOrder", order("kit", item("KIT", 4))).id()
	assert.Equal(t, "10 6 4 2", r.stock("A", "main"), "three kits of two, for want of B")
	assert.Equal(t, "3 3 0 1", r.stock("B", "main"))
	out := r.post("salesOrder/"+id+"/!transform/itemFulfillment",
		m{"item": list(m{"orderLine": 1, "quantity": 3, "location": 1})})
	ship := out.id()
	assert.Equal(t, "4 0 4 2", r.stock("A", "main"))
	assert.Equal(t, "0 0 0 1", r.stock("B", "main"))
	lines := r.get("itemFulfillment/" + ship + "?expandSubResources=true").body["item"].(m)["items"].([]any)
	require.Len(t, lines, 3, "the kit and its members")
	assert.Equal(t, "1", text(lines[1].(m)["kitMemberOf"]))
	rows := r.sql("SELECT kitcomponent, quantity FROM transactionline WHERE transaction = " + ship +
		" AND mainline = 'F' AND iscogs = 'F' ORDER BY id")
	assert.Equal(t, []m{{"kitcomponent": "F", "quantity": "-3"}, {"kitcomponent": "T", "quantity": "-6"},
		{"kitcomponent": "T", "quantity": "-3"}}, rows)
}

// TestTransfers moves stock between locations, at once and by an order.
func TestTransfers(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	r.post("inventoryTransfer", m{"location": m{"id": "1"}, "transferLocation": m{"id": "2"},
		"inventory": list(m{"item": m{"externalId": "A"}, "adjustQtyBy": 4})}).id()
	assert.Equal(t, "6 0 6 0", r.stock("A", "main"))
	assert.Equal(t, "9 0 9 0", r.stock("A", "east"))
	id := r.post("transferOrder", m{"location": m{"id": "2"}, "transferLocation": m{"id": "1"},
		"orderStatus": m{"id": "B"}, "item": list(m{"item": m{"externalId": "A"}, "quantity": 5})}).id()
	assert.Equal(t, "9 5 4 0", r.stock("A", "east"))
	r.post("transferOrder/"+id+"/!transform/itemFulfillment", m{}).id()
	assert.Equal(t, "4 0 4 0", r.stock("A", "east"))
	assert.Equal(t, "5", level(r, "A", "main").InTransit)
	assert.Equal(t, "F", r.status(id))
	r.post("transferOrder/"+id+"/!transform/itemReceipt", m{}).id()
	assert.Equal(t, "11 0 11 0", r.stock("A", "main"))
	assert.Equal(t, "0", level(r, "A", "main").InTransit)
	assert.Equal(t, "G", r.status(id))
	assert.Equal(t, "USER_ERROR", r.post("transferOrder/"+id+"/!transform/itemReceipt", m{}).code())
}

// TestAdjustments holds adjustments to their rules.
func TestAdjustments(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	lines := func(n int) []m {
		var out []m
		for range n {
			out = append(out, m{"item": m{"externalId": "A"}, "adjustQtyBy": 1})
		}
		return out
	}
	body := m{"externalId": "ia-1", "account": m{"id": "1"}, "adjLocation": m{"id": "1"},
		"inventory": list(lines(1000)...)}
	r.post("inventoryAdjustment", body).id()
	assert.Equal(t, "1010", level(r, "A", "main").OnHand)
	body["inventory"], body["externalId"] = list(lines(1001)...), "ia-2"
	assert.Equal(t, "USER_ERROR", r.post("inventoryAdjustment", body).code())
	for name, change := range map[string]m{
		"no account": {"account": nil}, "no lines": {"inventory": list()},
		"a kit":       {"inventory": list(m{"item": m{"externalId": "KIT"}, "adjustQtyBy": 1})},
		"no quantity": {"inventory": list(m{"item": m{"externalId": "A"}})},
	} {
		bad := m{"account": m{"id": "1"}, "adjLocation": m{"id": "1"}, "inventory": list(lines(1)...)}
		for k, v := range change {
			bad[k] = v
		}
		assert.Equal(t, "USER_ERROR", r.post("inventoryAdjustment", bad).code(), name)
	}
	r.patch("inventoryAdjustment/eid:ia-1?replace=inventory", m{"inventory": list(m{"line": 1,
		"adjustQtyBy": -3})}).id()
	assert.Equal(t, "7", level(r, "A", "main").OnHand, "a changed adjustment undoes what it was")
}

// TestLastAvailableChange shows the trap of the delta column: committed stock that ships leaves what
// is available as it was.
func TestLastAvailableChange(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	at := func() string {
		rows := r.sql("SELECT TO_CHAR(SYS_EXTRACT_UTC(lastquantityavailablechange), " +
			"'YYYY-MM-DD HH24:MI:SS TZH:TZM') at FROM inventoryitemlocations WHERE item = 1 AND location = 1")
		require.Len(t, rows, 1)
		s, _ := rows[0]["at"].(string)
		return s
	}
	assert.Equal(t, "2026-11-23 09:00:00 -08:00", at())
	r.Advance(time.Minute)
	id := r.post("salesOrder", order("so", item("A", 2))).id()
	assert.Equal(t, "2026-11-23 09:01:00 -08:00", at(), "an order lowers what is available")
	r.Advance(time.Minute)
	r.post("salesOrder/"+id+"/!transform/itemFulfillment", m{}).id()
	assert.Equal(t, "2026-11-23 09:01:00 -08:00", at(), "its fulfilment does not")
	a := Documented()
	a.AvailableChangeOnly = false
	require.NoError(t, r.Assume(a))
	r.Advance(time.Minute)
	id = r.post("salesOrder", order("so2", item("A", 2))).id()
	r.Advance(time.Minute)
	r.post("salesOrder/"+id+"/!transform/itemFulfillment", m{}).id()
	assert.Equal(t, "2026-11-23 09:04:00 -08:00", at())
}

// TestSumsHold lets chance work in the account and holds, after every step, each bucket to the lines
// of the orders and to the journal.
func TestSumsHold(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, Config{Seed: seed + 1})
			rng := rand.New(rand.NewPCG(seed, 1))
			for step := range 150 {
				chance(r, rng, step)
				balance(t, r)
			}
		})
	}
}

// chance does one thing; that it is refused is as good.
func chance(r *rig, rng *rand.Rand, step int) {
	sku := []string{"A", "B", "KIT"}[rng.IntN(3)]
	some := func() string {
		all := r.State().Transactions
		if len(all) == 0 {
			return "none"
		}
		return fmt.Sprint(all[rng.IntN(len(all))].ID)
	}
	switch rng.IntN(9) {
	case 0, 1:
		l := item(sku, 1+rng.IntN(5))
		l["location"] = m{"id": fmt.Sprint(1 + rng.IntN(2))}
		r.post("salesOrder", order(fmt.Sprint("so-", step), l, item("A", 1)))
	case 2:
		r.post("salesOrder/"+some()+"/!transform/itemFulfillment", m{})
	case 3:
		_ = r.Work(Staff{Pack: []Pack{{Percent: 50, Status: []string{"A", "B", "C"}[rng.IntN(3)]}}})
	case 4:
		_ = r.Work(Staff{Adjust: []Adjust{{SKU: []string{"A", "B"}[rng.IntN(2)], Location: "main",
			By: fmt.Sprint(rng.IntN(9) - 3)}}})
	case 5:
		id := some()
		r.patch("salesOrder/"+id, m{"item": list(m{"line": 1, "quantity": 1 + rng.IntN(6),
			"isClosed": rng.IntN(4) == 0})})
	case 6:
		id := some()
		for _, typ := range []string{"salesOrder", "itemFulfillment", "inventoryAdjustment"} {
			r.send("DELETE", records+typ+"/"+id, nil)
		}
	case 7:
		r.post("salesOrder/"+some()+"/!transform/returnAuthorization", m{"orderStatus": m{"id": "B"}})
		r.post("returnAuthorization/"+some()+"/!transform/itemReceipt", m{})
	case 8:
		r.patch("itemFulfillment/"+some(), m{"shipStatus": m{"id": "C"}})
		r.patch("salesOrder/"+some(), m{"orderStatus": m{"id": []string{"A", "B"}[rng.IntN(2)]}})
	}
}

// balance holds I2 and I3.
func balance(t *testing.T, r *rig) {
	t.Helper()
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	committed, back := map[place]dec{}, map[place]dec{}
	for _, typ := range []string{"salesOrder", "transferOrder"} {
		for _, o := range a.byType[typ] {
			for _, l := range o.items() {
				require.GreaterOrEqual(t, l.committed, dec(0))
				require.LessOrEqual(t, l.committed+l.backordered, max(l.open(), 0))
				for _, p := range l.parts {
					at := place{p.item.id, l.ref("location")}
					committed[at] += l.committed.times(p.per, 1)
					back[at] += l.backordered.times(p.per, 1)
				}
			}
		}
	}
	journal := map[string]dec{}
	for _, e := range r.Journal(Filter{Kind: "stock"}) {
		n, _ := parseDec(e.Delta)
		journal[e.SKU+e.Location+e.State] += n
	}
	for at, b := range a.buckets {
		require.Equal(t, committed[at], b.committed)
		require.Equal(t, back[at], b.backordered)
		name := a.records["item"][at.item].name() + a.records["location"][at.location].name()
		require.Equal(t, b.onHand, journal[name+"on_hand"])
		require.Equal(t, b.committed, journal[name+"committed"])
		require.Equal(t, b.backordered, journal[name+"backordered"])
	}
}
