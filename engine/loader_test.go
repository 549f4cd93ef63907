package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestLoaderRefusesMissingBlocks leaves out one block after the other. Each is missed, also those
// that the digest does not cover: without its marks a ledger does not know how old an answer is,
// and without its short lines it answers a repetition otherwise than the first time.
func TestLoaderRefusesMissingBlocks(t *testing.T) {
	t.Parallel()
	d := newDriver()
	e := newWorld(1).definitions()
	e.ops = append(e.ops, keyedOp{key: "short", command: &engine.Reserve{ID: "r", Channel: "web",
		Mode: engine.Strict, Lines: []engine.Line{{SKU: "A", Qty: 5}}}})
	require.Empty(t, d.step(e))
	blocks := save(d.ledger)
	_, err := load(blocks)
	require.NoError(t, err)
	tables := map[byte]bool{}
	for i, b := range blocks {
		tables[b.Key[0]] = true
		some := append(append([]engine.Block(nil), blocks[:i]...), blocks[i+1:]...)
		_, err := load(some)
		require.Error(t, err, "without block %x", b.Key)
	}
	const marks, shorts = 8, 9
	require.True(t, tables[marks] && tables[shorts], "tables %v", tables)
}
