package raftstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

func TestMissingBodiesComeFromAnotherNode(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		n := c.follower(leader)
		c.stock(leader, 1000, "A")
		c.closed(leader, "r1", "r2", "r3")
		for i := range 40 { // some 1.3 MiB, so that it takes two chunks
			lines := make([]engine.Line, 250)
			for j := range lines {
				lines[j] = engine.Line{SKU: "A", Qty: 1, Ref: fmt.Sprint(strings.Repeat("x", 120), j)}
			}
			id := fmt.Sprint("wide-", i)
			c.accept(leader, &engine.Reserve{ID: id, Channel: "web", Mode: engine.Strict, Lines: lines})
			c.accept(leader, &engine.Release{ID: id})
		}
		time.Sleep(soon + 5*time.Second)
		require.EqualValues(t, 43, n.counts().Retired)
		require.NoError(t, n.Checkpoint(t.Context()))
		c.kill(n)
		n.bodies = NewMemBodies() // as after an install
		c.start(n)
		leader = c.leader()
		require.False(t, n.bodiesComplete())
		version, away := n.retired("r1")
		require.True(t, away)
		_, err := n.Retired(t.Context(), "r1", version)
		require.Equal(t, "overloaded", code(err))
		c.closed(leader, "r4") // beside it
		time.Sleep(soon + 5*time.Second)
		assert.True(t, n.bodiesComplete())
		assert.True(t, n.complete())
		for _, id := range []string{"r1", "r4", "wide-39"} {
			version, away := n.retired(id)
			require.True(t, away, id)
			_, err := n.Retired(t.Context(), id, version)
			require.NoError(t, err, id)
		}
		assert.Equal(t, leader.stored(engine.BodyOfReservation), n.stored(engine.BodyOfReservation))
		assert.Equal(t, leader.stored(engine.BodyOfAudit), n.stored(engine.BodyOfAudit))
		c.accept(n, &engine.Return{ID: "r2", Disposition: engine.Sellable})
		c.sameDigests()
	})
}

func TestBodiesOfOtherNodesAreRead(t *testing.T) {
	t.Parallel()
	row := BodyRow{Key: aRow(1), Version: 300, Value: []byte("value")}
	whole := appendBody(appendBody([]byte{bodiesVersion, 0}, row), row)
	rows, last, err := parseBodies(whole)
	require.NoError(t, err)
	assert.False(t, last)
	assert.Equal(t, []BodyRow{row, row}, rows)
	for n := range whole {
		if rows, _, err := parseBodies(whole[:n]); err == nil {
			assert.Len(t, rows, 1, "%d of %d bytes", n, len(whole))
		}
	}
	rows, last, err = parseBodies([]byte{bodiesVersion, 1})
	require.NoError(t, err)
	assert.True(t, last)
	assert.Empty(t, rows)
}
