package raftstore

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestBodiesOpenAfterAKillBesideANewFile leaves the files that Badger has just made, without a byte, in
// a folder that was never opened and in one with bodies.
func TestBodiesOpenAfterAKillBesideANewFile(t *testing.T) {
	t.Parallel()
	c := BodyConfig{Dir: t.TempDir(), Spare: 1}
	body := engine.Body{Table: engine.BodyOfReservation, Key: []byte("a"), Value: []byte("b")}
	for index := range uint64(3) {
		for _, name := range []string{"00001.mem", "00099.mem", "000001.vlog", "000099.vlog"} {
			f, err := os.OpenFile(filepath.Join(c.Dir, name), os.O_CREATE, 0o640)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		s, err := OpenBodies(c)
		require.NoError(t, err)
		require.Equal(t, index, s.State().Through)
		if index > 0 {
			p, err := s.Get(rowKey(body.Table, body.Key), index)
			require.NoError(t, err)
			require.Equal(t, body.Value, p)
		}
		s.Put(index+1, []engine.Body{body})
		require.NoError(t, s.Flush(index+1, 0))
		require.NoError(t, s.Close())
	}
}
