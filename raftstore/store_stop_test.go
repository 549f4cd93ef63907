package raftstore

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hangingLog hangs in StoreLogs from a moment on.
type hangingLog struct {
	Log
	hangs   atomic.Bool
	release chan struct{}
}

func (l *hangingLog) StoreLogs(entries []*raft.Log) error {
	if l.hangs.Load() {
		<-l.release
	}
	return l.Log.StoreLogs(entries)
}

func TestANodeWhoseDiskHangsComesToAnEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		c.kill(c.nodes[0])
		s := newStore(Config{Node: "n1", Dir: "none"}.WithDefaults())
		checkpoints := NewMemCheckpoints()
		log := &hangingLog{Log: NewMemLog(checkpoints.Floor), release: make(chan struct{})}
		p := parts{id: "n1.1", log: log, checkpoints: checkpoints, events: NewMemEventLog(),
			identity: NewMemIdentity("n1", firstIncarnation), bodies: NewMemBodies()}
		_, err := p.load()
		require.NoError(t, err)
		p.transport, p.peers = joined(NewMemNet(), "127.0.0.1:1")
		p.closers = []func() error{p.peers.Close}
		require.NoError(t, s.start(p))
		ran := make(chan error, 1)
		go func() { ran <- s.Run(t.Context()) }()
		for !s.opened() {
			time.Sleep(10 * time.Millisecond)
		}
		log.hangs.Store(true)
		go func() { _, _ = s.Submit(t.Context(), tick()) }()
		time.Sleep(time.Second)
		began := time.Now()
		s.fail(errDeadline) // as the log does when it notices
		require.ErrorIs(t, <-ran, errDeadline)
		assert.ErrorIs(t, s.Close(), errHangs)
		assert.Less(t, time.Since(began), 10*time.Second)
		close(log.release)
	})
}

func TestALeaderThatIsToldToStopHandsOver(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		old := c.leader()
		time.Sleep(time.Second)
		began := time.Now()
		old.stop()
		require.NoError(t, <-old.ran)
		old.ran <- nil
		next := c.leader(old)
		assert.Less(t, time.Since(began), 500*time.Millisecond, "half a heartbeat timeout")
		c.stock(next, 1, "A")
	})
}
