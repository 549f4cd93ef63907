package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/loopback"
)

// process is this command as a process of its own. Every process of a test ends with the test.
type process struct {
	t    *testing.T
	args []string
	cmd  *exec.Cmd
	http string // of the ready line

	mu   sync.Mutex
	log  bytes.Buffer // standard error
	done chan struct{}
}

// ready is how long a process may take until it is ready: several tests share two cores.
const ready = 60 * time.Second

// launchProcess starts the command and returns at once.
func launchProcess(t *testing.T, args ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return launchAs(t, cmd, args)
}

// launchAs starts a command that is, or becomes, a node; args are for messages.
func launchAs(t *testing.T, cmd *exec.Cmd, args []string) *process {
	t.Helper()
	p := &process{t: t, args: args, cmd: cmd, done: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.done)
		lines := bufio.NewReader(pipe)
		for {
			line, err := lines.ReadString('\n')
			p.mu.Lock()
			p.log.WriteString(line)
			p.mu.Unlock()
			if err != nil {
				_, _ = io.Copy(io.Discard, pipe)
				_ = p.cmd.Wait()
				return
			}
		}
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%v:\n%s", args, p.stderr())
		}
	})
	return p
}

// startProcess starts a node and waits for its ready line, which must be the first.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := launchProcess(t, append([]string{"serve"}, args...)...)
	p.awaitReady()
	return p
}

func (p *process) awaitReady() {
	p.t.Helper()
	ended := func() bool {
		select {
		case <-p.done:
			return true
		default:
			return strings.Contains(p.stderr(), "\n")
		}
	}
	require.Eventually(p.t, ended, ready, time.Millisecond, "%v is not ready", p.args)
	first, _, _ := strings.Cut(p.stderr(), "\n")
	rest, ok := strings.CutPrefix(first, "holdfast ready http=")
	require.True(p.t, ok, "first line of %v: %s", p.args, first)
	p.http, _, ok = strings.Cut(rest, " node=")
	require.True(p.t, ok, first)
}

func (p *process) stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// kill ends the process with SIGKILL, as often as it is called, and waits.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails when it is over already
	<-p.done
}

// signal sends a signal and returns the exit status.
func (p *process) signal(s os.Signal) int {
	require.NoError(p.t, p.cmd.Process.Signal(s))
	return p.wait()
}

// wait waits for the end and returns the exit status.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(ready):
		require.Fail(p.t, "the process does not end", p.stderr())
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) client() *client.Client {
	c := client.New(client.Config{Server: "http://" + p.http, Conns: 64})
	p.t.Cleanup(c.Close)
	return c
}

// cluster is three nodes as processes, on ports and folders that stay theirs.
type cluster struct {
	t     *testing.T
	args  [][]string
	nodes []*process
	ask   []*client.Client
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	return startClusterWith(t, func(string) []string { return nil })
}

// startClusterWith starts a cluster whose nodes have further arguments.
func startClusterWith(t *testing.T, more func(node string) []string) *cluster {
	t.Helper()
	const n = 3
	addrs, err := loopback.Free(2 * n)
	require.NoError(t, err)
	var peers []string
	for i := range n {
		peers = append(peers, fmt.Sprintf("n%d=%s", i+1, addrs[n+i]))
	}
	c := &cluster{t: t}
	for i := range n {
		c.args = append(c.args, []string{"serve", "--node", fmt.Sprintf("n%d", i+1), "--http", addrs[i],
			"--data", t.TempDir(), "--peers", strings.Join(peers, ","), "--log-level", "warn"})
		c.args[i] = append(c.args[i], more(fmt.Sprintf("n%d", i+1))...)
		c.nodes = append(c.nodes, launchProcess(t, c.args[i]...))
		cl := client.New(client.Config{Server: "http://" + addrs[i], Conns: 32})
		t.Cleanup(cl.Close)
		c.ask = append(c.ask, cl)
	}
	for _, p := range c.nodes {
		p.awaitReady()
	}
	c.leader(-1)
	return c
}

// leader waits until a node other than but leads, by the word of one that is not but.
func (c *cluster) leader(but int) (leader int) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		for i, ask := range c.ask {
			var s client.Cluster
			if i == but {
				continue
			}
			if _, err := ask.Do(context.Background(), client.Call{Path: "/v1/cluster"}, &s); err != nil {
				continue
			}
			for j := range c.nodes {
				if j != but && s.Leader == fmt.Sprintf("n%d", j+1) {
					leader = j
					return true
				}
			}
		}
		return false
	}, ready, 5*time.Millisecond, "no leader")
	return leader
}

// restart starts node i again from its folder and waits until it is ready.
func (c *cluster) restart(i int) {
	c.t.Helper()
	c.nodes[i] = launchProcess(c.t, c.args[i]...)
	c.nodes[i].awaitReady()
}

// world defines one location, one channel without buffer and SKUs S0… with units each.
func world(t *testing.T, ask *client.Client, skus int, units int64) {
	t.Helper()
	send := func(method, path, key string, body any) {
		t.Helper()
		_, err := client.DoRetry(context.Background(), []*client.Client{ask}, 0, client.Retry{},
			client.Call{Method: method, Path: path, Key: key, Body: body}, nil)
		require.NoError(t, err)
	}
	send("PUT", "/v1/locations/main", "w1", map[string]any{"kind": "merchant", "region": "na",
		"country": "US", "master": "holdfast"})
	send("PUT", "/v1/channels/web", "w2", map[string]any{"kind": "api", "region": "na",
		"locations": []string{"main"}, "rules": map[string]any{}})
	var defs []map[string]any
	var changes []client.StockChange
	for i := range skus {
		sku := fmt.Sprintf("S%d", i)
		defs = append(defs, map[string]any{"sku": sku})
		changes = append(changes, client.StockChange{SKU: sku, Location: "main", Set: &units})
	}
	send("POST", "/v1/skus", "w3", map[string]any{"skus": defs})
	var res client.StockResults
	_, err := ask.Do(context.Background(), client.Call{Method: "POST", Path: "/v1/stock", Key: "w4",
		Body: client.StockChanges{Changes: changes}}, &res)
	require.NoError(t, err)
	require.Len(t, res.Results, skus)
	for _, r := range res.Results {
		require.Equal(t, "applied", r.Status, "%+v", r)
	}
}
