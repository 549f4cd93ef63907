package outbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/records"
)

func TestATaskIsDoneOnceAndWithAllThatFollows(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.out.say(func(ctx context.Context, _ Task) (Finish, error) {
			end, ok := ctx.Deadline()
			require.True(t, ok)
			require.Less(t, time.Until(end), ClaimFor)
			return Finish{Result: map[string]int{"id": 7}, Also: func(_ context.Context,
				tx *records.Tx) error {
				tx.Put(records.Record{Table: records.Externals, Key: "theirs"})
				return nil
			}}, nil
		})
		w.queue(task("o1"))
		w.lead()
		w.after(time.Second)
		w.after(time.Hour)
		require.Len(t, w.out.told(), 1)
		got := w.get("o1")
		require.Equal(t, Done, got.State)
		require.Equal(t, 1, got.Tries)
		require.JSONEq(t, `{"id":7}`, string(got.Result))
		also, ok, err := w.store.Get(t.Context(), records.Externals, "theirs")
		require.NoError(t, err)
		require.True(t, ok)
		row, _, err := w.store.Get(t.Context(), records.Tasks, "push:o1")
		require.NoError(t, err)
		require.Equal(t, also.Version, row.Version, "one Tx")
		require.Empty(t, w.open())

		w.after(Retention)
		row, ok, err = w.store.Get(t.Context(), records.Tasks, "push:o1")
		require.NoError(t, err)
		require.True(t, ok)
		require.True(t, row.Archived, "what is done leaves memory")
		w.submit(func(tx *records.Tx) error {
			created, err := Ensure(t.Context(), w.store, tx, task("o1"))
			require.False(t, created, "but is not forgotten")
			return err
		})
	})
}

func TestTasksQueuedWhileALeaderRunsAreSeen(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.lead()
		w.after(time.Minute)
		begun := time.Now()
		w.queue(task("o1"))
		later := task("o2")
		later.NextAt = time.Now().Add(time.Hour)
		w.queue(later)
		w.after(time.Second)
		require.Len(t, w.out.told(), 1)
		require.Equal(t, begun, w.out.told()[0].at, "at once")
		w.after(2 * time.Hour)
		require.Len(t, w.out.told(), 2)
		require.Equal(t, begun.Add(time.Hour), w.out.told()[1].at)
	})
}

// TestACrashBetweenClaimAndFinish: the old leader hangs in its call, a new one leads, and the call of
// the old one succeeds after all, late.
func TestACrashBetweenClaimAndFinish(t *testing.T) {
	for _, late := range []time.Duration{10 * time.Second, 40 * time.Second} {
		t.Run(late.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				begun := time.Now()
				w.out.say(func(context.Context, Task) (Finish, error) {
					time.Sleep(late) // deaf to its context
					return Finish{Result: "late", Also: func(_ context.Context, tx *records.Tx) error {
						tx.Put(records.Record{Table: records.Externals, Key: "late"})
						return nil
					}}, nil
				})
				w.queue(task("o1"))
				w.lead()
				w.after(time.Second)
				require.Equal(t, Running, w.get("o1").State)

				w.out.say(func(_ context.Context, task Task) (Finish, error) {
					return Finish{Result: "looked"}, nil
				})
				first, firstEnded := w.stop, w.ended
				w.lead() // while the old one does not know yet
				second := task("o1")
				second.Part = "other"
				w.queue(second)
				w.after(30 * time.Second)
				first()
				calls := w.out.told()
				require.GreaterOrEqual(t, len(calls), 3)
				require.Equal(t, "push:o1", calls[0].id)
				require.False(t, calls[0].unknown)
				for _, c := range calls[1:] {
					require.False(t, c.at.Before(begun.Add(ClaimFor+Grace)),
						"%s called at %v: nobody calls for the key before", c.id, c.at.Sub(begun))
					require.Equal(t, c.id == "push:o1", c.unknown, "it looks first")
				}
				w.after(time.Minute)
				require.ErrorIs(t, <-firstEnded, errFirst(late))
				require.Len(t, w.out.told(), 3)
				got := w.get("o1")
				require.Equal(t, Done, got.State)
				require.JSONEq(t, `"looked"`, string(got.Result), "the late finish changed nothing")
				require.Equal(t, uint64(2), got.ClaimTerm)
				_, ok, err := w.store.Get(t.Context(), records.Externals, "late")
				require.NoError(t, err)
				require.False(t, ok, "nor did what came with it")
			})
		})
	}
}

// errFirst is how the old leader ends: it hears of the other one by its finish, if it is in time for it.
func errFirst(late time.Duration) error {
	if late < ClaimFor {
		return ErrDeposed
	}
	return context.Canceled
}

func TestALateLeaderCannotBegin(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.term = 5
		w.lead()
		w.after(time.Second)
		d, err := New(Config{Store: w.store, Gate: w.gate})
		require.NoError(t, err)
		require.ErrorIs(t, d.Run(t.Context(), 5), ErrDeposed)
	})
}

// TestUnknownOutcomesOfTheStore: whatever a Tx of ours ends in, the call is made once and the task is
// done.
func TestUnknownOutcomesOfTheStore(t *testing.T) {
	for _, c := range storeFailures() {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.queue(task("o1"))
				n := 0
				w.store.Fail(c.on(&n))
				w.lead()
				w.after(5 * time.Minute)
				require.NotZero(t, n, "it was told to fail")
				require.Len(t, w.out.told(), 1)
				require.Equal(t, c.unknown, w.out.told()[0].unknown)
				require.Equal(t, Done, w.get("o1").State)
				require.Empty(t, w.open())
			})
		})
	}
}

func TestAnUnknownOutcomeOfACallIsLookedAt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.out.say(func(_ context.Context, task Task) (Finish, error) {
			if !task.Unknown && task.ID == "push:o1" {
				return Finish{}, &vendorError{class: exceptions.Transient, code: "500", unknown: true}
			}
			return Finish{}, nil
		})
		begun := time.Now()
		other := task("o1")
		other.Part = "other"
		w.queue(task("o1"))
		w.lead()
		w.after(time.Second)
		require.True(t, w.get("o1").Unknown)
		w.queue(other, task("o2"))
		w.after(time.Minute)
		require.Equal(t, Done, w.get("o1").State)
		require.False(t, w.get("o1").Unknown)
		calls := w.out.told()
		for _, c := range calls {
			if c.id == "push:o1:other" || c.unknown {
				require.GreaterOrEqual(t, c.at.Sub(begun), ClaimFor+Grace, "%s: its key waits", c.id)
			}
			if c.id == "push:o2" {
				require.Equal(t, time.Second, c.at.Sub(begun), "other keys do not")
			}
		}
	})
}

func TestFailuresThatAPersonMustMend(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.out.say(func(_ context.Context, task Task) (Finish, error) {
			if string(task.Payload) == `{"v":2}` {
				return Finish{}, nil
			}
			return Finish{}, &vendorError{class: exceptions.Data, code: "invalid-address"}
		})
		w.out.check = func(task Task) error {
			if string(task.Payload) == `{}` {
				return errors.New("v is missing")
			}
			return nil
		}
		w.queue(task("o1"), task("o2"))
		w.lead()
		w.after(time.Hour)
		require.Len(t, w.out.told(), 2, "it is not tried again by itself")
		require.Equal(t, Failed, w.get("o1").State)
		open := w.open()
		require.Len(t, open, 2)
		e, err := w.exc.Get(t.Context(), exceptions.ID("task:push:o1"))
		require.NoError(t, err)
		require.Equal(t, exceptions.Data, e.Class)
		require.Equal(t, "invalid-address", e.Code)
		require.Equal(t, []string{"o1", "F5", "shop", "push:o1"},
			[]string{e.Key, e.Flow, e.Connection, e.Task})
		require.JSONEq(t, `{"v":1}`, string(e.Payload))

		retry := exceptions.Act{ID: e.ID, Do: exceptions.ActRetry, Payload: []byte(`{}`), By: "p"}
		_, _, err = w.exc.Do(t.Context(), retry)
		require.Equal(t, "invalid", codeOf(err))
		require.Equal(t, Failed, w.get("o1").State)
		retry.Payload = nil
		_, _, err = w.exc.Do(t.Context(), retry)
		require.NoError(t, err)
		w.after(time.Minute)
		e, err = w.exc.Get(t.Context(), e.ID)
		require.NoError(t, err)
		require.Equal(t, exceptions.Open, e.State)
		require.Equal(t, 2, e.Tries)
		retry.Payload = []byte(`{"v":2}`)
		_, _, err = w.exc.Do(t.Context(), retry)
		require.NoError(t, err)
		w.after(time.Minute)
		require.Equal(t, Done, w.get("o1").State)
		e, err = w.exc.Get(t.Context(), e.ID)
		require.NoError(t, err)
		require.Equal(t, exceptions.Resolved, e.State)
		require.Equal(t, exceptions.BySuccess, e.ClosedBy)

		_, _, err = w.exc.Do(t.Context(), exceptions.Act{ID: exceptions.ID("task:push:o2"),
			Do: exceptions.ActResolve, By: "p"})
		require.NoError(t, err)
		require.Equal(t, Dropped, w.get("o2").State, "what is resolved is not tried again")
		require.Empty(t, w.open())
	})
}

func TestTransientFailuresAreTriedUntilTheyLast(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.out.say(func(context.Context, Task) (Finish, error) {
			return Finish{}, &net.OpError{Op: "dial", Err: errors.New("refused")}
		})
		w.queue(task("o1"))
		w.leadWith(Config{MaxTries: 4})
		w.after(time.Minute)
		calls := w.out.told()
		require.Len(t, calls, 4)
		for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			require.Equal(t, want, calls[i+1].at.Sub(calls[i].at).Round(time.Millisecond))
			require.False(t, calls[i+1].unknown, "it was never sent")
		}
		require.Equal(t, Failed, w.get("o1").State)
		open := w.open()
		require.Len(t, open, 1)
		require.Equal(t, exceptions.Transient, open[0].Class)
	})
}

func TestAPanicFailsTheTaskOnly(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.out.say(func(_ context.Context, task Task) (Finish, error) {
			if task.Key == "bad" {
				panic("no such line")
			}
			return Finish{}, nil
		})
		w.queue(task("bad"), task("good"))
		w.lead()
		w.after(time.Second)
		require.Equal(t, Done, w.get("good").State)
		require.Equal(t, Failed, w.get("bad").State)
		require.Equal(t, exceptions.Bug, w.open()[0].Class)
		require.True(t, w.get("bad").Unknown)
	})
}

func TestAFinishThatIsRefusedIsShown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var refuse atomic.Bool
		refuse.Store(true)
		w.out.say(func(_ context.Context, task Task) (Finish, error) {
			return Finish{Also: func(_ context.Context, tx *records.Tx) error {
				if refuse.Load() {
					return errors.New("the order has no such line")
				}
				return nil
			}}, nil
		})
		w.queue(task("o1"))
		w.lead()
		w.after(time.Minute)
		got := w.get("o1")
		require.Equal(t, Failed, got.State)
		require.True(t, got.Unknown, "the call has taken effect: the next one looks")
		require.Equal(t, "finish-failed", w.open()[0].Code)
		refuse.Store(false)
		_, _, err := w.exc.Do(t.Context(), exceptions.Act{ID: w.open()[0].ID, Do: exceptions.ActRetry})
		require.NoError(t, err)
		w.after(time.Minute)
		require.Equal(t, Done, w.get("o1").State)
		require.True(t, w.out.told()[1].unknown)
	})
}

func TestLaterAndNeedless(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.out.say(func(_ context.Context, task Task) (Finish, error) {
			switch {
			case task.Key == "off":
				return Finish{}, &Needless{Why: "the order is cancelled"}
			case len(w.out.told()) < 40:
				return Finish{}, &Later{After: 10 * time.Second, Why: "not paid yet"}
			}
			return Finish{}, nil
		})
		w.queue(task("off"), task("wait"))
		w.lead()
		w.after(time.Hour)
		require.Equal(t, Dropped, w.get("off").State)
		require.Equal(t, Done, w.get("wait").State)
		require.Equal(t, 1, w.get("wait").Tries)
		require.Empty(t, w.open())
	})
}

func TestOneTaskComesAfterAnother(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		second, third := task("a"), task("b")
		second.Part, second.After = "2", "outside:a"
		third.After = "push:a:2"
		w.queue(second, third, Task{Kind: "outside", Key: "a", CreatedAt: time.Now()})
		w.lead()
		w.after(time.Hour)
		require.Empty(t, w.out.told())
		v, err := w.desk.Get(t.Context(), "outside:a")
		require.NoError(t, err)
		require.Equal(t, "outside", v.Waits)
		_, _, err = w.desk.Done(t.Context(), Told{ID: "outside:a", Result: []byte(`{"id":"SO1"}`)})
		require.NoError(t, err)
		w.after(time.Second)
		calls := w.out.told()
		require.Len(t, calls, 2)
		require.Equal(t, "push:a:2", calls[0].id)
		require.Equal(t, "push:b", calls[1].id)
		_, _, err = w.desk.Done(t.Context(), Told{ID: "outside:a"})
		require.NoError(t, err, "told again, it changes nothing")
		v, err = w.desk.Get(t.Context(), "outside:a")
		require.NoError(t, err)
		require.JSONEq(t, `{"id":"SO1"}`, string(v.Result))
	})
}

func TestAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		again := func(v int) {
			x := task("o1")
			x.Payload = fmt.Appendf(nil, `{"v":%d}`, v)
			w.submit(func(tx *records.Tx) error { return Again(t.Context(), w.store, tx, x) })
		}
		w.out.say(func(context.Context, Task) (Finish, error) {
			time.Sleep(2 * time.Second)
			return Finish{}, nil
		})
		again(1)
		again(2)
		w.lead()
		w.after(time.Second)
		again(3)
		again(4)
		w.after(time.Minute)
		again(5)
		w.after(time.Minute)
		var payloads []string
		for _, c := range w.out.told() {
			payloads = append(payloads, c.payload)
		}
		require.Equal(t, []string{`{"v":2}`, `{"v":4}`, `{"v":5}`}, payloads)
		require.Equal(t, Done, w.get("o1").State)
	})
}

func TestCancel(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		cancel := func(key string) (gone bool) {
			w.submit(func(tx *records.Tx) (err error) {
				gone, err = Cancel(t.Context(), w.store, tx, Cancellation{ID: "push:" + key, Why: "off",
					At: time.Now()})
				return err
			})
			return gone
		}
		w.out.say(func(context.Context, Task) (Finish, error) {
			time.Sleep(5 * time.Second)
			return Finish{}, nil
		})
		queued := task("queued")
		queued.NextAt = time.Now().Add(time.Minute)
		w.queue(task("runs"), queued)
		w.lead()
		w.after(time.Second)
		require.True(t, cancel("queued"))
		require.True(t, cancel("never"))
		require.False(t, cancel("runs"))
		w.after(time.Hour)
		require.Len(t, w.out.told(), 1)
		require.Equal(t, Dropped, w.get("queued").State)
		require.Equal(t, Done, w.get("runs").State)
		require.True(t, cancel("runs"))
	})
}
