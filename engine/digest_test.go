package engine

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDigestsAreKeptAtEveryMultiple applies and skips across multiples of 1,024 and looks for the
// digest that the ledger had there.
func TestDigestsAreKeptAtEveryMultiple(t *testing.T) {
	t.Parallel()
	l := New(Options{})
	apply := func(index uint64) {
		var b EntryBuilder
		e, err := OpenEntry(b.Seal(int64(index), int64(index)))
		require.NoError(t, err)
		l.Apply(index, e, new(Output))
	}
	kept := func(index, want uint64) {
		t.Helper()
		got, ok := l.DigestAt(index)
		require.True(t, ok, "no digest at %d", index)
		require.Equal(t, want, got, "digest at %d", index)
	}
	apply(1)
	first := l.Digest()
	apply(1024) // an entry at the multiple itself
	at := l.Digest()
	require.NotEqual(t, first, at)
	kept(1024, at)
	apply(2047)
	before := l.Digest()
	apply(2049) // nothing at 2048
	kept(2048, before)
	kept(1024, at)
	l.SkipTo(4096) // entries that are not the ledger's
	kept(3072, l.Digest())
	kept(4096, l.Digest())
	apply(1024 * 70)
	_, ok := l.DigestAt(1024)
	require.False(t, ok, "only the last 64 are kept")
	kept(1024*70, l.Digest())
	_, ok = l.DigestAt(1000)
	require.False(t, ok, "not a multiple")
}
