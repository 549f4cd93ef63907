package raftstore

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// onceLog fails one write, the k-th, and stores nothing of it; the disk is well before and after.
type onceLog struct {
	*MemLog
	left *atomic.Int64 // writes until the one that fails
}

func (l onceLog) write() error {
	if l.left.Add(-1) == 0 {
		return syscall.EIO
	}
	return nil
}

// StoreLogs fails when its turn has come.
func (l onceLog) StoreLogs(e []*raft.Log) error {
	if err := l.write(); err != nil {
		return err
	}
	return l.MemLog.StoreLogs(e)
}

// Set fails when its turn has come.
func (l onceLog) Set(k, v []byte) error {
	if err := l.write(); err != nil {
		return err
	}
	return l.MemLog.Set(k, v)
}

// SetUint64 fails when its turn has come, but for the current term: raft ends the process itself then.
func (l onceLog) SetUint64(k []byte, v uint64) error {
	if string(k) != keyTerm {
		if err := l.write(); err != nil {
			return err
		}
	}
	return l.MemLog.SetUint64(k, v)
}

// openOn opens a node of one on a log in memory, with the guard around it that a real one has.
func openOn(t *testing.T, mem *MemLog, left *atomic.Int64) (*Store, error) {
	t.Helper()
	s := newStore(Config{Node: "n1", Dir: "none"}.WithDefaults())
	checkpoints := NewMemCheckpoints()
	log, err := OpenRaftLog(LogConfig{Dir: "memory",
		Fatal: func(what string, err error) { s.fail(fmt.Errorf("%s: %w", what, err)) },
		open:  func(LogConfig) (closableLog, error) { return onceLog{mem, left}, nil }})
	require.NoError(t, err)
	p := parts{id: "n1.1", log: log, checkpoints: checkpoints, events: NewMemEventLog(),
		identity: NewMemIdentity("n1", firstIncarnation), bodies: NewMemBodies()}
	_, err = p.load()
	require.NoError(t, err)
	p.transport, p.peers = joined(NewMemNet(), "127.0.0.1:1")
	p.closers = []func() error{log.Close, p.transport.Close, p.peers.Close}
	return s, s.start(p)
}

// TestTheKthWriteFails fails each of the first writes of a node, one run each. The node stops with
// that error and says yes to nothing from then on, and all that it said yes to is there again.
func TestTheKthWriteFails(t *testing.T) {
	t.Parallel()
	const last = 30
	kinds := map[string]int{}
	for k := int64(1); k <= last; k++ {
		synctest.Test(t, func(t *testing.T) {
			mem, left := NewMemLog(nil), &atomic.Int64{}
			left.Store(k)
			var yes []string
			s, err := openOn(t, mem, left)
			if err == nil {
				ctx, stop := context.WithCancel(t.Context())
				ran := make(chan error, 1)
				go func() { ran <- s.Run(ctx) }()
				yes = submitUntilFault(t, s)
				err = <-ran
				stop()
			} else {
				kinds["start"]++
			}
			require.ErrorContains(t, err, syscall.EIO.Error(), "write %d", k) // raft does not wrap it
			_ = s.Close()
			if len(yes) == 0 {
				return
			}
			kinds["load"]++

			left.Store(0)
			s, err = openOn(t, mem.Reopen(), left)
			require.NoError(t, err)
			ran := make(chan error, 1)
			go func() { ran <- s.Run(t.Context()) }()
			for !s.opened() {
				time.Sleep(10 * time.Millisecond)
			}
			holds(t, s, yes)
			require.NoError(t, s.Close())
			<-ran
		})
	}
	require.Greater(t, kinds["load"], last/3, "many fail while it is written to")
	require.Positive(t, kinds["start"], "and some before")
}

// submitUntilFault reserves one unit after the other until the node has stopped, and for a while
// longer. It returns what was answered with yes; none of that may come after the fault.
func submitUntilFault(t *testing.T, s *Store) (yes []string) {
	t.Helper()
	commands := []engine.Command{
		&engine.DefineLocation{Location: "main", Kind: engine.Merchant, Master: "holdfast",
			Shortfall: engine.ShortfallNone},
		&engine.DefineChannel{Channel: "web", Kind: engine.ChannelAPI, Publish: engine.Pooled,
			Split: true, Locations: []engine.Name{"main"}},
		&engine.DefineSKU{SKU: "A"},
		&engine.Set{SKU: "A", Location: "main", Value: 1000, Source: "test"},
	}
	after := 0
	for i := 0; after < 5; i++ {
		var cmd engine.Command
		id := ""
		if i < len(commands) {
			cmd = commands[i]
		} else {
			id = fmt.Sprintf("r-%d", i)
			cmd = reserve(id, "A", 1, time.Hour)
		}
		stopped := s.fault() != nil
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		r, err := s.Submit(ctx, engine.Op{Command: cmd})
		cancel()
		if stopped {
			require.Error(t, err, "it has stopped")
			after++
		}
		if err == nil && id != "" && r.Refusal == engine.Accepted {
			yes = append(yes, id)
		}
		if err != nil && !stopped {
			i-- // no leader yet, or the failure itself; the same again does no harm here
			time.Sleep(10 * time.Millisecond)
		}
	}
	return yes
}
