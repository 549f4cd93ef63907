package judge

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/robustness/history"
)

// began is the ledger time of the first event.
var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func event(seq, index uint64, kind string, qty int64, b history.Balance, cause, note string) client.Event {
	e := client.Event{Seq: seq, Index: index, At: began.Add(time.Duration(index) * time.Second),
		Type: kind, SKU: "A", Location: "main", Qty: qty, Cause: cause, Note: note,
		OnHand: b.OnHand, Held: b.Held, Committed: b.Committed}
	if cause != "api" {
		e.Channel = "web"
	}
	return e
}

// balance is on hand, held, committed.
func balance(n ...int64) history.Balance {
	return history.Balance{OnHand: n[0], Held: n[1], Committed: n[2]}
}

// good is a small run in which everything is right: ten units come, r1 takes four and is committed,
// r2 wants eight and is refused, r3 takes one for three seconds and expires.
func good() Evidence {
	three := began.Add(13 * time.Second).UnixMilli()
	events := []client.Event{
		event(1, 2, "stock.adjusted", 10, balance(10, 0, 0), "api", "a1"),
		event(2, 4, "reservation.held", 4, balance(10, 4, 0), "r1", ""),
		event(3, 6, "reservation.committed", 4, balance(10, 0, 4), "r1", ""),
		event(4, 10, "reservation.held", 1, balance(10, 1, 4), "r3", ""),
		event(5, 13, "reservation.expired", 1, balance(10, 0, 4), "r3", ""),
		event(6, 20, "stock.adjusted", 5, balance(15, 0, 4), "api", "a2"),
	}
	four := []history.Line{{SKU: "A", Held: 4}}
	committed := []history.Line{{SKU: "A", Committed: 4}}
	taken, ten, fifteen := balance(10, 4, 0), balance(10, 0, 0), balance(15, 0, 4)
	ops := []history.Op{
		{ID: "a1", Kind: history.Adjust, SKU: "A", Qty: 10, Call: 10, Return: 20, Index: 2, Stock: &ten},
		{ID: "r1", Kind: history.Reserve, Reservation: "r1", Lines: []history.Ask{{SKU: "A", Qty: 4}},
			Call: 30, Return: 40, Index: 4, State: four, Status: 201},
		{ID: "q1", Kind: history.ReadStock, SKU: "A", Call: 50, Return: 60, Index: 5, Stock: &taken},
		{ID: "c1", Kind: history.Commit, Reservation: "r1", Call: 70, Return: 80, Index: 6,
			State: committed},
		{ID: "r2", Kind: history.Reserve, Reservation: "r2", Lines: []history.Ask{{SKU: "A", Qty: 8}},
			Call: 90, Return: 100, Index: 8, Outcome: history.Refused, Status: 409,
			Code: "insufficient-stock"},
		{ID: "q2", Kind: history.ReadReservation, Reservation: "r1", Call: 110, Return: 120, Index: 8,
			State: committed},
		{ID: "r3", Kind: history.Reserve, Reservation: "r3", Lines: []history.Ask{{SKU: "A", Qty: 1}},
			Call: 130, Return: 140, Index: 10, State: []history.Line{{SKU: "A", Held: 1}},
			Deadline: three},
		{ID: "a2", Kind: history.Adjust, SKU: "A", Qty: 5, Call: 150, Return: 160, Index: 20,
			Stock: &fifteen},
		{ID: "again", Kind: history.Again, Of: "r1", Call: 170, Return: 180, Index: 4, Status: 201,
			Replayed: true},
	}
	for i := range ops {
		ops[i].Node = "n1"
		if ops[i].Outcome == "" {
			ops[i].Outcome = history.Done
		}
		if ops[i].Kind != history.Again && ops[i].Reservation != "r3" {
			ops[i].Group = "g"
		}
	}
	e := Evidence{Ops: ops, ReadAt: began.Add(time.Minute).UnixMilli()}
	for _, name := range []string{"n1", "n2"} {
		e.Nodes = append(e.Nodes, NodeView{Name: name, Events: slices.Clone(events),
			Digest: client.Digest{Index: 21, Value: "d"},
			Stock:  map[string]history.Balance{"A": fifteen},
			Reservations: map[string][]history.Line{"r1": committed,
				"r3": {{SKU: "A", Expired: 1}}}})
	}
	return e
}

func (e Evidence) op(id string) *history.Op {
	i := slices.IndexFunc(e.Ops, func(o history.Op) bool { return o.ID == id })
	return &e.Ops[i]
}

// everywhere changes the events of both nodes.
func (e Evidence) everywhere(change func([]client.Event) []client.Event) {
	for i := range e.Nodes {
		e.Nodes[i].Events = change(e.Nodes[i].Events)
	}
}

func TestGoodRunPasses(t *testing.T) {
	t.Parallel()
	e := good()
	assert.Empty(t, Judge(e))
	ops := e.Ops[:7] // a2 comes after an expiry, of which the model of a group knows nothing
	assert.Equal(t, Linear{Histories: 1}, Linearizable(ops[:6], t.TempDir()))
}

// TestEveryWrongIsCaught breaks the good run in one way after the other.
func TestEveryWrongIsCaught(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		oracle string
		spoil  func(e *Evidence)
	}{
		"a hole in the events": {OracleGapless, func(e *Evidence) {
			e.Nodes[1].Events = slices.Delete(e.Nodes[1].Events, 2, 3)
		}},
		"an event that differs": {OracleGapless, func(e *Evidence) { e.Nodes[1].Events[4].Index++ }},
		"an event too many": {OracleGapless, func(e *Evidence) {
			e.Nodes[1].Events = append(e.Nodes[1].Events,
				event(7, 21, "stock.adjusted", 1, balance(16, 0, 4), "api", "a3"))
		}},
		"another state":  {OracleDigest, func(e *Evidence) { e.Nodes[1].Digest.Value = "e" }},
		"nothing to see": {OracleGapless, func(e *Evidence) { e.Nodes = nil }},
		"a broken invariant": {OracleCheck, func(e *Evidence) {
			e.Nodes[0].Check.Violations = append(e.Nodes[0].Check.Violations, struct {
				Invariant string `json:"invariant"`
				Detail    string `json:"detail"`
			}{"I1", "x"})
		}},
		"more held than there is": {OracleOversold, func(e *Evidence) {
			e.everywhere(func(ev []client.Event) []client.Event { ev[1].Held = 11; return ev })
		}},
		"a count that does not follow": {OracleOversold, func(e *Evidence) {
			e.everywhere(func(ev []client.Event) []client.Event { ev[5].OnHand = 14; return ev })
		}},
		"an acknowledged adjust that is gone": {OracleLost, func(e *Evidence) {
			e.everywhere(func(ev []client.Event) []client.Event { return ev[:5] })
		}},
		"an acknowledged hold that is gone": {OracleLost, func(e *Evidence) {
			e.Ops = append(e.Ops, history.Op{ID: "r9", Kind: history.Reserve, Reservation: "r9",
				Lines: []history.Ask{{SKU: "A", Qty: 1}}, Outcome: history.Done, Index: 20, Call: 190,
				Return: 200})
		}},
		"an acknowledged commit that is gone": {OracleLost, func(e *Evidence) {
			e.everywhere(func(ev []client.Event) []client.Event {
				ev[2].Type = "reservation.released"
				return ev
			})
		}},
		"a reservation that was forgotten": {OracleLost, func(e *Evidence) {
			op := e.op("c1")
			op.Outcome, op.Code, op.State = history.Refused, "unknown-reservation", nil
		}},
		"one key, two effects": {OracleOnce, func(e *Evidence) {
			e.everywhere(func(ev []client.Event) []client.Event {
				return append(ev, event(7, 22, "stock.adjusted", 5, balance(20, 0, 4), "api", "a2"))
			})
		}},
		"one id, two holds": {OracleOnce, func(e *Evidence) {
			e.everywhere(func(ev []client.Event) []client.Event {
				return append(ev, event(7, 22, "reservation.held", 4, balance(15, 4, 4), "r1", ""))
			})
		}},
		"less than asked for":             {OracleOnce, func(e *Evidence) { e.op("r1").Lines[0].Qty = 5 }},
		"a repeated key at another index": {OracleReplay, func(e *Evidence) { e.op("again").Index = 21 }},
		"a repeated key that is news":     {OracleReplay, func(e *Evidence) { e.op("again").Replayed = false }},
		"a repeated key, other verdict":   {OracleReplay, func(e *Evidence) { e.op("again").Status = 409 }},
		"never said, and done":            {OracleNever, func(e *Evidence) { e.op("a2").Outcome = history.Never }},
		"refused, and done":               {OracleNever, func(e *Evidence) { e.op("a2").Outcome = history.Refused }},
		"remembered, and never sent":      {OracleNever, func(e *Evidence) { e.op("a2").Replayed = true }},
		"a read of another balance":       {OracleRead, func(e *Evidence) { e.op("q1").Stock.Held = 3 }},
		"a read of what is not there yet": {OracleRead, func(e *Evidence) { e.op("q2").Index = 3 }},
		"a stale read of another moment": {OracleRead, func(e *Evidence) {
			op := e.op("q1")
			op.Stale, op.Index = true, 3
		}},
		"a read that goes back": {OracleOrder, func(e *Evidence) { e.op("q2").Index = 7 }},
		"a write that goes back": {OracleOrder, func(e *Evidence) {
			e.op("r3").Call, e.op("r3").Return = 151, 165
			e.op("a2").Call, e.op("a2").Return = 1, 2
		}},
		"a hold that ends early":       {OracleHold, func(e *Evidence) { e.op("r3").Deadline++ }},
		"a hold that ends late":        {OracleHold, func(e *Evidence) { e.op("r3").Deadline -= 5000; e.lateExpiry() }},
		"a hold that never ends":       {OracleHold, func(e *Evidence) { e.everywhere(func(ev []client.Event) []client.Event { return ev[:4] }) }},
		"a node without a reservation": {OracleReadBack, func(e *Evidence) { delete(e.Nodes[1].Reservations, "r1") }},
		"a node with another one":      {OracleReadBack, func(e *Evidence) { e.Nodes[1].Reservations["r7"] = nil }},
		"a node with other lines":      {OracleReadBack, func(e *Evidence) { e.Nodes[1].Reservations["r1"] = []history.Line{{SKU: "A", Held: 4}} }},
		"a node with another balance":  {OracleReadBack, func(e *Evidence) { e.Nodes[1].Stock["A"] = balance(15, 0, 3) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := good()
			c.spoil(&e)
			var oracles []string
			for _, v := range Judge(e) {
				oracles = append(oracles, v.Oracle)
			}
			assert.Contains(t, oracles, c.oracle)
		})
	}
}

// lateExpiry puts another event between the deadline of r3 and its end.
func (e Evidence) lateExpiry() {
	e.everywhere(func(ev []client.Event) []client.Event {
		between := event(5, 12, "stock.adjusted", 1, balance(11, 1, 4), "api", "a9")
		ev = slices.Insert(ev, 4, between)
		for i := 5; i < len(ev); i++ {
			ev[i].Seq++
			ev[i].OnHand++
		}
		return ev
	})
}

// TestEveryWrongOrderIsRejected gives the linearizability checker histories that no ledger can
// have.
func TestEveryWrongOrderIsRejected(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(e *Evidence){
		"a lost hold is not in a read":  func(e *Evidence) { *e.op("q1").Stock = balance(10, 0, 0) },
		"a read from before the commit": func(e *Evidence) { e.op("q2").State = []history.Line{{SKU: "A", Held: 4}} },
		"a reservation that is not known": func(e *Evidence) {
			op := e.op("q2")
			op.Outcome, op.Code, op.State = history.Refused, "unknown-reservation", nil
		},
		"refused although there is enough": func(e *Evidence) { e.op("r2").Lines[0].Qty = 6 },
		"accepted although there is not":   func(e *Evidence) { e.op("r1").Lines[0].Qty = 11 },
		"twice committed as if once": func(e *Evidence) {
			op := e.op("c1")
			op.Outcome, op.Code, op.State = history.Refused, "wrong-state", nil
		},
		"an adjust that shows another sum": func(e *Evidence) { e.op("a1").Stock.OnHand = 11 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := good()
			spoil(&e)
			got := Linearizable(e.Ops[:6], t.TempDir())
			require.Len(t, got.Violations, 1)
			assert.Equal(t, OracleLinear, got.Violations[0].Oracle)
			assert.Contains(t, got.Violations[0].Detail, ".html", "a drawing is left")
		})
	}
}

// TestUnknownIsNeverCountedAsFailed: what is unknown may have happened, late too, or not at all.
func TestUnknownIsNeverCountedAsFailed(t *testing.T) {
	t.Parallel()
	unknown := history.Op{ID: "u", Kind: history.Adjust, SKU: "A", Qty: 100, Call: 1, Return: 5,
		Outcome: history.Unknown, Group: "g"}
	e := good()
	ops := append(slices.Clone(e.Ops[:6]), unknown)
	assert.Empty(t, Linearizable(ops, t.TempDir()).Violations, "it never happened")

	late := balance(110, 4, 0)
	e.op("q1").Stock = &late
	ops = append(slices.Clone(e.Ops[:4]), unknown)
	assert.Empty(t, Linearizable(ops, t.TempDir()).Violations, "it happened behind its own end")

	e = good()
	e.Ops = append(e.Ops, unknown)
	assert.Empty(t, Judge(e))
	e.everywhere(func(ev []client.Event) []client.Event {
		return append(ev, event(7, 23, "stock.adjusted", 100, balance(115, 0, 4), "api", "u"))
	})
	for i := range e.Nodes {
		e.Nodes[i].Stock["A"] = balance(115, 0, 4)
	}
	assert.Empty(t, Judge(e))
}
