package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/client"
)

// command runs this command as a process and returns what it wrote and its exit status.
func command(t *testing.T, stdin []byte, args ...string) (stdout []byte, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), ready)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	var out, err bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(stdin), &out, &err
	_ = c.Run() // the status says it
	return out.Bytes(), err.String(), c.ProcessState.ExitCode()
}

// TestABackupOfARunningClusterMakesANewOne takes an encrypted backup from a follower under load, makes a
// new cluster of it and compares the two.
func TestABackupOfARunningClusterMakesANewOne(t *testing.T) {
	if testing.Short() {
		t.Skip("three processes")
	}
	t.Parallel()
	c := startCluster(t)
	leader := c.leader(-1)
	from := (leader + 1) % len(c.ask)
	world(t, c.ask[leader], 20, 100_000)
	var sent atomic.Int64
	load, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; load.Err() == nil; i++ {
			_, err := c.ask[leader].Do(load, client.Call{Method: "POST", Path: "/v1/reservations",
				Body: client.Reserve{ID: fmt.Sprint("r", i), Channel: "web", TTL: 3_600_000,
					Lines: []client.AskLine{{SKU: fmt.Sprint("S", i%20), Qty: 1}}}}, nil)
			if err == nil {
				sent.Add(1)
			}
		}
	}()
	require.Eventually(t, func() bool { return sent.Load() > 50 }, ready, time.Millisecond)

	key, public := keyFile(t)
	file := filepath.Join(t.TempDir(), "shop.backup")
	server := c.ask[from].Server()
	acknowledged := sent.Load()
	out, stderr, status := command(t, nil, "backup", file, "--server", server, "--encrypt-to", public,
		"-o", "json")
	require.Zero(t, status, stderr)
	var taken struct {
		Index  uint64 `json:"index"`
		Digest string `json:"digest"`
	}
	require.NoError(t, json.Unmarshal(out, &taken))
	require.NoFileExists(t, file+".partial")
	before := sent.Load()
	require.Eventually(t, func() bool { return sent.Load() > before+20 }, ready, time.Millisecond)
	stop()
	<-done

	_, stderr, status = command(t, nil, "backup", file, "--server", server)
	require.Equal(t, exitFailure, status)
	require.Contains(t, stderr, "never overwrites")
	_, stderr, status = command(t, nil, "verify", file)
	require.Equal(t, exitUsage, status)
	require.Contains(t, stderr, "is encrypted")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	out, stderr, status = command(t, text, "verify", "-", "--key-file", key, "-o", "json")
	require.Zero(t, status, stderr)
	var proven struct {
		Index        uint64   `json:"index"`
		Digest       string   `json:"digest"`
		Reservations int64    `json:"reservations"`
		Violations   []string `json:"violations"`
	}
	require.NoError(t, json.Unmarshal(out, &proven))
	require.Equal(t, taken.Index, proven.Index)
	require.Equal(t, taken.Digest, proven.Digest)
	require.Empty(t, proven.Violations)
	require.GreaterOrEqual(t, proven.Reservations, acknowledged, "all that was answered before")
	_, _, status = command(t, text[:len(text)-100], "verify", "-", "--key-file", key)
	require.NotZero(t, status)

	restoredIsThatOf(t, file, key, c, proven.Index)
}

// restoredIsThatOf restores a backup and holds what it serves against the events of the source up to
// its index: the balances after the last one of each SKU are what the restored cluster must have.
func restoredIsThatOf(t *testing.T, file, key string, c *cluster, index uint64) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "restored")
	_, stderr, status := command(t, nil, "restore", file, "--key-file", key, "--node", "x1", "--data", data)
	require.Zero(t, status, stderr)
	_, stderr, status = command(t, nil, "restore", file, "--key-file", key, "--node", "x1", "--data", data)
	require.Equal(t, exitFailure, status)
	require.Contains(t, stderr, "is not empty")

	p := startProcess(t, "--node", "x1", "--http", "127.0.0.1:0", "--raft", "127.0.0.1:0", "--data", data)
	ask := p.client()
	want, reservations := map[string][3]int64{}, map[string]bool{}
	var last uint64
	for after, more := uint64(0), true; more; {
		var page client.EventPage
		_, err := c.ask[0].Do(t.Context(), client.Call{Path: "/v1/events", Query: map[string][]string{
			"after": {fmt.Sprint(after)}, "limit": {"1000"}}}, &page)
		require.NoError(t, err)
		more = len(page.Events) > 0
		for _, raw := range page.Events {
			var e client.Event
			require.NoError(t, json.Unmarshal(raw, &e))
			if after = e.Seq; e.Index > index {
				more = false
				break
			}
			last = e.Seq
			if e.SKU != "" && e.Location != "" {
				want[e.SKU] = [3]int64{e.OnHand, e.Held, e.Committed}
			}
			if strings.HasPrefix(e.Type, "reservation.") {
				reservations[e.Cause] = true
			}
		}
	}
	require.Len(t, want, 20)
	for sku, balance := range want {
		var s client.Stock
		_, err := ask.Do(t.Context(), client.Call{Path: "/v1/stock/" + sku}, &s)
		require.NoError(t, err)
		l := s.Locations[0]
		require.Equal(t, balance, [3]int64{l.OnHand, l.Held, l.Committed}, sku)
	}
	for id := range reservations {
		_, err := ask.Do(t.Context(), client.Call{Path: "/v1/reservations/" + id}, nil)
		require.NoError(t, err, id)
	}
	var page client.EventPage
	_, err := ask.Do(t.Context(), client.Call{Path: "/v1/events", Query: map[string][]string{
		"after": {fmt.Sprint(last - 1)}}}, &page)
	require.NoError(t, err)
	require.Len(t, page.Events, 1, "its history goes on behind the backup's last event")
	var cluster client.Cluster
	_, err = ask.Do(t.Context(), client.Call{Path: "/v1/cluster"}, &cluster)
	require.NoError(t, err)
	require.Len(t, cluster.Members, 1)
	require.Equal(t, "x1", cluster.Leader)
}

func TestABackupThatIsCutOffLeavesNoFile(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing": "200\n\n",
		"a piece": "200\n\nHFBACKUP",
		"refused": "503\nContent-Type: application/problem+json\n\n" +
			`{"type":"/problems/overloaded","status":503,"code":"overloaded"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(files, "POST_v1_backup"), []byte(text), 0o600))
			server := newFakeServer(files)
			defer server.Close()
			file := filepath.Join(t.TempDir(), "b")
			_, stderr, status := command(t, nil, "backup", file, "--server", server.URL)
			require.NotZero(t, status)
			require.NotEmpty(t, stderr)
			left, err := os.ReadDir(filepath.Dir(file))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}
