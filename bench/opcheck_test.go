package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// BenchmarkReadBack is what it costs to read back what was encoded, in ns a command: all of it, as the
// caller's goroutine does, and its lengths alone, as the proposing one does. Beside it what encoding
// costs.
func BenchmarkReadBack(b *testing.B) {
	const n = 1024
	l := engine.New(engine.Options{})
	define := []engine.Op{
		{Command: &engine.DefineLocation{Location: "main", Kind: engine.Merchant, Master: "holdfast",
			Shortfall: engine.ShortfallNone}},
		{Command: &engine.DefineChannel{Channel: "web", Kind: engine.ChannelAPI,
			Publish: engine.Pooled, Locations: []engine.Name{"main"}}},
		{Command: &engine.DefineSKU{SKU: "sku-000001"}},
	}
	var eb engine.EntryBuilder
	for _, op := range define {
		eb.Add(op)
	}
	e, err := engine.OpenEntry(eb.Seal(1, 1))
	require.NoError(b, err)
	l.Apply(1, e, &engine.Output{})
	ops := make([]engine.Op, n)
	for i := range ops {
		ops[i] = engine.Op{Key: engine.KeyOf("bench", fmt.Sprint(i)), Command: &engine.Reserve{
			ID: fmt.Sprintf("order-%018d", i), Channel: "web", Mode: engine.Strict,
			TTL: time.Hour.Milliseconds(), Lines: []engine.Line{{SKU: "sku-000001", Qty: 1}}}}
	}
	buf, ends := l.AppendOps(nil, nil, ops)
	var c engine.OpChecker
	each := func(name string, do func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				do()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/command")
		})
	}
	each("of=encode", func() { buf, ends = l.AppendOps(buf[:0], ends[:0], ops) })
	each("of=check", func() { require.NoError(b, c.Check(buf, n)) })
	var eb2 engine.EntryBuilder
	eb2.Append(buf, n, false)
	each("of=lengths", func() { require.NoError(b, eb2.Whole()) })
}
