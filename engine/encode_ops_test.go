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
