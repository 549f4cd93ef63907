package raftstore

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// slowDelete is a log whose deletes hang until release is closed.
type slowDelete struct {
	*MemLog
	entered chan struct{}
	release chan struct{}
}

func (l *slowDelete) DeleteRange(first, last uint64) error {
	close(l.entered)
	<-l.release
	return l.MemLog.DeleteRange(first, last)
}

func TestAStoreBehindADeleteThatHangsIsAStall(t *testing.T) {
	t.Parallel()
	inner := &slowDelete{MemLog: NewMemLog(nil), entered: make(chan struct{}),
		release: make(chan struct{})}
	timer := &handTimer{}
	var now atomic.Int64
	c := testLogConfig(t, "none")
	c.open = func(LogConfig) (closableLog, error) { return inner, nil }
	c.now = func() time.Time { return time.Unix(0, now.Load()) }
	c.afterFunc = func(_ time.Duration, f func()) stallTimer { timer.fire = f; return timer }
	var fatal []string
	c.Fatal = func(what string, _ error) { fatal = append(fatal, what) }
	l := openTestLog(t, c)
	storeRange(t, l, 1, 10, 1)
	deleted, stored := make(chan error, 1), make(chan error, 1)
	go func() { deleted <- l.DeleteRange(1, 3) }()
	<-inner.entered
	timer.pass(&now, time.Minute)
	require.Empty(t, fatal, "nobody waits for the delete")
	go func() { stored <- l.StoreLog(logEntry(11, 1)) }()
	require.Eventually(t, func() bool {
		l.stall.mu.Lock()
		defer l.stall.mu.Unlock()
		return len(l.stall.mu.calls) == 1
	}, 10*time.Second, time.Millisecond, "the time counts from the call")
	timer.pass(&now, c.WithDefaults().StallAfter)
	require.Equal(t, []string{"store raft log entries"}, fatal)
	close(inner.release)
	assert.NoError(t, <-deleted)
	assert.Error(t, <-stored, "it comes too late")
	assert.Error(t, l.SetUint64([]byte("k"), 1))
}
