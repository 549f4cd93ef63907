package shopify

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fill has so many calls wait for the bucket that nobody else may.
func (b *budget) fill(u Urgency) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.mu.waiting[u]) < maxWaiting {
		b.mu.waiting[u] = append(b.mu.waiting[u], &turn{ready: make(chan struct{}, 1)})
	}
}

// A call that gets no turn never left, and says so; one of which an earlier try may have arrived does not.
func TestACallWithoutATurnIsUnsent(t *testing.T) {
	server := newAnswering(t, answer{status: 500})
	c := newClock()
	client := clientOf(t, server.URL, c)
	vars := activateVars{Item: "gid://shopify/InventoryItem/1", Place: "gid://shopify/Location/1", Key: "k"}

	client.budget.fill(opActivate.urgency)
	var f *Fault
	require.ErrorAs(t, client.do(t.Context(), opActivate, vars, nil), &f)
	require.True(t, f.Unsent() && f.Retryable() && !f.Unknown(), "%v", f)
	require.Empty(t, server.seen())

	over, cancel := context.WithCancel(t.Context())
	cancel()
	client = clientOf(t, server.URL, c)
	client.budget.mu.available = 0
	require.ErrorAs(t, client.do(over, opActivate, vars, nil), &f)
	require.True(t, f.Unsent(), "%v", f)
	require.ErrorIs(t, f, context.Canceled)
	require.Empty(t, server.seen())

	client = clientOf(t, server.URL, c)
	client.cfg.Pause = func(context.Context, time.Duration) error { // between the first try and the second
		client.budget.fill(opActivate.urgency)
		return nil
	}
	require.ErrorAs(t, client.do(t.Context(), opActivate, vars, nil), &f)
	require.True(t, f.Unknown() && !f.Unsent(), "the first try may have arrived: %v", f)
	require.Len(t, server.seen(), 1)
}
