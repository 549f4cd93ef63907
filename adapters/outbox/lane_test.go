package outbox

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// failure is one way in which the store fails once, at one of our transactions.
type failure struct {
	name    string
	at      int // the claim is 1, the finish 2
	how     recordstest.Failure
	unknown bool // the executor is told to look first
}

func storeFailures() []failure {
	return []failure{
		{"no leader at the claim", 1, recordstest.NoLeader, false},
		{"claim unknown, not agreed", 1, recordstest.UnknownBefore, false},
		{"claim unknown, agreed", 1, recordstest.UnknownAfter, false},
		{"no leader at the finish", 2, recordstest.NoLeader, false},
		{"finish unknown, not agreed", 2, recordstest.UnknownBefore, false},
		{"finish unknown, agreed", 2, recordstest.UnknownAfter, false},
	}
}

// on counts the transactions that write a task, and fails the one that is meant.
func (f failure) on(n *int) func(tx *records.Tx) recordstest.Failure {
	return func(tx *records.Tx) recordstest.Failure {
		if tx == nil {
			return recordstest.Works
		}
		for _, w := range tx.Writes {
			if w.Table == records.Tasks {
				if *n++; *n == f.at {
					return f.how
				}
			}
		}
		return recordstest.Works
	}
}

func on(connection string, t Task) Task {
	t.Connection = connection
	return t
}

func TestTheBreaker(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var down atomic.Bool
		down.Store(true)
		w.out.say(func(_ context.Context, task Task) (Finish, error) {
			if down.Load() && task.Connection == "shop" {
				return Finish{}, &vendorError{class: exceptions.Transient, code: "503"}
			}
			return Finish{}, nil
		})
		for i := range 50 {
			w.queue(task(fmt.Sprint("a", i)), on("other", task(fmt.Sprint("b", i))))
		}
		d := w.leadWith(Config{PerConnection: 1})
		w.after(4 * time.Second)
		shop := 0
		for _, c := range w.out.told() {
			if c.id[:6] == "push:a" {
				shop++
			}
		}
		require.Equal(t, breakAfter, shop, "then none is made")
		require.Equal(t, Done, w.get("b49").State, "the other connection gets on")
		state := d.Lanes()[0]
		require.Equal(t, "shop", state.Connection)
		require.Equal(t, "open", state.Breaker)
		require.Empty(t, w.open(), "it may mend itself")

		w.after(10 * time.Minute)
		calls := len(w.out.told()) - 50
		require.Less(t, calls, 20, "one at a time, to see, with longer pauses")
		require.Len(t, w.open(), 1, "it has lasted")
		require.Equal(t, "connection:shop:down", w.open()[0].Trace)

		down.Store(false)
		w.after(5 * time.Minute)
		for i := range 50 {
			require.Equal(t, Done, w.get(fmt.Sprint("a", i)).State, "task %d", i)
		}
		require.Empty(t, w.open(), "a success has cleared it")
		require.Equal(t, "closed", d.Lanes()[0].Breaker)
	})
}

func TestCredentialsAreOneExceptionForTheConnection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var turned atomic.Bool
		turned.Store(true)
		w.out.say(func(context.Context, Task) (Finish, error) {
			if turned.Load() {
				return Finish{}, &vendorError{class: exceptions.Auth, code: "401"}
			}
			return Finish{}, nil
		})
		for i := range 20 {
			w.queue(task(fmt.Sprint("o", i)))
		}
		w.lead()
		w.after(time.Hour)
		require.Len(t, w.open(), 1)
		require.Equal(t, "connection:shop:auth", w.open()[0].Trace)
		require.Less(t, len(w.out.told()), 50)
		require.Equal(t, Queued, w.get("o0").State, "no task has failed")
		require.NoError(t, ignoreCancel(w.kill()))

		turned.Store(false)
		w.lead() // who does not know what the one before raised
		w.after(time.Hour)
		require.Equal(t, Done, w.get("o19").State)
		require.Empty(t, w.open())
	})
}

func ignoreCancel(err error) error {
	if err == context.Canceled {
		return nil
	}
	return err
}

func TestAVendorThatAsksToWait(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		// The vendor takes 10 calls, and 2 more a second.
		tokens, at := 10.0, time.Now()
		refused := 0
		w.out.say(func(context.Context, Task) (Finish, error) {
			w.out.mu.Lock()
			defer w.out.mu.Unlock()
			tokens = min(tokens+2*time.Since(at).Seconds(), 10)
			at = time.Now()
			if tokens < 1 {
				refused++
				return Finish{}, &vendorError{class: exceptions.Limit, code: "429", after: 2 * time.Second}
			}
			tokens--
			return Finish{}, nil
		})
		for i := range 300 {
			w.queue(task(fmt.Sprint("o", i)))
		}
		w.lead()
		w.after(5 * time.Minute)
		for i := range 300 {
			got := w.get(fmt.Sprint("o", i))
			require.Equal(t, Done, got.State, "task %d", i)
			require.LessOrEqual(t, got.Tries, 1, "waiting is no try")
		}
		require.Less(t, refused, 60, "it learns what the vendor takes")
	})
}

func TestNobodyIsHeldUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.out.say(func(ctx context.Context, task Task) (Finish, error) {
			if task.Key == "hot" {
				time.Sleep(10 * time.Second)
			}
			return Finish{}, nil
		})
		w.gate.set("watching", "observe")
		begun := time.Now()
		for i := range 100 {
			hot := task("hot")
			hot.Part = fmt.Sprint(i)
			w.queue(hot, on("watching", task(fmt.Sprint("w", i))))
		}
		for i := range 100 {
			w.queue(task(fmt.Sprint("cold", i)))
		}
		w.leadWith(Config{PerConnection: 2})
		w.after(time.Second)
		cold := 0
		for _, c := range w.out.told() {
			require.NotContains(t, c.id, "push:w", "nothing is sent while a connection only watches")
			if c.id[:9] == "push:cold" {
				require.Less(t, c.at.Sub(begun), time.Second)
				cold++
			}
		}
		require.Equal(t, 100, cold)
		v, err := w.desk.Get(t.Context(), "push:w1")
		require.NoError(t, err)
		require.Equal(t, "observe", v.Waits)
		require.JSONEq(t, `{"v":1}`, string(v.Payload), "what would be sent is shown")
		w.after(30 * time.Second)
		hot := 0
		for _, c := range w.out.told() {
			if c.id[:8] == "push:hot" {
				hot++
			}
		}
		require.LessOrEqual(t, hot, 4, "one at a time for a key")

		w.gate.set("watching", "")
		w.after(2 * time.Second)
		require.Equal(t, Done, w.get("w99").State)
		w.gate.set("shop", "paused")
		w.after(20 * time.Second)
		n := len(w.out.told())
		w.after(time.Hour)
		require.Len(t, w.out.told(), n)
	})
}

// TestReadsGoOnWhileNothingIsSent: what only reads is held back by a pause alone, also behind a write of
// its own key that waits.
func TestReadsGoOnWhileNothingIsSent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		read := func(key string) Task {
			r := task(key)
			r.Kind = "read"
			return r
		}
		told := func() (ids []string) {
			for _, c := range w.out.told() {
				ids = append(ids, c.id)
			}
			return ids
		}
		w.gate.set("shop", "observe")
		w.queue(task("a"), task("b"))
		w.leadWith(Config{PerConnection: 1})
		w.after(2 * time.Second)
		w.queue(read("a"), read("c"))
		w.after(time.Second)
		require.ElementsMatch(t, []string{"read:a", "read:c"}, told())

		w.gate.set("shop", "its start is at levels")
		w.queue(read("d"))
		w.after(time.Second)
		require.Contains(t, told(), "read:d")

		for _, why := range []string{"paused", "unknown"} {
			w.gate.set("shop", why)
			w.queue(read(why))
			w.after(time.Minute)
			require.Len(t, told(), 3, why)
			v, err := w.desk.Get(t.Context(), "read:"+why)
			require.NoError(t, err)
			require.Equal(t, why, v.Waits)
		}
		w.gate.set("shop", "observe")
		v, err := w.desk.Get(t.Context(), "read:paused")
		require.NoError(t, err)
		require.Empty(t, v.Waits)
		w.after(2 * time.Second)
		require.Len(t, told(), 5)
		require.Equal(t, Queued, w.get("a").State)

		w.gate.set("shop", "")
		w.after(2 * time.Second)
		require.Len(t, told(), 7, "and writes when it opens")
	})
}

func TestTheBudgetOfRetries(t *testing.T) {
	now := time.Unix(0, 0)
	var b budget
	n := 0
	for b.mayRetry(now) {
		n++
	}
	require.Equal(t, retryMost, n)
	now = now.Add(5 * time.Second)
	for range 5 {
		require.True(t, b.mayRetry(now))
	}
	require.False(t, b.mayRetry(now))
	for range 11 {
		b.success()
	}
	require.True(t, b.mayRetry(now))
	require.True(t, b.mayRetry(now))
}

func TestTheBudgetForgetsALimit(t *testing.T) {
	now := time.Unix(0, 0)
	var b budget
	for range 100 {
		ok, _ := b.may(now)
		require.True(t, ok)
		b.take(now)
		now = now.Add(100 * time.Millisecond)
	}
	b.limited(now, 3*time.Second)
	ok, again := b.may(now)
	require.False(t, ok)
	require.Equal(t, now.Add(3*time.Second), again)
	require.InDelta(t, 7, b.rate, 0.5)
	now = now.Add(forgetAfter + time.Second)
	ok, _ = b.may(now)
	require.True(t, ok)
	require.Zero(t, b.rate)
}
