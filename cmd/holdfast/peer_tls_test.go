package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/client"
)

// certificate makes the files of a node by the command and returns its line for the pins.
func certificate(t *testing.T, node, dir string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "cluster", "certificate", "--node", node, "--out", dir)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	line, err := cmd.Output()
	require.NoError(t, err)
	return string(line)
}

func TestThreeProcessesTalkByTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var pins strings.Builder
	for i := range 3 {
		pins.WriteString(certificate(t, fmt.Sprintf("n%d", i+1), dir))
	}
	file := filepath.Join(dir, "pins")
	require.NoError(t, os.WriteFile(file, []byte(pins.String()), 0o600))

	c := startClusterWith(t, func(node string) []string {
		return []string{"--peer-tls-cert", filepath.Join(dir, node+".crt"),
			"--peer-tls-key", filepath.Join(dir, node+".key"), "--peer-tls-pins", file}
	})
	write := func(i int, name string) {
		t.Helper()
		_, err := client.DoRetry(t.Context(), []*client.Client{c.ask[i]}, 0, client.Retry{}, client.Call{
			Method: "PUT", Path: "/v1/locations/" + name, Key: name,
			Body: map[string]any{"kind": "merchant", "region": "na", "country": "US",
				"master": "holdfast"}}, nil)
		require.NoError(t, err)
	}
	for i := range c.nodes { // one of them leads, the others forward
		write(i, fmt.Sprintf("before-%d", i))
	}
	leader := c.leader(-1)
	c.nodes[leader].kill()
	for i := range c.nodes {
		if i != leader {
			write(i, fmt.Sprintf("after-%d", i))
		}
	}
}

func TestServeRefusesAPeerPortForAnyone(t *testing.T) {
	t.Parallel()
	args := []string{"serve", "--http", "127.0.0.1:0", "--raft", "0.0.0.0:0", "--data", t.TempDir()}
	p := launchProcess(t, args...)
	assert.Equal(t, exitUsage, p.wait())
	assert.Contains(t, p.stderr(), "peer.insecure")
	assert.Contains(t, p.stderr(), "peer.tls.cert")

	meant := launchProcess(t, append(args, "--peer-insecure", "true")...)
	meant.awaitReady()

	bad := launchProcess(t, append(args, "--peer-tls-cert", "nowhere.crt", "--peer-tls-key", "k",
		"--peer-tls-pins", "p")...)
	assert.Equal(t, exitFailure, bad.wait())
	assert.Contains(t, bad.stderr(), "nowhere.crt")
}
