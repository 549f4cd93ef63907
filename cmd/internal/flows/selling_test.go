package flows

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
)

// tellers fail to tell for some tries, the first of them by a panic.
type tellers struct {
	tries atomic.Int64
	fails int64
}

func (a *tellers) Announce(context.Context, string) error {
	switch n := a.tries.Add(1); {
	case n == 1:
		panic("an order that nobody expected")
	case n <= a.fails:
		return errors.New("announce order 7: too large")
	}
	return nil
}

// endless is an adapter whose loops end with ctx.
type endless struct {
	connections.Adapter
	ran chan struct{}
}

func (e endless) Run(ctx context.Context) error {
	close(e.ran)
	<-ctx.Done()
	return ctx.Err()
}

// TestAnOrderThatCannotBeToldOfStopsNothing: the adapter runs, and telling is tried again until it is
// done.
func TestAnOrderThatCannotBeToldOfStopsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		board := connections.NewBoard(time.Now)
		told := &tellers{fails: 12}
		e := endless{ran: make(chan struct{})}
		s := seller{e, selling{orders: told, now: time.Now},
			connections.Connection{ID: "shop", Mode: connections.On}, board.Reporter("shop")}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		synctest.Wait()
		<-e.ran
		require.EqualValues(t, 1, told.tries.Load())
		require.Contains(t, board.Health("shop").Errors[0].Error, "nobody expected")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.EqualValues(t, 13, told.tries.Load(), "until it is done, and not once more")
		require.Contains(t, board.Health("shop").Errors[1].Error, "too large")
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		default:
		}
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

// TestNobodyIsToldWhileItObserves: a connection that only observes tells nobody.
func TestNobodyIsToldWhileItObserves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := &tellers{}
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		s := seller{endless{ran: make(chan struct{})}, selling{orders: told},
			connections.Connection{ID: "shop", Mode: connections.Observe}, nil}
		require.ErrorIs(t, s.Run(ctx), context.DeadlineExceeded)
		require.Zero(t, told.tries.Load())
	})
}
