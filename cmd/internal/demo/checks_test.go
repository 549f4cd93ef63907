package demo

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/client"
)

// event is a small sale event that went well: the books, and nodes that agree with them. Ten units
// of A and of B at main; a kit of 2 A and 1 B was shipped and came back; one A was held until its
// deadline; two B wait to be shipped; one order was refused.
func event() (*Books, *Seen) {
	at := time.Date(2026, 1, 31, 14, 0, 0, 0, time.UTC)
	cat := &Catalogue{Locations: []string{atMain}, kits: map[string][]Component{
		"K": {{SKU: "A", Qty: 2}, {SKU: "B", Qty: 1}},
	}}
	b := NewBooks(cat)
	ten := int64(10)
	for _, sku := range []string{"A", "B"} {
		b.stock(client.StockChange{SKU: sku, Location: atMain, Set: &ten},
			client.StockResult{Status: "applied"})
	}
	order := func(id string, fate Fate, sku string) *Order {
		o := &Order{Fate: fate}
		o.ID, o.Channel, o.Lines = id, web, []client.AskLine{{SKU: sku, Qty: 1}}
		return o
	}
	reply := func(id string, l client.Line, until *time.Time) answer {
		l.Line = 1
		return answer{Status: 201, Reservation: client.Reservation{ID: id, ExpiresAt: until,
			Lines: []client.Line{l}}}
	}
	kit, held := order("kit", ReturnedGood, "K"), order("held", Abandoned, "A")
	open := order("open", Open, "B")
	kitLine := client.Line{SKU: "K", Qty: 1, Shipped: 1, Allocations: []client.Allocation{
		{SKU: "A", Location: atMain, Shipped: 2}, {SKU: "B", Location: atMain, Shipped: 1}}}
	b.reserved(kit, reply("kit", kitLine, nil))
	kitLine.Returned = 1
	back := verb{client.Verb{Op: "return", Location: atMain, Disposition: "sellable",
		Lines: []client.PickLine{{Line: 1, Qty: 1}}}}
	b.did(kit, back, reply("kit", kitLine, nil))
	until := at.Add(-2 * time.Second)
	b.reserved(held, reply("held", client.Line{SKU: "A", Qty: 1, Held: 1,
		Allocations: []client.Allocation{{SKU: "A", Location: atMain, Held: 1}}}, &until))
	openLine := client.Line{SKU: "B", Qty: 2, Committed: 2,
		Allocations: []client.Allocation{{SKU: "B", Location: atMain, Committed: 2}}}
	b.reserved(open, reply("open", openLine, nil))
	b.reserved(order("none", Shipped, "A"), answer{Status: 409, Code: "insufficient-stock"})
	b.repeated("open", reply("open", openLine, nil), reply("open", openLine, nil), true)

	s := &Seen{At: at, Late: map[string]answer{"held": {Status: 410, Code: "expired"}},
		Events: []client.Event{
			{Seq: 1, Type: "stock.set", SKU: "A", Location: atMain, Qty: 10, OnHand: 10},
			{Seq: 2, Type: "stock.set", SKU: "B", Location: atMain, Qty: 10, OnHand: 10},
			{Seq: 3, Type: "reservation.shipped", SKU: "A", Location: atMain, Qty: 2, OnHand: 8},
			{Seq: 4, Type: "reservation.returned", SKU: "A", Location: atMain, Qty: 2, OnHand: 10},
			{Seq: 5, Type: "reservation.expired", SKU: "A", Location: atMain, Qty: 1, OnHand: 10,
				Cause: "held", At: until.Add(20 * time.Millisecond)},
			{Seq: 6, Type: "reservation.committed", SKU: "B", Location: atMain, Qty: 2, OnHand: 10,
				Committed: 2},
		}}
	for _, name := range []string{"n1", "n2", "n3"} {
		s.Nodes = append(s.Nodes, NodeSeen{Name: name, Digest: client.Digest{Index: 7, Value: "abc"},
			Stock: map[Place]client.LocationStock{
				{"A", atMain}: {Location: atMain, OnHand: 10, Available: 10},
				{"B", atMain}: {Location: atMain, OnHand: 10, Committed: 2, Available: 8},
			},
			Reservations: map[string]client.Reservation{
				"kit":  {ID: "kit", Lines: []client.Line{kitLine}},
				"held": {ID: "held", Lines: []client.Line{{Line: 1, SKU: "A", Qty: 1, Expired: 1}}},
				"open": {ID: "open", Lines: []client.Line{openLine}},
			}})
	}
	return b, s
}

func TestChecksHold(t *testing.T) {
	t.Parallel()
	b, s := event()
	for _, c := range Checks(b, s) {
		assert.Empty(t, c.Faults, c.Name)
		assert.NotEmpty(t, c.Compared, c.Name)
	}
}

// TestEachCheckCanFail changes one thing at a time and wants the check whose matter it is to say
// so.
func TestEachCheckCanFail(t *testing.T) {
	t.Parallel()
	change := func(s *Seen, at Place, do func(*client.LocationStock)) {
		l := s.Nodes[2].Stock[at]
		do(&l)
		s.Nodes[2].Stock[at] = l
	}
	redo := func(s *Seen, id string, do func(*client.Line)) {
		for i := range s.Nodes {
			r := s.Nodes[i].Reservations[id]
			r.Lines = append([]client.Line(nil), r.Lines...)
			do(&r.Lines[0])
			s.Nodes[i].Reservations[id] = r
		}
	}
	a := Place{"A", atMain}
	for _, c := range []struct {
		check, what string
		do          func(*Books, *Seen)
		want        string
	}{
		{"invariants", "a violation", func(_ *Books, s *Seen) {
			s.Nodes[1].Check.Violations = append(s.Nodes[1].Check.Violations, struct {
				Invariant string `json:"invariant"`
				Detail    string `json:"detail"`
			}{"I1", "row"})
		}, "n2: I1 row"},
		{"equal digests", "another value", func(_ *Books, s *Seen) { s.Nodes[2].Digest.Value = "x" },
			`n3 has "x" at index 7, n1 has "abc" at index 7`},
		{"equal digests", "another index", func(_ *Books, s *Seen) {
			s.Nodes[2].Digest.Index = 8
		}, "n3"},
		{"right verdicts", "a refused delivery", func(b *Books, _ *Seen) {
			b.stock(client.StockChange{SKU: "A"},
				client.StockResult{Status: "refused", Code: "not-master"})
		}, "not-master"},
		{"right verdicts", "a strange refusal", func(b *Books, _ *Seen) {
			b.reserved(&Order{}, answer{Status: 404, Code: "unknown-sku"})
		}, "unknown-sku"},
		{"nothing acknowledged is lost", "a lost order", func(_ *Books, s *Seen) {
			delete(s.Nodes[1].Reservations, "open")
		}, "n2: open was acknowledged and is not there"},
		{"nothing acknowledged is lost", "a lost shipment", func(_ *Books, s *Seen) {
			redo(s, "kit", func(l *client.Line) { l.Shipped, l.Committed = 0, 1 })
		}, "n1: kit: line 1 has K"},
		{"one effect per key", "an unlike second answer", func(b *Books, _ *Seen) {
			b.repeated("open", answer{Status: 201}, answer{Status: 409, Code: "insufficient-stock"}, true)
		}, "open: first 201"},
		{"one effect per key", "a refused order is there", func(_ *Books, s *Seen) {
			s.Nodes[0].Reservations["none"] = client.Reservation{ID: "none"}
		}, "none is there and was never accepted"},
		{"no unit sold twice", "more shipped than was there", func(_ *Books, s *Seen) {
			redo(s, "open", func(l *client.Line) {
				l.Allocations = []client.Allocation{{SKU: "B", Location: atMain, Committed: 99}}
			})
		}, "B: 100 units sold or promised, 11 were there"},
		{"no unit sold twice", "negative available", func(_ *Books, s *Seen) {
			change(s, a, func(l *client.LocationStock) { l.Available = -1 })
		}, "n3: A at main: available is -1"},
		{"on hand balances", "a unit too few", func(_ *Books, s *Seen) {
			change(s, a, func(l *client.LocationStock) { l.OnHand = 9 })
		}, "n3: A at main has 9 on hand, books say 10 stocked − 2 shipped + 2 returned = 10"},
		{"on hand balances", "stock from nowhere", func(_ *Books, s *Seen) {
			s.Nodes[0].Stock[Place{"C", atMain}] = client.LocationStock{OnHand: 1}
		}, "books know nothing of it"},
		{"held and committed add up", "a leaked hold", func(_ *Books, s *Seen) {
			change(s, a, func(l *client.LocationStock) { l.Held = 1 })
		}, "n3: A at main says held 1, committed 0; its reservations have 0, 0"},
		{"no hold outlives its deadline", "a hold that stays", func(_ *Books, s *Seen) {
			redo(s, "held", func(l *client.Line) { l.Held, l.Expired = 1, 0 })
		}, "n1: held still holds 1 of A, 2s after its deadline"},
		{"no hold outlives its deadline", "a hold that ended early", func(_ *Books, s *Seen) {
			s.Events[4].At = s.Events[4].At.Add(-time.Second)
		}, "held ended 980ms before its deadline"},
		{"a late commit is refused", "it was accepted", func(_ *Books, s *Seen) {
			s.Late["held"] = answer{Status: 200}
		}, "commit of held after its deadline: 200"},
		{"events tell the same story", "a gap", func(_ *Books, s *Seen) { s.Events[5].Seq = 7 },
			"event 7 follows 5"},
		{"events tell the same story", "a balance from nowhere", func(_ *Books, s *Seen) {
			s.Events[2].OnHand = 7
		}, "on hand changed by -3"},
		{"events tell the same story", "another end", func(_ *Books, s *Seen) {
			s.Events[5].Committed = 1
		}, "last event says 10, 0, 1"},
	} {
		t.Run(c.check+"/"+c.what, func(t *testing.T) {
			t.Parallel()
			b, s := event()
			c.do(b, s)
			var found *Check
			for _, got := range Checks(b, s) {
				if got.Name == c.check {
					found = &got
				}
			}
			require.NotNil(t, found)
			require.NotEmpty(t, found.Faults)
			assert.Contains(t, found.Faults[0], c.want)

			report := Report{Books: b, Killer: &killer{}, Sender: &sender{}, Checks: Checks(b, s)}
			assert.False(t, report.OK())
			var out bytes.Buffer
			require.NoError(t, report.Print(&out))
			assert.Contains(t, out.String(), "FAILED "+c.check)
		})
	}
}
