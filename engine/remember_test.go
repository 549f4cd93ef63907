package engine_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestAGroupIsForgottenWhole sends a group again at every moment of its being forgotten: it is
// replayed whole or done whole, never by half.
func TestAGroupIsForgottenWhole(t *testing.T) {
	t.Parallel()
	for _, atomic := range []bool{false, true} {
		for later := range 8 {
			d := newDriver()
			group := keyedOp{key: "group", command: &engine.Group{Atomic: atomic,
				Ops: []engine.Command{
					&engine.Adjust{SKU: "A", Location: "main", Delta: 1},
					&engine.Adjust{SKU: "B", Location: "main", Delta: 1},
				}}}
			step := func(ops ...keyedOp) {
				require.Empty(t, d.step(entry{now: 1000, due: 1000, ops: ops}))
			}
			step(newWorld(1).definitions().ops...)
			step(keyedOp{command: &engine.Configure{Limits: engine.Limits{ResultsMax: 4}}})
			step(group)
			for i := range later {
				step(keyedOp{key: fmt.Sprint(i), command: &engine.Tick{}})
			}
			step(group)
			a, _ := d.ledger.Stock("A")
			b, _ := d.ledger.Stock("B")
			want := int64(1)
			if later > 1 { // four answers are kept, three are the group's
				want = 2
			}
			require.Equal(t, []int64{want, want}, []int64{a[0].OnHand, b[0].OnHand},
				"atomic %v, %d answers later", atomic, later)
		}
	}
}

// TestAGroupIsForgottenWholeWhenMuchIs lowers results_max so far that one entry does not forget all
// that is over: the group in which it stops is forgotten whole all the same.
func TestAGroupIsForgottenWholeWhenMuchIs(t *testing.T) {
	t.Parallel()
	const anEntry = 20_000 // what one entry forgets at most
	l := engine.New(engine.Options{ShardBits: 1})
	var b engine.EntryBuilder
	out := engine.Output{WantResults: true}
	apply := func(ops ...keyedOp) []engine.Result {
		payload := encode(&b, l, entry{now: 1000, due: 1000, ops: ops})
		return applyPayload(l, l.Index()+1, payload, &out)
	}
	apply(newWorld(1).definitions().ops...)
	var ops []keyedOp
	for i := range anEntry - 2 { // the group's own answer and that of its first op are the last two
		ops = append(ops, keyedOp{key: fmt.Sprint(i), command: &engine.Tick{}})
	}
	apply(ops...)
	group := keyedOp{key: "group", command: &engine.Group{Atomic: true, Ops: []engine.Command{
		&engine.Adjust{SKU: "A", Location: "main", Delta: 1},
		&engine.Adjust{SKU: "B", Location: "main", Delta: 1},
	}}}
	require.Equal(t, engine.Accepted, apply(group)[0].Refusal)
	apply(keyedOp{command: &engine.Configure{Limits: engine.Limits{ResultsMax: 1}}})
	r := apply(group)[0]
	require.Equal(t, engine.Accepted, r.Refusal)
	require.Equal(t, r.Ops[0].Replayed, r.Ops[1].Replayed, "half of the group was done again")
}
