package raftstore

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestReadingBodiesThatAreClosed closes bodies while a reader is in them: it ends first, and whoever comes
// later gets an error.
func TestReadingBodiesThatAreClosed(t *testing.T) {
	t.Parallel()
	s, err := OpenBodies(BodyConfig{Dir: t.TempDir()})
	require.NoError(t, err)
	s.Put(1, []engine.Body{{Key: []byte("a"), Value: []byte("x")},
		{Key: []byte("b"), Value: []byte("y")}})
	require.NoError(t, s.Flush(1, 0))
	closed := make(chan error, 1)
	var rows int
	require.NoError(t, s.Scan(nil, 1, func(BodyRow) bool {
		if rows == 0 {
			go func() { closed <- s.Close() }()
			for s.readers.enter() { // until it waits for us
				s.readers.leave()
			}
			assert.Empty(t, closed)
		}
		rows++
		return true
	}))
	assert.Equal(t, 2, rows)
	require.NoError(t, <-closed)
	_, _, err = s.List(nil, nil, 1, 10)
	require.ErrorIs(t, err, errBodiesClosed)
	_, err = s.Get([]byte("c"), 1)
	require.ErrorIs(t, err, errBodiesClosed)
	require.ErrorIs(t, s.Scan(nil, 1, nil), errBodiesClosed)
}
