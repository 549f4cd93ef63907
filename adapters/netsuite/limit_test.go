package netsuite

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// taker takes places in a bubble, and says in which order they came.
type taker struct {
	t     *testing.T
	l     *limit
	mu    sync.Mutex
	order []string
	held  []place
}

func (w *taker) ask(flow string, n int) {
	for i := range n {
		go func() {
			p, err := w.l.take(w.t.Context(), flow)
			if err != nil {
				return
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.order = append(w.order, fmt.Sprint(flow, i))
			w.held = append(w.held, p)
		}()
		synctest.Wait()
	}
}

func (w *taker) give(refused bool) {
	p := w.held[0]
	w.held = w.held[1:]
	p.give(refused)
	synctest.Wait()
}

func TestFlowsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &taker{t: t, l: newLimit(2, time.Now)}
		w.ask("orders", 5)
		w.ask("stock", 1)
		w.ask("returns", 2)
		require.Equal(t, []string{"orders0", "orders1"}, w.order)
		for range 6 {
			w.give(false)
		}
		require.Equal(t, []string{"orders0", "orders1", "orders2", "stock0", "returns0", "orders3",
			"returns1", "orders4"}, w.order, "one that comes late waits for one turn of the others")
		require.Equal(t, Concurrency{Allowed: 2, Most: 2, InFlight: 2}, w.l.view())
	})
}

func TestTheLimitHalvesOnceAndGrowsSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &taker{t: t, l: newLimit(8, time.Now)}
		time.Sleep(time.Second)
		w.ask("orders", 20)
		time.Sleep(time.Second)
		for range 3 { // all of them were under way together
			w.give(true)
		}
		require.Equal(t, 4, w.l.view().Allowed, "three refusals of one moment are one lesson")
		require.Equal(t, 5, w.l.view().InFlight, "nothing new begins while more are under way than allowed")
		time.Sleep(time.Second)
		for range 5 {
			w.give(false)
		}
		require.Equal(t, 4, w.l.view().InFlight)
		time.Sleep(time.Second)
		w.give(true) // begun after the lesson
		require.Equal(t, 2, w.l.view().Allowed)
		for range 4 {
			time.Sleep(time.Second)
			w.give(true)
		}
		require.Equal(t, 1, w.l.view().Allowed, "never below one")
		for i := range 6 {
			time.Sleep(growAfter)
			w.give(false)
			require.Equal(t, 2+i, w.l.view().Allowed)
		}
		w.l.bound(3)
		require.Equal(t, 3, w.l.view().Allowed)
		for len(w.held) > 0 {
			w.give(false)
		}
		require.Zero(t, w.l.view().InFlight)
	})
}

// TestWhoGivesUpLeavesNothing ends calls that wait, among them one that has its place at that moment.
func TestWhoGivesUpLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimit(1, time.Now)
		first, err := l.take(t.Context(), "a")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 10 {
			go func() {
				if p, err := l.take(ctx, fmt.Sprint(i%3)); err == nil {
					p.give(false)
				}
			}()
		}
		synctest.Wait()
		require.Equal(t, 10, l.view().Waiting)
		cancel()
		first.give(false)
		synctest.Wait()
		require.Equal(t, Concurrency{Allowed: 1, Most: 1}, l.view())
		p, err := l.take(t.Context(), "b")
		require.NoError(t, err)
		p.give(false)
	})
}

func TestTheQueueIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &taker{t: t, l: newLimit(1, time.Now)}
		w.ask("orders", 1+maxWaiting)
		_, err := w.l.take(t.Context(), "orders")
		require.Equal(t, codeThrottled, codeOf(err))
		for len(w.held) > 0 {
			w.give(false)
		}
		require.Len(t, w.order, 1+maxWaiting)
	})
}

// TestFourCallsAtATime is the rate that a limit of 4 permits: with 300 ms a call, 13.3 calls a second.
func TestFourCallsAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const each = 300 * time.Millisecond
		l := newLimit(4, time.Now)
		begun, done, most := time.Now(), make(chan int, 400), 0
		for range 400 {
			go func() {
				p, err := l.take(t.Context(), "orders")
				if err != nil {
					done <- -1
					return
				}
				seen := l.view().InFlight
				time.Sleep(each)
				p.give(false)
				done <- seen
			}()
		}
		for range 400 {
			most = max(most, <-done)
		}
		require.Equal(t, 4, most)
		rate := 400 / time.Since(begun).Seconds()
		require.GreaterOrEqual(t, rate, 0.9*4/each.Seconds(), "calls a second")
	})
}
