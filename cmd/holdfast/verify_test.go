package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/node"
)

// runHere runs the command in this process.
func runHere(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	a := &app{args: args, stdin: strings.NewReader(""), stdout: &out, stderr: &err}
	status = a.run(t.Context())
	return status, out.String(), err.String()
}

func TestVerifyAFolderInUseAndAfterAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startProcess(t, "--data", dir, "--http", "127.0.0.1:0", "--raft", "127.0.0.1:0")
	world(t, p.client(), 5, 100)
	status, out, text := runHere(t, "verify", dir)
	require.Equal(t, exitOK, status, "%s%s", out, text)
	require.Contains(t, out, "in use by pid ")
	require.Equal(t, 6, strings.Count(out, "✓"), out)
	p.kill()

	status, out, text = runHere(t, "verify", "--data", dir, "-o", "json")
	require.Equal(t, exitOK, status, text)
	var report node.FolderReport
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.True(t, report.Good && report.Starts)
	require.Empty(t, report.InUse)

	current := filepath.Join(dir, "checkpoints", "CURRENT")
	doc, err := os.ReadFile(current)
	require.NoError(t, err)
	doc[len(doc)-3] ^= 1
	require.NoError(t, os.WriteFile(current, doc, 0o600))
	status, out, text = runHere(t, "verify", dir)
	require.Equal(t, exitData, status)
	assert.Contains(t, out, "✗ current")
	assert.Contains(t, out, current)
	assert.Contains(t, text, "what to do: no node starts on it")
	again := launchProcess(t, "serve", "--data", dir, "--http", "127.0.0.1:0", "--raft", "127.0.0.1:0")
	require.Equal(t, exitData, again.wait(), "as serve says")
	assert.Contains(t, again.stderr(), current)

	status, _, _ = runHere(t, "verify", filepath.Join(dir, "none"))
	require.Equal(t, exitFailure, status)
	status, _, _ = runHere(t, "verify", dir, dir)
	require.Equal(t, exitUsage, status)
}
