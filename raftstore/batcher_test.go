package raftstore

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"holdfast/engine"
)

func testBatcher(c Config) *batcher {
	c = c.WithDefaults()
	return newBatcher(c, newMetrics(newStore(c)))
}

func tick() engine.Op { return engine.Op{Command: &engine.Tick{}} }

// sized are commands of so many bytes each, of which only the length counts.
func sized(bytes ...int) *commands {
	c := &commands{priority: priorityHigh}
	for _, n := range bytes {
		c.buf = append(c.buf, make([]byte, n)...)
		c.ends = append(c.ends, len(c.buf))
	}
	return c
}

func TestBatchesCloseAtTheirBounds(t *testing.T) {
	t.Parallel()
	q := testBatcher(Config{})
	var first, second *batch
	for range maxBatchOps + 1 {
		b, _, err := q.add(sized(10))
		require.NoError(t, err)
		if first == nil {
			first = b
		}
		second = b
	}
	assert.Equal(t, maxBatchOps, first.count)
	assert.Equal(t, 1, second.count)
	require.Same(t, first, q.next())
	require.Same(t, second, q.next())

	half, _, err := q.add(sized(maxBatchBytes / 2))
	require.NoError(t, err)
	fits, _, err := q.add(sized(maxBatchBytes / 2))
	require.NoError(t, err)
	assert.Same(t, half, fits)
	large, at, err := q.add(sized(maxOpBytes))
	require.NoError(t, err)
	assert.NotSame(t, half, large, "a large command is alone")
	assert.Zero(t, at)
	after, _, err := q.add(sized(1))
	require.NoError(t, err)
	assert.NotSame(t, large, after)
}

func TestOnlyThreeBatchesAreOnTheirWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := testBatcher(Config{})
		taken := make(chan *batch, 10)
		go func() {
			for b := q.next(); b != nil; b = q.next() {
				taken <- b
			}
			close(taken)
		}()
		var sent []*batch
		for range 5 {
			b, _, err := q.add(sized(1))
			require.NoError(t, err)
			sent = append(sent, b)
			synctest.Wait()
		}
		assert.Len(t, taken, maxInFlight)
		assert.Same(t, sent[3], sent[4], "what queues meanwhile goes together")
		q.settle(<-taken, outcome{index: 7})
		synctest.Wait()
		assert.Len(t, taken, maxInFlight)
		require.NoError(t, sent[0].wait(t.Context()))
		assert.EqualValues(t, 7, sent[0].index)

		last, _, err := q.add(sized(1))
		require.NoError(t, err)
		q.close()
		assert.Equal(t, "no-leader", code(last.wait(t.Context())), "it was never taken")
		q.abandon(errClosing)
		for b := range taken {
			assert.Equal(t, "outcome-unknown", code(b.wait(t.Context())))
		}
		<-q.quiet
		_, _, err = q.add(sized(1))
		assert.Equal(t, "no-leader", code(err))
		_, err = q.join(false)
		assert.Equal(t, "no-leader", code(err))
	})
}

func TestABatchIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	q := testBatcher(Config{})
	b, _, err := q.add(sized(100))
	require.NoError(t, err)
	require.Same(t, b, q.next())
	assert.Equal(t, 100, q.queued())
	q.settle(b, outcome{err: &UnknownError{Cause: errDeadline}})
	q.settle(b, outcome{index: 9}) // it was applied after all: nothing breaks
	assert.Equal(t, "outcome-unknown", code(b.wait(t.Context())))
	assert.Zero(t, b.index)
	assert.Zero(t, q.queued())
}

func TestABatchOfOursIsKnownByItsVeryBytes(t *testing.T) {
	t.Parallel()
	q := testBatcher(Config{})
	b, _, err := q.add(sized(1))
	require.NoError(t, err)
	q.next()
	payload := []byte("payload")
	q.proposed(b, payload, 3, time.Hour)
	assert.Same(t, b, q.find(payload))
	assert.Nil(t, q.find([]byte("payload")), "equal bytes are somebody else's")
	assert.Nil(t, q.find(nil))
	assert.True(t, q.inFlightIn(b, 3))
	assert.False(t, q.inFlightIn(b, 4))
	q.settle(b, outcome{})
	assert.Nil(t, q.find(payload))
	assert.False(t, q.inFlightIn(b, 3))
}

func TestOurOwnDeadlineAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := testBatcher(Config{})
		b, _, err := q.add(sized(1))
		require.NoError(t, err)
		q.next()
		q.proposed(b, []byte("p"), 1, 10*time.Second)
		began := time.Now()
		err = b.wait(context.Background())
		assert.Equal(t, "outcome-unknown", code(err))
		assert.ErrorIs(t, err, errDeadline)
		assert.Equal(t, 10*time.Second, time.Since(began))
	})
}

func TestACallThatGivesUpDoesNotKnow(t *testing.T) {
	t.Parallel()
	q := testBatcher(Config{})
	b, _, err := q.add(sized(1))
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the client left")
	cancel(why)
	err = b.wait(ctx)
	assert.Equal(t, "outcome-unknown", code(err))
	assert.ErrorIs(t, err, why)
}

func TestAJoinedBatchGoesOutEmpty(t *testing.T) {
	t.Parallel()
	q := testBatcher(Config{})
	b, err := q.join(false)
	require.NoError(t, err)
	again, err := q.join(true)
	require.NoError(t, err)
	assert.Same(t, b, again)
	assert.True(t, b.hopped)
	assert.Same(t, b, q.next())
}

func TestACallSpansBatchesInOrder(t *testing.T) {
	t.Parallel()
	q := testBatcher(Config{})
	_, _, err := q.add(sized(1)) // somebody else's, in front
	require.NoError(t, err)
	c := sized(slices.Repeat([]int{1}, 3*maxBatchOps)...)
	spans, err := q.addAll(c, true, false)
	require.NoError(t, err)
	require.Len(t, spans, 4)
	next := 0
	for i, s := range spans {
		assert.Equal(t, next, s.from)
		assert.Equal(t, s.from+s.n, s.to)
		next = s.to
		assert.True(t, s.b.whole)
		if i == 0 {
			assert.Equal(t, 1, s.at)
			assert.Nil(t, s.b.after)
		} else {
			assert.Zero(t, s.at)
			assert.Same(t, spans[i-1].b, s.b.after)
		}
	}
	assert.Equal(t, c.len(), next)
}

func TestAdmission(t *testing.T) {
	t.Parallel()
	a := admission{bytes: 1000, wait: time.Second}
	reserve := priorityOf(&engine.Reserve{})
	commit := priorityOf(&engine.Commit{})
	assert.Equal(t, priorityLow, reserve)
	assert.Equal(t, priorityHigh, commit)
	assert.Equal(t, priorityLow, priorityOf(&engine.Group{
		Ops: []engine.Command{&engine.Commit{}, &engine.Add{}},
	}))
	for _, c := range []struct {
		name string
		p    priority
		load load
		size int
		wait time.Duration
		want string
	}{
		{"empty", reserve, load{}, 100, 0, ""},
		{"reserve at its bound", reserve, load{bytes: 650}, 100, 0, ""},
		{"reserve over its bound", reserve, load{bytes: 651}, 100, 0, "overloaded"},
		{"commit goes on", commit, load{bytes: 900}, 100, 0, ""},
		{"commit over the bound", commit, load{bytes: 901}, 100, 0, "overloaded"},
		{"reserve waits too long", reserve, load{}, 1, 800 * time.Millisecond, "overloaded"},
		{"commit may wait longer", commit, load{}, 1, 800 * time.Millisecond, ""},
		{"the head is stuck", commit, load{}, 1, 2 * time.Second, "overloaded"},
		{"never fits", commit, load{}, 1001, 0, "too-large"},
	} {
		err := a.check(&c.load, c.p, c.size, c.wait)
		assert.Equal(t, c.want, code(err), c.name)
		var over *OverloadedError
		if errors.As(err, &over) {
			assert.GreaterOrEqual(t, over.RetryAfter(), minRetry, c.name)
			assert.LessOrEqual(t, over.RetryAfter(), maxRetry, c.name)
		}
	}
}

func TestTheExpectedWaitFollowsTheDrain(t *testing.T) {
	t.Parallel()
	var l load
	start := time.Unix(1000, 0)
	l.settled(start, start.Add(-time.Second), false)
	assert.Zero(t, l.interval, "without backlog nothing is learnt")
	for i := 1; i <= 100; i++ {
		l.settled(start.Add(time.Duration(i)*time.Millisecond), start, true)
	}
	assert.InDelta(t, float64(50*time.Millisecond), float64(l.expected(50-maxInFlight)), 2e6)
}

func TestABatchThatIsAnsweredWhileItIsStampedDoesNotGoOut(t *testing.T) {
	t.Parallel()
	q := testBatcher(Config{})
	_, _, err := q.add(sized(10))
	require.NoError(t, err)
	b := q.next() // from here on it is being stamped
	q.close()
	q.abandon(errClosing)
	assert.False(t, q.proposed(b, []byte("x"), 1, time.Hour), "raft must not get it")
	q.abandon(errClosing) // a second time: it finds nothing
	assert.Equal(t, "outcome-unknown", code(b.wait(t.Context())))
}

func TestAnEntryOfOurOwnDoesNotOutliveTheBatcher(t *testing.T) {
	t.Parallel()
	q := testBatcher(Config{})
	q.close()
	<-q.quiet
	b := newBatch(time.Now())
	assert.False(t, q.proposed(b, []byte("x"), 1, time.Hour))
	assert.Equal(t, "no-leader", code(b.wait(t.Context())), "it did not happen")
	q.abandon(errClosing)
}

// TestAnswersMayBeOverFourGiB uses memory that is reserved and never touched.
func TestAnswersMayBeOverFourGiB(t *testing.T) {
	t.Parallel()
	const end = 4<<30 + 4096
	buf, err := unix.Mmap(-1, 0, end, unix.PROT_NONE,
		unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	require.NoError(t, err)
	defer func() { assert.NoError(t, unix.Munmap(buf)) }()
	b := &batch{buf: buf, ends: []int{end - 10, end}}
	_, p, err := b.answer(1)
	require.NoError(t, err)
	assert.True(t, len(p) == 10 && cap(p) == 10)
	assert.Same(t, &buf[end-10], &p[0])
}
