package raftstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheDefaultsAreValid(t *testing.T) {
	t.Parallel()
	c := Config{Node: "n1", Dir: "data"}.WithDefaults()
	require.NoError(t, c.Validate())
	assert.Equal(t, time.Second, c.Heartbeat)
	assert.Equal(t, 64<<20, c.QueueBytes)
	assert.Equal(t, 256<<20, c.LogSegmentBytes)
}

func TestEveryFaultIsReported(t *testing.T) {
	t.Parallel()
	c := Config{
		Node: "a.b", Heartbeat: time.Millisecond, QueueBytes: 1, QueueWait: -1, ReadsInFlight: -1,
		ProposeTimeout: time.Microsecond, CheckpointBytes: -1, LogSegmentBytes: 1,
		DiskMin: -1,
		Peers:   []Peer{{Node: "n1", Addr: "x"}, {Node: "n1", Addr: "127.0.0.1:1"}, {Node: "é"}},
	}.WithDefaults()
	err := c.Validate()
	require.Error(t, err)
	for _, part := range []string{
		`node "a.b"`, "data folder", "heartbeat", "propose timeout", "queue 1 bytes", "queue wait",
		"reads in flight", "checkpoint bytes", "log segment 1 bytes", "disk marks", `address "x"`, "listed twice", `peer "é"`,
		"not among them",
	} {
		assert.ErrorContains(t, err, part)
	}
}

func TestRaftsSettings(t *testing.T) {
	t.Parallel()
	c := Config{Node: "n1", Dir: "data"}.WithDefaults()
	r := raftConfig(c, "n1.1", nil)
	assert.Equal(t, time.Second, r.HeartbeatTimeout)
	assert.Equal(t, time.Second, r.ElectionTimeout)
	assert.Equal(t, time.Second, r.LeaderLeaseTimeout)
	assert.Equal(t, 10*time.Millisecond, r.CommitTimeout)
	assert.Equal(t, 16, r.MaxAppendEntries)
	assert.True(t, r.BatchApplyCh)
	assert.True(t, r.NoLegacyTelemetry)
	assert.True(t, r.NoSnapshotRestoreOnStart)
	assert.False(t, r.RestoreCommittedLogs)
	assert.False(t, r.PreVoteDisabled)
}
