package flows

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"holdfast/adapters/httpapi"
	"holdfast/adapters/records/recordstest"
	"holdfast/engine"
)

// noEvents is a ledger in which nothing happens.
type noEvents struct{}

func (noEvents) Events(uint64, int) ([]engine.Event, error) { return nil, nil }
func (noEvents) EventsChanged() <-chan struct{}             { return nil }

// TestNothingIsTakenInBeforeAllIsRead: a webhook that comes before this node knows the connections is
// told to come again, and nothing is led.
func TestNothingIsTakenInBeforeAllIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, err := New(Config{Store: recordstest.New(recordstest.Options{}), Events: noEvents{},
			Now: time.Now, Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
		require.NoError(t, err)
		var served httpapi.Config
		core.Serve(&served)
		take := func() int { return served.Webhooks.Take(t.Context(), httpapi.Webhook{}) }
		require.Equal(t, http.StatusServiceUnavailable, take())
		require.Contains(t, core.Standing(), "come again")

		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{}, 2)
		go func() { core.Lead(ctx, 1); ended <- struct{}{} }()
		synctest.Wait()
		require.Nil(t, core.dispatcher.Lanes(), "it waits")
		go func() { core.Follow(ctx); ended <- struct{}{} }()
		time.Sleep(time.Second)
		synctest.Wait()
		select {
		case <-core.Ready():
		default:
			t.Fatal("all was read, and it is not ready")
		}
		require.NotEqual(t, http.StatusServiceUnavailable, take())
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.NotNil(t, core.dispatcher.Lanes(), "it leads")
		require.Contains(t, core.Standing(), "leads:")
		stop()
		<-ended
		<-ended
		require.Contains(t, core.Standing(), "follows:")
	})
}
