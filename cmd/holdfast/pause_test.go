package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/client"
)

// TestAPausedLeaderStampsNoWrongTime stops the leader of three processes for longer than it takes to
// elect another, with requests on their way to it, and wants all that is stamped before, meanwhile
// and after to be by the true time.
func TestAPausedLeaderStampsNoWrongTime(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	world(t, c.ask[0], 1, 1_000_000)
	const ttl = time.Hour
	// stamped reserves by a node and returns how far the stamp is outside the time that it took.
	var n atomic.Int64
	stamped := func(ask *client.Client) time.Duration {
		id := fmt.Sprint("p", n.Add(1))
		var r client.Reservation
		began := time.Now()
		_, err := client.DoRetry(context.Background(), []*client.Client{ask}, 0,
			client.Retry{For: ready, Most: 100 * time.Millisecond},
			client.Call{Method: "POST", Path: "/v1/reservations", Key: id,
				Body: client.Reserve{ID: id, Channel: "web", TTL: ttl.Milliseconds(),
					Lines: []client.AskLine{{SKU: "S0", Qty: 1}}}}, &r)
		if !assert.NoError(t, err) || !assert.NotNil(t, r.ExpiresAt) {
			return 0
		}
		at := r.ExpiresAt.Add(-ttl)
		return max(began.Sub(at), time.Until(at), 0)
	}
	const slack = 100 * time.Millisecond // ms of stamps and clocks; far below the pause
	assert.Less(t, stamped(c.ask[0]), slack)
	old := c.leader(-1)
	require.NoError(t, c.nodes[old].cmd.Process.Signal(syscall.SIGSTOP))
	late := make(chan time.Duration, 1)
	ask := c.ask[old]
	go func() { late <- stamped(ask) }() // waits in its socket
	next := c.leader(old)
	for began := time.Now(); time.Since(began) < time.Second; {
		assert.Less(t, stamped(c.ask[next]), slack)
	}
	require.NoError(t, c.nodes[old].cmd.Process.Signal(syscall.SIGCONT))
	assert.Less(t, <-late, slack)
	for _, ask := range c.ask {
		assert.Less(t, stamped(ask), slack)
	}
	var s struct {
		Members []struct {
			ID     string `json:"id"`
			Offset *int64 `json:"clock_offset_ms"`
		} `json:"members"`
	}
	_, err := c.ask[next].Do(context.Background(), client.Call{Path: "/v1/cluster"}, &s)
	require.NoError(t, err)
	require.Len(t, s.Members, 3)
	for _, m := range s.Members {
		require.NotNil(t, m.Offset)
		assert.Less(t, max(*m.Offset, -*m.Offset), int64(1000), m.ID)
	}
	clean(t, c.ask[next])
}
