package flows

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// TestWhatThePublisherToldIsClosedAgain: whoever leads by then, and though it knows of nothing.
func TestWhatThePublisherToldIsClosedAgain(t *testing.T) {
	store := recordstest.New(recordstest.Options{})
	at := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	f := failures{store: store, now: func() time.Time { return at }, log: slog.New(slog.DiscardHandler)}
	state := func(trace string) string {
		r, ok, err := store.Get(t.Context(), records.Exceptions, exceptions.ID(trace))
		require.NoError(t, err)
		require.True(t, ok)
		e, err := records.Decode[exceptions.Exception](r)
		require.NoError(t, err)
		return string(e.State)
	}
	f.markFresh(t.Context(), "alpha") // nothing is open: nothing happens
	f.markOld(t.Context(), "alpha", time.Hour)
	open := state(markTrace("alpha"))
	f.markFresh(t.Context(), "beta")
	require.Equal(t, open, state(markTrace("alpha")), "of another connection")
	f.markFresh(t.Context(), "alpha")
	require.Equal(t, string(exceptions.Resolved), state(markTrace("alpha")))

	f.pushFailed(t.Context(), publish.Failure{Slot: publish.Slot{ID: "alpha/1/2", Connection: "alpha"}, Code: "no"})
	require.Equal(t, open, state(pushTrace("alpha/1/2")))
	_, err := records.Retry(t.Context(), store, func(tx *records.Tx) error {
		return f.pushCleared(t.Context(), tx, "alpha/1/2")
	})
	require.NoError(t, err)
	require.Equal(t, string(exceptions.Resolved), state(pushTrace("alpha/1/2")))
}
