package engine_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestOpsAreEncodedBesideApply is for the race detector: several goroutines encode by the names of a
// ledger while entries that define none are applied to it, and get what AddFor gives.
func TestOpsAreEncodedBesideApply(t *testing.T) {
	t.Parallel()
	w := newWorld(1)
	l := engine.New(engine.Options{})
	var b engine.EntryBuilder
	out := engine.Output{WantResults: true}
	apply := func(e entry) { applyPayload(l, l.Index()+1, encode(&b, l, e), &out) }
	for _, e := range w.log(60) {
		apply(e)
	}
	var ops []engine.Op
	for i := range 100 {
		ops = append(ops, engine.Op{Command: w.plain()},
			engine.Op{Command: &engine.Reserve{ID: fmt.Sprintf("beside-%d", i), Channel: "web",
				Mode: engine.Dip, Lines: []engine.Line{{SKU: "A", Qty: 1}, {SKU: "unknown", Qty: 2}}}})
	}
	var want []byte
	var wantEnds []int
	for _, op := range ops {
		b.Reset()
		b.AddFor(l, op)
		want = append(want, b.Ops()...)
		wantEnds = append(wantEnds, len(want))
	}
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for range 20 {
				got, ends := l.AppendOps(nil, nil, ops)
				assert.Equal(t, want, got)
				assert.Equal(t, wantEnds, ends)
			}
		})
	}
	for range 200 {
		e := w.entry()
		defines := false
		for _, op := range e.ops {
			defines = defines || engine.Defines(op.command)
		}
		if !defines {
			apply(e)
		}
	}
	callers.Wait()
	require.Empty(t, l.Check())
}

// TestNumbersMayBeOld encodes entries some entries before they are applied, among many definitions and
// deletions, as a node that lags behind does. The twin, which sees texts, must agree.
func TestNumbersMayBeOld(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(2) {
		w := newWorld(seed + 1<<42)
		d := newDriver()
		type encoded struct {
			entry
			payload []byte
		}
		var queue []encoded
		for i, e := range w.log(60) {
			for j := range e.ops {
				if i > 2 && w.chance(30) {
					e.ops[j].command = w.definition()
				}
			}
			e.resolve = i > 2
			queue = append(queue, encoded{e, encode(&d.builder, d.ledger, e)})
			for i < 2 && len(queue) > 0 || len(queue) > w.IntN(5) {
				fault := d.stepAs(queue[0].entry, queue[0].payload)
				require.Empty(t, fault, "-seed %d", seed)
				queue = queue[1:]
			}
		}
		require.Empty(t, d.compareAll(), "-seed %d", seed)
	}
}

// TestNumbersThatWereNeverGiven come from a node that must not be trusted: nothing is made of them.
func TestNumbersThatWereNeverGiven(t *testing.T) {
	t.Parallel()
	other, l := engine.New(engine.Options{}), engine.New(engine.Options{})
	defines := []engine.Command{
		&engine.DefineSKU{SKU: "A"},
		&engine.DefineLocation{
			Location: "main", Kind: engine.Merchant, Master: "wms", Shortfall: engine.ShortfallNone,
		},
		&engine.DefineChannel{Channel: "web", Kind: engine.ChannelAPI, Publish: engine.Pooled},
	}
	define := entry{now: 1000, due: 1000}
	for _, c := range defines {
		define.ops = append(define.ops, keyedOp{command: c})
	}
	var b engine.EntryBuilder
	applyPayload(other, 1, encode(&b, other, define), &engine.Output{WantResults: true})
	var ops []engine.Op
	for _, c := range defines {
		ops = append(ops, engine.Op{Command: c})
	}
	bytes, ends := other.AppendOps(nil, nil, ops)
	b.Reset()
	b.Append(bytes, len(ends), true)
	var refusals []string
	out := engine.Output{WantResults: true}
	for _, r := range applyPayload(l, 1, b.Seal(1000, 1000), &out) {
		refusals = append(refusals, r.Refusal.String())
	}
	require.Equal(t, []string{"unknown-sku", "unknown-location", "unknown-channel"}, refusals)
	reloaded, err := reload(l)
	require.NoError(t, err)
	require.Equal(t, l.Digest(), reloaded.Digest())
}

// TestRecallDoesNotGuess asks a ledger that lags behind for the answer to an op that says a name by a
// number which is not given there yet.
func TestRecallDoesNotGuess(t *testing.T) {
	t.Parallel()
	ahead, behind := engine.New(engine.Options{}), engine.New(engine.Options{})
	var b engine.EntryBuilder
	reserve := &engine.Reserve{ID: "r", Channel: "web", Mode: engine.Strict,
		Lines: []engine.Line{{SKU: "A", Qty: 1}}}
	apply := func(l *engine.Ledger, o keyedOp) {
		e := entry{now: 1000, due: 1000, ops: []keyedOp{o}}
		applyPayload(l, l.Index()+1, encode(&b, l, e), &engine.Output{WantResults: true})
	}
	first := keyedOp{key: "k", command: reserve}
	apply(ahead, first)
	apply(behind, first)
	apply(ahead, keyedOp{command: &engine.DefineSKU{SKU: "A"}})
	numbered, _ := ahead.AppendOps(nil, nil, []engine.Op{first.op()})
	op, rest, err := engine.DecodeOp(numbered)
	require.NoError(t, err)
	require.Empty(t, rest)
	_, known := behind.Recall(op)
	require.False(t, known)
	r, known := behind.Recall(first.op())
	require.True(t, known)
	require.Equal(t, "unknown-channel", r.Refusal.String())
	apply(behind, keyedOp{command: &engine.DefineSKU{SKU: "A"}})
	r, known = behind.Recall(op)
	require.True(t, known)
	require.Equal(t, "unknown-channel", r.Refusal.String())
}
