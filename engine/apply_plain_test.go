package engine_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestPlainReservesGoBothWays gives one log to two ledgers, with numbers for names and without: only
// with numbers is a reserve a plain one. Everything that shows must be the same.
func TestPlainReservesGoBothWays(t *testing.T) {
	t.Parallel()
	plain := 0
	for _, seed := range seeds(2) {
		w := newWorld(seed + 1<<41)
		short := engine.New(engine.Options{ShardBits: 2})
		long := engine.New(engine.Options{ShardBits: 2})
		var b engine.EntryBuilder
		outShort := engine.Output{WantResults: true}
		outLong := engine.Output{WantResults: true}
		for i, e := range w.log(150) {
			index := uint64(i + 1)
			e.resolve = true
			got := applyPayload(short, index, encode(&b, short, e), &outShort)
			e.resolve = false
			want := applyPayload(long, index, encode(&b, long, e), &outLong)
			where := "-seed %d, entry %d\n%s"
			log := spellLog([]entry{e})
			for j := range e.ops {
				if outShort.Result(j)[1] == 0x80 { // as asked
					plain++
				}
			}
			require.Equal(t, want, got, where, seed, i, log)
			require.True(t, bytes.Equal(outLong.Events, outShort.Events), where, seed, i, log)
			require.Equal(t, long.Digest(), short.Digest(), where, seed, i, log)
			require.Equal(t, long.Load(), short.Load(), where, seed, i, log)
		}
	}
	require.True(t, plain > 0 || *seedFlag != 0, "no plain reserve got what it asked for")
}
