package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/client"
)

// verdict is what a reserve came to: its status, its code when it was refused, its index when it
// was accepted. The zero verdict is none.
type verdict struct {
	Status int
	Code   string
	Index  uint64
}

// reserve sends the i-th reserve of one unit, always the same, and returns its verdict; ok is false
// when there was none.
func reserve(ask []*client.Client, i, skus int, r client.Retry) (v verdict, replayed, ok bool) {
	id := fmt.Sprintf("r-%d", i)
	reply, err := client.DoRetry(context.Background(), ask, i, r, client.Call{Method: "POST",
		Path: "/v1/reservations", Key: "k-" + id, Body: client.Reserve{ID: id, Channel: "web",
			Lines: []client.AskLine{{SKU: fmt.Sprintf("S%d", i%skus), Qty: 1}}}}, nil)
	var p *client.Problem
	switch {
	case err == nil:
		return verdict{Status: reply.Status, Index: reply.Index}, reply.Replayed, true
	case errors.As(err, &p) && p.Refused():
		return verdict{Status: p.Status, Code: p.Code, Index: p.Index}, p.Replayed, true
	}
	return verdict{}, false, false
}

// each runs do for 0 to n-1 from as many goroutines as there are connections.
func each(n, conns int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}

// reservations reads all of them from one node, by its own state.
func reservations(t *testing.T, ask *client.Client) map[string]client.Reservation {
	t.Helper()
	all := map[string]client.Reservation{}
	q := url.Values{"limit": {"1000"}, "level": {"stale"}}
	for {
		var page client.Page
		_, err := ask.Do(context.Background(), client.Call{Path: "/v1/reservations", Query: q}, &page)
		require.NoError(t, err)
		for _, raw := range page.Items {
			var r client.Reservation
			require.NoError(t, json.Unmarshal(raw, &r))
			_, twice := all[r.ID] // not NotContains, which walks the whole map
			require.False(t, twice, "%s is there twice", r.ID)
			all[r.ID] = r
		}
		if page.Next == "" {
			return all
		}
		q.Set("after", page.Next)
	}
}

// clean wants a node's invariants to hold.
func clean(t *testing.T, ask *client.Client) {
	t.Helper()
	var report client.CheckReport
	_, err := ask.Do(context.Background(), client.Call{Method: "POST", Path: "/v1/check"}, &report)
	require.NoError(t, err)
	assert.Empty(t, report.Violations)
}

// TestKillNine kills a node of its own with SIGKILL while 64 connections reserve, starts it again,
// and wants every 201 to be there, nothing twice, and the same answer to every request that is sent
// again.
func TestKillNine(t *testing.T) {
	t.Parallel()
	n, skus, units := 20_000, 200, int64(90) // the last tenth is refused
	if testing.Short() {
		n, units = 2_000, 9
	}
	const conns = 64
	args := []string{"--http", "127.0.0.1:0", "--raft", "127.0.0.1:0", "--data", t.TempDir(),
		"--log-level", "warn"}
	node := startProcess(t, args...)
	ask := []*client.Client{node.client()}
	world(t, ask[0], skus, units)

	once := client.Retry{For: time.Nanosecond} // after the kill there is nobody to try again with
	first := make([]verdict, n)
	var answered atomic.Int64
	each(n, conns, func(i int) {
		if v, _, ok := reserve(ask, i, skus, once); ok {
			first[i] = v
			if answered.Add(1) == int64(n/2) {
				go node.kill()
			}
		}
	})
	<-node.done
	require.GreaterOrEqual(t, answered.Load(), int64(n/2))
	require.Less(t, answered.Load(), int64(n), "the kill came too late")

	node = startProcess(t, args...)
	ask = []*client.Client{node.client()}
	there := reservations(t, ask[0])
	for i, v := range first {
		if v.Status == 201 {
			_, ok := there[fmt.Sprintf("r-%d", i)]
			require.True(t, ok, "r-%d was acknowledged at index %d and is not there", i, v.Index)
		}
	}
	t.Logf("%d answered before the kill, %d reservations after it", answered.Load(), len(there))

	second := make([]verdict, n)
	each(n, conns, func(i int) {
		v, replayed, ok := reserve(ask, i, skus, client.Retry{})
		assert.True(t, ok, "reserve %d has no verdict", i)
		if first[i] != (verdict{}) {
			assert.Equal(t, first[i], v, "reserve %d", i)
			assert.True(t, replayed, "reserve %d", i)
		}
		second[i] = v
	})
	sameAgain(t, ask, n, skus, second)
	balanced(t, ask[0], skus, units, second)
	clean(t, ask[0])
}

// TestStopUnderLoad stops a node with SIGTERM while it is asked, and wants what it acknowledged to
// be there after a restart.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	const n, skus, conns = 2_000, 50, 16
	args := []string{"--http", "127.0.0.1:0", "--raft", "127.0.0.1:0", "--data", t.TempDir(),
		"--log-level", "warn"}
	node := startProcess(t, args...)
	ask := []*client.Client{node.client()}
	world(t, ask[0], skus, n)
	verdicts := make([]verdict, n)
	var answered atomic.Int64
	stopped := make(chan int, 1)
	each(n, conns, func(i int) {
		if v, _, ok := reserve(ask, i, skus, client.Retry{For: time.Nanosecond}); ok {
			verdicts[i] = v
			if answered.Add(1) == n/2 {
				go func() { stopped <- node.signal(syscall.SIGTERM) }()
			}
		}
	})
	require.Equal(t, exitOK, <-stopped, node.stderr())
	require.Less(t, answered.Load(), int64(n), "the stop came too late")

	node = startProcess(t, args...)
	ask = []*client.Client{node.client()}
	each(n, conns, func(i int) {
		v, replayed, ok := reserve(ask, i, skus, client.Retry{})
		assert.True(t, ok, "reserve %d has no verdict", i)
		if verdicts[i] != (verdict{}) {
			assert.Equal(t, verdicts[i], v, "reserve %d", i)
			assert.True(t, replayed, "reserve %d", i)
		}
		verdicts[i] = v
	})
	balanced(t, ask[0], skus, n, verdicts)
	clean(t, ask[0])
}

// sameAgain sends every request a last time: all are remembered.
func sameAgain(t *testing.T, ask []*client.Client, n, skus int, want []verdict) {
	t.Helper()
	each(n, 64, func(i int) {
		v, replayed, ok := reserve(ask, i, skus, client.Retry{})
		assert.True(t, ok && replayed, "reserve %d is not remembered", i)
		assert.Equal(t, want[i], v, "reserve %d", i)
	})
}

// balanced wants one reservation for each 201, none besides, and stock rows that agree.
func balanced(t *testing.T, ask *client.Client, skus int, units int64, verdicts []verdict) {
	t.Helper()
	there := reservations(t, ask)
	held := make([]int64, skus)
	accepted := 0
	for i, v := range verdicts {
		switch v.Status {
		case 201:
			accepted++
			held[i%skus]++
			r, ok := there[fmt.Sprintf("r-%d", i)]
			if assert.True(t, ok, "r-%d was acknowledged and is not there", i) {
				assert.Equal(t, int64(1), r.Lines[0].Held, "r-%d", i)
			}
		case 409:
			assert.Equal(t, "insufficient-stock", v.Code)
			_, ok := there[fmt.Sprintf("r-%d", i)]
			assert.False(t, ok, "r-%d was refused and is there", i)
		default:
			assert.Fail(t, "strange verdict", "r-%d: %+v", i, v)
		}
	}
	assert.Len(t, there, accepted)
	for i, h := range held {
		var stock client.Stock
		call := client.Call{Path: fmt.Sprintf("/v1/stock/S%d", i)}
		_, err := ask.Do(context.Background(), call, &stock)
		require.NoError(t, err)
		require.Len(t, stock.Locations, 1)
		assert.Equal(t, client.LocationStock{Location: "main", OnHand: units, Held: h,
			Available: units - h}, stock.Locations[0], "S%d", i)
		assert.GreaterOrEqual(t, stock.Locations[0].Available, int64(0), "S%d is oversold", i)
	}
}

// TestLeaderKills kills the leader of three processes again and again under load: no acknowledged
// reserve is lost, none has two effects, and afterwards all three nodes are equal.
// HOLDFAST_KILLS says how often; a short run has one kill.
func TestLeaderKills(t *testing.T) {
	t.Parallel()
	kills := 2
	if testing.Short() {
		kills = 1
	}
	if text := os.Getenv("HOLDFAST_KILLS"); text != "" {
		var err error
		kills, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	const skus, conns = 100, 32
	units := int64(1_000_000)
	c := startCluster(t)
	world(t, c.ask[0], skus, units)

	var mu sync.Mutex
	var verdicts []verdict // grows: the load goes on until the kills are over
	var acked, next atomic.Int64
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range conns {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				i := int(next.Add(1)) - 1
				patient := client.Retry{For: time.Minute, Most: 200 * time.Millisecond}
				v, _, ok := reserve(c.ask, i, skus, patient)
				assert.True(t, ok, "reserve %d has no verdict after a minute", i)
				mu.Lock()
				for len(verdicts) <= i {
					verdicts = append(verdicts, verdict{})
				}
				verdicts[i] = v
				mu.Unlock()
				acked.Add(1)
			}
		})
	}
	more := func(n int64) { // waits until n more are acknowledged
		t.Helper()
		goal := acked.Load() + n
		require.Eventually(t, func() bool { return acked.Load() >= goal }, 2*ready, time.Millisecond,
			"the load stands still")
	}
	for k := range kills {
		more(500)
		victim := c.leader(-1)
		began := time.Now()
		c.nodes[victim].kill()
		heir := c.leader(victim)
		more(200)
		t.Logf("kill %d: n%d, n%d leads and writes after %s", k+1, victim+1, heir+1, time.Since(began))
		c.restart(victim)
	}
	more(500)
	close(stop)
	load.Wait()

	digests := c.settled()
	assert.Equal(t, digests[0], digests[1])
	assert.Equal(t, digests[0], digests[2])
	for i, ask := range c.ask {
		clean(t, ask)
		balanced(t, ask, skus, units, verdicts)
		sameAgain(t, []*client.Client{ask}, min(len(verdicts), 500), skus, verdicts)
		t.Logf("n%d: %d reserves, digest %s at index %d", i+1, len(verdicts), digests[i].Value,
			digests[i].Index)
	}
}

// settled waits until all nodes are at one index and returns their digests there.
func (c *cluster) settled() []client.Digest {
	c.t.Helper()
	all := make([]client.Digest, len(c.ask))
	require.Eventually(c.t, func() bool {
		for i, ask := range c.ask {
			call := client.Call{Path: "/v1/digest", Query: url.Values{"level": {"stale"}}}
			if _, err := ask.Do(context.Background(), call, &all[i]); err != nil {
				return false
			}
		}
		return all[0].Index == all[1].Index && all[1].Index == all[2].Index
	}, ready, 20*time.Millisecond, "the nodes do not come to one index")
	return all
}

// TestLastUnit lets 500 shoppers at one unit, over all three nodes: exactly one gets it.
func TestLastUnit(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	world(t, c.ask[0], 1, 1)
	const shoppers = 500
	verdicts := make([]verdict, shoppers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range shoppers {
		wg.Go(func() {
			<-start
			v, _, ok := reserve(c.ask, i, 1, client.Retry{})
			assert.True(t, ok)
			verdicts[i] = v
		})
	}
	close(start)
	wg.Wait()
	count := map[int]int{}
	for _, v := range verdicts {
		count[v.Status]++
	}
	assert.Equal(t, map[int]int{201: 1, 409: shoppers - 1}, count)
}

// TestHoldEndsAtItsDeadline looks that an idle cluster frees a hold within a second of its
// deadline, on the node that was asked and on one that follows, and that the event says at which
// index.
func TestHoldEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	world(t, c.ask[0], 1, 5)
	var r client.Reservation
	_, err := c.ask[1].Do(context.Background(), client.Call{Method: "POST", Path: "/v1/reservations",
		Key: "k", Body: client.Reserve{ID: "short", Channel: "web", TTL: 1_000,
			Lines: []client.AskLine{{SKU: "S0", Qty: 5}}}}, &r)
	require.NoError(t, err)
	require.NotNil(t, r.ExpiresAt)
	timer := time.NewTimer(time.Until(r.ExpiresAt.Add(time.Second)))
	<-timer.C // nobody asks anything meanwhile
	for _, ask := range c.ask {
		var stock client.Stock
		_, err := ask.Do(context.Background(), client.Call{Path: "/v1/stock/S0"}, &stock)
		require.NoError(t, err)
		assert.Equal(t, int64(5), stock.Locations[0].Available, ask.Server())
	}
	var page client.EventPage
	_, err = c.ask[2].Do(context.Background(), client.Call{Path: "/v1/events",
		Query: url.Values{"limit": {"1000"}}}, &page)
	require.NoError(t, err)
	found := 0
	for _, raw := range page.Events {
		var e client.Event
		require.NoError(t, json.Unmarshal(raw, &e))
		if e.Type == "reservation.expired" {
			found++
			assert.Equal(t, "short", e.Cause)
			assert.Greater(t, e.Index, r.Index)
			late := e.At.Sub(*r.ExpiresAt)
			assert.True(t, late >= 0 && late < time.Second, "the hold ended %s after its deadline", late)
		}
	}
	assert.Equal(t, 1, found)
}
