package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/loopback"
)

// do runs a command of ours to its end and returns its exit status and what it wrote.
func do(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run() // its status says it
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// flagOf is the value of a flag in the arguments of node i.
func (c *cluster) flagOf(i int, name string) string {
	for j, arg := range c.args[i] {
		if arg == name {
			return c.args[i][j+1]
		}
	}
	c.t.Fatalf("node %d has no %s", i, name)
	return ""
}

// voters waits until node i sees exactly these healthy voters.
func (c *cluster) voters(i int, names ...string) {
	c.t.Helper()
	var s client.Cluster
	require.Eventually(c.t, func() bool {
		s = client.Cluster{}
		_, err := c.ask[i].Do(context.Background(), client.Call{Path: "/v1/cluster"}, &s)
		if err != nil || len(s.Members) != len(names) {
			return false
		}
		for j, m := range s.Members {
			if m.ID != names[j] || !m.Voter || !m.Healthy {
				return false
			}
		}
		return s.Leader != ""
	}, ready, 20*time.Millisecond, "%v are not the voters: %+v", names, &s)
}

// load reserves S0, S1, … in turn over all nodes until stop, which returns the verdicts and how long
// the slowest took, with all its tries.
func load(ask []*client.Client, skus, conns int) (stop func() ([]verdict, time.Duration)) {
	const most = 1 << 20
	var ended atomic.Bool
	verdicts := make([]verdict, most)
	done := make(chan struct{})
	var sent, slowest atomic.Int64
	go func() {
		defer close(done)
		each(most, conns, func(i int) {
			if ended.Load() {
				return
			}
			sent.Add(1)
			began := time.Now()
			verdicts[i], _, _ = reserve(ask, i, skus, client.Retry{})
			for took := int64(time.Since(began)); ; {
				most := slowest.Load()
				if took <= most || slowest.CompareAndSwap(most, took) {
					break
				}
			}
			time.Sleep(time.Millisecond) // the machine has other work
		})
	}()
	return func() ([]verdict, time.Duration) {
		ended.Store(true)
		<-done
		return verdicts[:sent.Load()], time.Duration(slowest.Load())
	}
}

// TestMembersComeAndGo grows three nodes to four, shrinks them to three, loses a disk and recovers
// it, by the commands that an operator has, while units are reserved.
func TestMembersComeAndGo(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	const skus, units = 20, 1_000_000
	world(t, c.ask[0], skus, units)
	stop := load(c.ask[:1], skus, 4)

	addrs, err := loopback.Free(2)
	require.NoError(t, err)
	c.args = append(c.args, []string{"serve", "--node", "n4", "--http", addrs[0], "--raft", addrs[1],
		"--data", t.TempDir(), "--join", c.raft(0) + "," + c.raft(1), "--log-level", "warn"})
	c.nodes = append(c.nodes, launchProcess(t, c.args[3]...))
	c.nodes[3].awaitReady()
	fourth := client.New(client.Config{Server: "http://" + addrs[0], Conns: 4})
	t.Cleanup(fourth.Close)
	c.ask = append(c.ask, fourth)

	other := "http://" + c.nodes[1].http
	status, _, errs := do(t, "cluster", "add", "n4", "--server", other)
	assert.Equal(t, exitUsage, status, errs)
	status, out, errs := do(t, "cluster", "add", "n4="+addrs[1], "--server", other)
	require.Equal(t, exitOK, status, errs)
	assert.Contains(t, out, "n4")
	c.voters(0, "n1", "n2", "n3", "n4")
	status, _, errs = do(t, "cluster", "add", "n4="+addrs[1], "--server", other)
	assert.Equal(t, exitRefused, status)
	assert.Contains(t, errs, "member-exists")

	status, _, errs = do(t, "cluster", "remove", "n2", "--server", "http://"+c.nodes[3].http)
	require.Equal(t, exitOK, status, errs)
	c.voters(0, "n1", "n3", "n4")
	status, _, errs = do(t, "cluster", "transfer", "n4", "--server", "http://"+c.nodes[0].http)
	require.Equal(t, exitOK, status, errs)

	data := c.flagOf(2, "--data")
	server := "http://" + c.nodes[3].http
	status, _, errs = do(t, "cluster", "recover", "--node", "n3", "--data", data, "--server", server)
	assert.Equal(t, exitFailure, status)
	assert.Contains(t, errs, "LOCK")
	c.nodes[2].kill()
	require.NoError(t, os.Rename(filepath.Join(data, "IDENTITY"), filepath.Join(t.TempDir(), "x")))
	for _, name := range []string{"log", "checkpoints", "events", "bodies"} {
		require.NoError(t, os.RemoveAll(filepath.Join(data, name)))
	}
	lost := launchProcess(t, c.args[2]...)
	assert.Equal(t, exitData, lost.wait())
	assert.Contains(t, lost.stderr(), "holdfast cluster recover")
	for range 2 { // the second run finds it done
		status, out, errs = do(t, "cluster", "recover", "--node", "n3", "--data", data, "--server", server)
		require.Equal(t, exitOK, status, errs)
		assert.Contains(t, out, "incarnation 2")
	}
	c.restart(2)
	c.voters(0, "n1", "n3", "n4")

	verdicts, slowest := stop()
	for i, v := range verdicts {
		require.Equal(t, 201, v.Status, "reserve %d: %+v", i, v)
	}
	t.Logf("%d reserves meanwhile, the slowest took %v", len(verdicts), slowest)
	c.nodes[1].kill()
	for _, i := range []int{0, 2, 3} {
		_, err := c.ask[i].Do(context.Background(), client.Call{Path: "/v1/stock/S0"}, nil)
		require.NoError(t, err) // it is as new as any
		assert.Len(t, reservations(t, c.ask[i]), len(verdicts), "node %d", i+1)
		clean(t, c.ask[i])
	}
}

// raft is the raft address of node i, from the list.
func (c *cluster) raft(i int) string {
	list := strings.Split(c.flagOf(i, "--peers"), ",")
	_, addr, _ := strings.Cut(list[i], "=")
	return addr
}

// TestRollingRestartUnderLoad restarts all three nodes, one after the other, as an upgrade does, while
// units are reserved over all of them: every reserve is accepted in the end. How long the slowest took
// is logged, and judged by the robustness harness, which counts in heartbeats.
func TestRollingRestartUnderLoad(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	const skus, units = 20, 1_000_000
	world(t, c.ask[0], skus, units)
	stop := load(c.ask, skus, 8)
	for i := range c.nodes {
		c.voters((i+1)%3, "n1", "n2", "n3")
		require.Equal(t, exitOK, c.nodes[i].signal(syscall.SIGTERM), c.nodes[i].stderr())
		c.restart(i)
	}
	c.voters(0, "n1", "n2", "n3")
	verdicts, slowest := stop()
	for i, v := range verdicts {
		require.Equal(t, 201, v.Status, "reserve %d: %+v", i, v)
	}
	t.Logf("%d reserves meanwhile, the slowest took %v", len(verdicts), slowest)
	c.settled()
	for i := range c.ask {
		assert.Len(t, reservations(t, c.ask[i]), len(verdicts), fmt.Sprintf("node %d", i+1))
		clean(t, c.ask[i])
	}
}
