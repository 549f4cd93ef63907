package raftstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestBodiesOnTheDisk lets reservations leave as soon as they may, on a real folder, through a restart
// that replays them, a checkpoint, and a restart from that.
func TestBodiesOnTheDisk(t *testing.T) {
	t.Parallel()
	n := realNodes(t, 1, nil)[0]
	submit := func(c engine.Command) engine.Result {
		t.Helper()
		r, err := n.Submit(t.Context(), engine.Op{Command: c})
		require.NoError(t, err)
		require.Equal(t, engine.Accepted, r.Refusal, "%T %s", c, r.Field)
		return r
	}
	away := func(id string) (version uint64) {
		t.Helper()
		require.Eventually(t, func() (ok bool) {
			version, ok = n.retired(id)
			return ok
		}, 20*time.Second, 5*time.Millisecond)
		return version
	}
	shipped := func(id string) {
		t.Helper()
		r, err := n.Retired(t.Context(), id, away(id))
		require.NoError(t, err)
		assert.Equal(t, engine.Shipped, r.State)
		assert.Equal(t, id, r.ID)
	}
	require.Eventually(t, func() bool { return n.opened() }, 20*time.Second, 5*time.Millisecond)
	submit(&engine.DefineSKU{SKU: "A"})
	submit(&engine.DefineLocation{Location: "main", Kind: engine.Merchant, Master: "holdfast",
		Shortfall: engine.ShortfallNone})
	submit(&engine.DefineChannel{Channel: "web", Kind: engine.ChannelAPI, Publish: engine.Pooled,
		Locations: []engine.Name{"main"}})
	submit(&engine.Set{SKU: "A", Location: "main", Value: 10, Source: "test"})
	submit(&engine.Configure{Limits: engine.Limits{ClosedAfter: 1}})
	for _, id := range []string{"r1", "r2"} {
		submit(reserve(id, "A", 1, time.Hour))
		submit(&engine.Ship{ID: id})
		shipped(id)
	}
	submit(put(1, "a", "first"))
	submit(put(1, "b", "gone"))
	submit(&engine.Drop{Table: 1, Key: "b"})
	submit(put(1, "a", "second"))
	submit(put(1, "c", "third"))
	submit(&engine.Put{Table: 1, Key: "d", Expires: 1, Archive: true, Body: []byte("kept")})
	for _, checkpoint := range []bool{false, true, false} {
		if checkpoint {
			require.NoError(t, n.Checkpoint(t.Context()))
			assert.Positive(t, n.machine.bodies.State().Through)
		}
		n.kill(t)
		n.start(t)
		require.Eventually(t, func() bool { return n.opened() }, 20*time.Second, 5*time.Millisecond)
		shipped("r1")
		shipped("r2")
		require.Eventually(t, func() bool {
			r, ok, err := n.Record(t.Context(), 1, "d", 0)
			return err == nil && ok && r.Archived && string(r.Body) == "kept"
		}, 20*time.Second, 5*time.Millisecond)
		assert.Equal(t, "a=second c=third", recordsOf(t, n.Store, 1, ""))
		assert.True(t, n.bodiesComplete())
	}
	r := submit(&engine.Return{ID: "r1", Disposition: engine.Sellable})
	assert.EqualValues(t, 1, r.Reservation.Lines[0].Returned)
	_, violations, err := n.Check(t.Context())
	require.NoError(t, err)
	assert.Empty(t, violations)
}
