package outbox

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// tallied is a store that counts what is read of it.
type tallied struct {
	records.Store
	read  atomic.Int64 // records
	walks atomic.Int64 // lists of what is open that began anew
}

func (c *tallied) Get(ctx context.Context, t records.Table, key string) (records.Record, bool, error) {
	c.read.Add(1)
	return c.Store.Get(ctx, t, key)
}

func (c *tallied) List(ctx context.Context, t records.Table, prefix, after string, limit int) (
	[]records.Record, bool, error) {
	rows, more, err := c.Store.List(ctx, t, prefix, after, limit)
	c.read.Add(int64(len(rows)))
	if t == records.OpenTasks && after == "" && prefix == "push:" {
		c.walks.Add(1)
	}
	return rows, more, err
}

// TestANewLeaderReadsWhatIsOpen counts what a leader reads when it begins, beside tasks that are done,
// archived, and waiting for an ERP that never comes: none of those costs anything.
func TestANewLeaderReadsWhatIsOpen(t *testing.T) {
	const open = 5
	read := map[int]int64{}
	for _, n := range []int{10, 3000} {
		inWorldOnce(t, fmt.Sprint(n), func(t *testing.T, w *world) {
			var archived, done, erp []Task
			for i := range n {
				archived = append(archived, task(fmt.Sprint("archived", i)))
				done = append(done, task(fmt.Sprint("done", i)))
				erp = append(erp, Task{Kind: "erp.order", Key: fmt.Sprint("o", i), CreatedAt: time.Now()})
			}
			w.queueAll(erp)
			w.queueAll(archived)
			w.lead()
			w.after(Retention + time.Hour)
			w.queueAll(done)
			w.after(time.Hour)
			require.Len(t, w.out.told(), 2*n)
			require.Error(t, w.kill())
			w.gate.set("shut", "paused")
			for i := range open {
				w.queue(on("shut", task(fmt.Sprint("open", i))))
			}

			c := &tallied{Store: w.store}
			w.leadWith(Config{Store: c})
			w.after(2 * time.Second)
			read[n] = c.read.Load()
			require.LessOrEqual(t, read[n], int64(2*open+2), "and the fence")
			w.after(12 * time.Hour)
			require.Equal(t, read[n], c.read.Load(), "what waits is not looked at either")

			var keys []string
			for after := ""; ; {
				page, next, err := w.desk.List(t.Context(), Filter{Kind: "erp.order"}, after, 1000)
				require.NoError(t, err)
				for _, v := range page {
					require.Equal(t, "outside", v.Waits)
					keys = append(keys, v.Key)
				}
				if after = next; after == "" {
					break
				}
			}
			require.Len(t, keys, n)
			_, _, err := w.desk.Done(t.Context(), Told{ID: "erp.order:o1"})
			require.NoError(t, err, "somebody came and did it")
			list, _, err := w.desk.List(t.Context(), Filter{State: Done, Kind: "push"}, "", 1000)
			require.NoError(t, err)
			require.Len(t, list, min(n, 1000), "those that are done are still shown")
			w.gate.set("shut", "")
			w.after(time.Minute)
			require.Len(t, w.out.told(), 2*n+open)
			w.noneOpen()
		})
	}
	require.Equal(t, read[10], read[3000])
}

// inWorldOnce is inWorld for a test of several worlds, one after the other.
func inWorldOnce(t *testing.T, name string, test func(t *testing.T, w *world)) {
	t.Run("group", func(t *testing.T) {
		t.Run(name, func(t *testing.T) { inWorld(t, test) })
	})
}

// queueAll queues many tasks, as many at once as a Tx takes.
func (w *world) queueAll(tasks []Task) {
	w.t.Helper()
	for some := range slices.Chunk(tasks, 500) {
		w.queue(some...)
	}
}

// noneOpen demands that nothing is listed as open.
func (w *world) noneOpen() {
	w.t.Helper()
	rows, _, err := w.store.List(w.t.Context(), records.OpenTasks, "", "", 10)
	require.NoError(w.t, err)
	require.Empty(w.t, rows)
}

// TestWhatIsOpenIsListed takes a task through its states: it is listed from when it is queued until it is
// done or dropped, whoever ends it, and again when it is wanted again.
func TestWhatIsOpenIsListed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		listed := func(want bool) {
			t.Helper()
			_, ok, err := w.store.Get(t.Context(), records.OpenTasks, "push:a")
			require.NoError(t, err)
			require.Equal(t, want, ok)
		}
		again := func() {
			w.submit(func(tx *records.Tx) error { return Again(t.Context(), w.store, tx, task("a")) })
		}
		again()
		listed(true)
		w.submit(func(tx *records.Tx) error {
			_, err := Cancel(t.Context(), w.store, tx, Cancellation{ID: "push:a", At: time.Now()})
			return err
		})
		listed(false)
		again()
		listed(true)
		_, _, err := w.desk.Done(t.Context(), Told{ID: "push:a"})
		require.NoError(t, err)
		listed(false)

		again()
		w.out.say(func(context.Context, Task) (Finish, error) {
			return Finish{}, &vendorError{class: "data", code: "refused"}
		})
		w.lead()
		w.after(time.Second)
		require.Equal(t, Failed, w.get("a").State)
		listed(true) // somebody must look
		w.submit(func(tx *records.Tx) error {
			return w.desk.Abandon(t.Context(), tx, "push:a", "no longer wanted")
		})
		listed(false)
		w.out.say(func(context.Context, Task) (Finish, error) { return Finish{}, &Needless{Why: "so it is"} })
		again()
		w.after(time.Second)
		require.Equal(t, Dropped, w.get("a").State)
		listed(false)
		w.out.say(nil)
		again()
		w.after(time.Second)
		require.Equal(t, Done, w.get("a").State)
		listed(false)
	})
}

// TestAWatchThatLosesChanges queues more at once than a watch keeps, again and again: what was missed is
// read anew, and every task is done once.
func TestAWatchThatLosesChanges(t *testing.T) {
	inWorldOf(t, recordstest.Options{Ring: 64}, func(t *testing.T, w *world) {
		c := &tallied{Store: w.store}
		w.leadWith(Config{Store: c, PerConnection: 256})
		w.after(time.Second)
		want := map[string]bool{}
		for round := range 10 {
			var tasks []Task
			for i := range 300 {
				next := on(fmt.Sprint("shop", i%3), task(fmt.Sprint(round, "-", i)))
				tasks, want["push:"+next.Key] = append(tasks, next), true
			}
			before := c.walks.Load()
			w.queue(tasks...)
			w.after(10 * time.Millisecond) // while the ones before are under way
			require.Greater(t, c.walks.Load(), before, "it has read anew")
		}
		w.after(time.Minute)
		for _, call := range w.out.told() {
			require.True(t, want[call.id], "%s is done twice", call.id)
			delete(want, call.id)
		}
		require.Empty(t, want)
		w.noneOpen()
	})
}

func TestNobodyHereDoesWhatIsDoneOutside(t *testing.T) {
	t.Parallel()
	_, err := New(Config{Store: recordstest.New(recordstest.Options{}), Gate: &fakeGate{},
		Executors: map[string]Executor{"erp.order": &outer{}}})
	require.ErrorContains(t, err, "erp.order")
}
