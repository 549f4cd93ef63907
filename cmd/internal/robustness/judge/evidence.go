package judge

import (
	"fmt"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/robustness/history"
)

// Evidence is all that a run left behind.
type Evidence struct {
	Ops []history.Op
	// Nodes is what each node shows when the load has ended and all nodes are at one index.
	Nodes []NodeView
	// ReadAt is when they were asked, ms since 1970 by the clock that all nodes have; 0 is not said.
	ReadAt int64
}

// NodeView is what one node shows.
type NodeView struct {
	Name         string
	Events       []client.Event
	Reservations map[string][]history.Line
	Stock        map[string]history.Balance
	Digest       client.Digest
	Check        client.CheckReport
}

// Violation is one thing that must not be.
type Violation struct {
	Oracle string // which rule was broken
	Detail string
	Op     string // id of the operation that shows it; may be empty
}

func (v Violation) String() string {
	if v.Op == "" {
		return v.Oracle + ": " + v.Detail
	}
	return fmt.Sprintf("%s: %s (operation %s)", v.Oracle, v.Detail, v.Op)
}

// The oracles by name.
const (
	OracleGapless   = "events are gapless and equal on all nodes"
	OracleDigest    = "all nodes have the same state"
	OracleCheck     = "the ledger's own invariants hold"
	OracleOversold  = "never oversold"
	OracleLost      = "nothing acknowledged is lost"
	OracleOnce      = "one effect per key"
	OracleReplay    = "a repeated key gets the first answer"
	OracleNever     = "what was said not to have happened did not happen"
	OracleRead      = "a read shows the state at its index"
	OracleOrder     = "indexes follow real time"
	OracleHold      = "no hold ends early, none is leaked"
	OracleLinear    = "linearizable"
	OracleReadBack  = "every node shows every reservation as it is"
	OracleUndecided = "the linearizability checker came to an end"
)

// most bounds the violations of one oracle that are told: one cause makes many.
const most = 20

// verdict collects violations.
type verdict struct {
	found []Violation
	count map[string]int
}

func (v *verdict) add(oracle, op, format string, args ...any) {
	if v.count == nil {
		v.count = map[string]int{}
	}
	v.count[oracle]++
	if v.count[oracle] <= most {
		v.found = append(v.found, Violation{Oracle: oracle, Op: op, Detail: fmt.Sprintf(format, args...)})
	}
}

// Judge returns every rule that the evidence breaks, but for linearizability.
func Judge(e Evidence) []Violation {
	v := &verdict{}
	e.sameEverywhere(v)
	if len(e.Nodes) == 0 {
		v.add(OracleGapless, "", "no node shows anything")
		return v.found
	}
	t := newTruth(e.Nodes[0].Events)
	t.oversold(v)
	t.holds(v, e.Ops, e.ReadAt)
	byID := map[string]*history.Op{}
	for i := range e.Ops {
		byID[e.Ops[i].ID] = &e.Ops[i]
	}
	for i := range e.Ops {
		op := &e.Ops[i]
		switch {
		case op.Kind == history.Again:
			again(v, op, byID[op.Of])
		case op.Kind.Reads():
			t.read(v, op)
		default:
			t.write(v, op)
		}
	}
	order(v, e.Ops)
	e.readBack(v, t)
	return v.found
}

// sameEverywhere compares what the nodes show with each other.
func (e Evidence) sameEverywhere(v *verdict) {
	for _, n := range e.Nodes {
		first := e.Nodes[0]
		for i, ev := range n.Events {
			if ev.Seq != uint64(i)+1 {
				v.add(OracleGapless, "", "%s: event %d has the number %d", n.Name, i+1, ev.Seq)
				break
			}
			if i < len(first.Events) && ev != first.Events[i] {
				v.add(OracleGapless, "", "event %d is %+v on %s and %+v on %s", ev.Seq, ev, n.Name,
					first.Events[i], first.Name)
				break
			}
		}
		if len(n.Events) != len(first.Events) {
			v.add(OracleGapless, "", "%s has %d events, %s has %d", n.Name, len(n.Events), first.Name,
				len(first.Events))
		}
		if n.Digest != first.Digest {
			v.add(OracleDigest, "", "%s is %s at %d, %s is %s at %d", n.Name, n.Digest.Value,
				n.Digest.Index, first.Name, first.Digest.Value, first.Digest.Index)
		}
		for _, broken := range n.Check.Violations {
			v.add(OracleCheck, "", "%s: %s: %s", n.Name, broken.Invariant, broken.Detail)
		}
	}
}

// readBack compares what each node shows of every reservation and SKU with the events.
func (e Evidence) readBack(v *verdict, t *truth) {
	for _, n := range e.Nodes {
		for id, r := range t.reservations {
			want := r.last()
			got, ok := n.Reservations[id]
			if !ok {
				v.add(OracleReadBack, "", "%s does not know reservation %s", n.Name, id)
				continue
			}
			if !sameLines(got, want) {
				v.add(OracleReadBack, "", "%s shows %s as %+v, the events say %+v", n.Name, id, got, want)
			}
		}
		for id := range n.Reservations {
			if t.reservations[id] == nil {
				v.add(OracleReadBack, "", "%s knows reservation %s, of which there is no event", n.Name, id)
			}
		}
		for sku, rows := range t.stock {
			if got, want := n.Stock[sku], rows[len(rows)-1].Balance; got != want {
				v.add(OracleReadBack, "", "%s shows %s as %+v, the events say %+v", n.Name, sku, got, want)
			}
		}
	}
}
