package raftstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStandstillIsToldFromProgress(t *testing.T) {
	t.Parallel()
	var s standstill
	now := time.Unix(0, 0)
	look := func(after time.Duration, applied, last uint64, behind bool) bool {
		now = now.Add(after)
		return s.look(now, progress{applied, last, behind})
	}
	assert.False(t, look(0, 10, 10, true))
	assert.False(t, look(4*time.Second, 10, 10, true))
	assert.True(t, look(time.Second, 10, 10, true))
	assert.False(t, look(9*time.Second, 10, 10, true), "the pause doubles")
	assert.True(t, look(time.Second, 10, 10, true))
	assert.False(t, look(time.Hour, 10, 11, true), "the log moves")
	assert.False(t, look(time.Hour, 10, 11, false), "it is not behind")
	assert.False(t, look(19*time.Second, 10, 11, true), "it is not long behind")
	for range 10 {
		now = now.Add(time.Hour)
		look(0, 10, 11, true)
	}
	assert.Equal(t, maxStallPause, s.pause)
	assert.False(t, look(time.Hour, 11, 11, true))
	assert.Equal(t, stallAfter, s.pause, "whoever moves begins anew")
}

// TestAFollowerThatStandsStillIsHealed takes the end of the log away under a running raft, which does
// not look: every entry is refused from then on.
func TestAFollowerThatStandsStillIsHealed(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 1000, "A")
		stuck := c.follower(leader)
		time.Sleep(2 * time.Second)
		last, err := stuck.log.LastIndex()
		require.NoError(t, err)
		require.NoError(t, stuck.log.DeleteRange(last-2, last))
		c.accept(leader, reserve("first", "A", 1, time.Hour))
		time.Sleep(4 * time.Second)
		assert.Zero(t, leader.stalled.Load())
		assert.EqualValues(t, 1000, c.available(stuck, true, "A"), "it takes nothing in")
		time.Sleep(2 * time.Second)
		assert.EqualValues(t, 1, leader.stalled.Load(), "the leader says so")
		for i := range 5 {
			time.Sleep(time.Second)
			c.accept(leader, reserve(fmt.Sprint("r", i), "A", 1, time.Hour))
		}
		time.Sleep(3 * time.Second)
		assert.EqualValues(t, 994, c.available(stuck, true, "A"))
		assert.Equal(t, 1, counted(t, stuck.metrics.reopened))
		assert.Zero(t, leader.stalled.Load())
		c.sameDigests()
	})
}
