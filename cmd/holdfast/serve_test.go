package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/loopback"
)

func TestServeSaysReadyFirstAndStopsInOrder(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		p := startProcess(t, "--http", "127.0.0.1:0", "--raft", "127.0.0.1:0", "--data", t.TempDir(),
			"--admin", "127.0.0.1:0", "--node", "n9")
		first, _, _ := strings.Cut(p.stderr(), "\n")
		assert.Equal(t, "holdfast ready http="+p.http+" node=n9", first)
		_, port, err := net.SplitHostPort(p.http)
		require.NoError(t, err)
		assert.NotEqual(t, "0", port)
		world(t, p.client(), 1, 1)
		resp, err := http.Get("http://" + p.http + "/readyz")
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, http.StatusOK, resp.StatusCode)

		assert.Equal(t, exitOK, p.signal(sig), p.stderr())
		_, rest, _ := strings.Cut(p.stderr(), "\n")
		var admin string
		for line := range strings.Lines(rest) { // no terminal: the log is JSON
			var entry map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &entry), line)
			if a, ok := entry["admin"].(string); ok {
				admin = a
			}
		}
		assert.NotEmpty(t, admin)
	}
}

func TestServeRefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	args := []string{"--http", "127.0.0.1:0", "--raft", "127.0.0.1:0", "--data", data}
	first := startProcess(t, args...)

	second := launchProcess(t, append([]string{"serve"}, args...)...)
	assert.Equal(t, exitFailure, second.wait())
	assert.Contains(t, second.stderr(), filepath.Join(data, "LOCK"))
	assert.Contains(t, second.stderr(), "what to do: stop the other holdfast")
	assert.Equal(t, 1, strings.Count(second.stderr(), "\n"), "one line: %s", second.stderr())

	taken := launchProcess(t, "serve", "--http", first.http, "--raft", "127.0.0.1:0",
		"--data", t.TempDir())
	assert.Equal(t, exitFailure, taken.wait())
	assert.Contains(t, taken.stderr(), first.http)
	assert.Contains(t, taken.stderr(), "give --http another address")

	assert.Equal(t, exitOK, first.signal(syscall.SIGTERM))
	other := launchProcess(t, append([]string{"serve", "--node", "n2"}, args...)...)
	assert.Equal(t, exitData, other.wait())
	assert.Contains(t, other.stderr(), filepath.Join(data, "IDENTITY"))
	assert.Contains(t, other.stderr(), `"n1"`)

	require.NoError(t, os.WriteFile(filepath.Join(data, "IDENTITY"), []byte("x"), 0o600))
	damaged := launchProcess(t, append([]string{"serve"}, args...)...)
	assert.Equal(t, exitData, damaged.wait())
	assert.Contains(t, damaged.stderr(), filepath.Join(data, "IDENTITY"))
	assert.Equal(t, 1, strings.Count(damaged.stderr(), "\n"), "one line: %s", damaged.stderr())
}

// TestLoneNodeWaits starts one of three: it says ready, serves what needs nobody, and says not now
// to all else.
func TestLoneNodeWaits(t *testing.T) {
	t.Parallel()
	addrs, err := loopback.Free(3)
	require.NoError(t, err)
	p := startProcess(t, "--http", "127.0.0.1:0", "--data", t.TempDir(), "--node", "n2",
		"--peers", "n1="+addrs[0]+",n2="+addrs[1]+",n3="+addrs[2])
	for path, want := range map[string]int{
		"/livez": http.StatusOK, "/readyz": http.StatusServiceUnavailable,
		"/v1/cluster": http.StatusOK, "/v1/skus": http.StatusServiceUnavailable,
		"/v1/skus?level=stale": http.StatusOK, // so it is while a log is replayed
	} {
		resp, err := http.Get("http://" + p.http + path)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, want, resp.StatusCode, path)
	}
	get := launchProcess(t, "stock", "get", "A", "--server", "http://"+p.http)
	assert.Equal(t, exitUnreachable, get.wait())
	assert.Contains(t, get.stderr(), "no-leader")
	state := launchProcess(t, "cluster", "status", "--server", "http://"+p.http)
	assert.Equal(t, exitFailure, state.wait())
	assert.Contains(t, state.stderr(), "no leader")
	assert.Equal(t, exitOK, p.signal(syscall.SIGTERM))
}

func TestLimitOfMemory(t *testing.T) {
	t.Parallel()
	assert.Equal(t, int64(16384<<10), totalMemory("MemFree: 1 kB\nMemTotal:       16384 kB\n"))
	assert.Positive(t, totalMemory("nonsense"))
	assert.Zero(t, limitMemory("1GiB"), "the environment decides")
}
