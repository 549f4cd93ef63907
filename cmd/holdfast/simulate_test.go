package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSimulate runs the command as a process: its ready line, the bodies of connections, a call that
// a fault of the file answers, one that is answered truly, and a signal that ends it with 0.
func TestSimulate(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	faults, file := filepath.Join(folder, "faults.yaml"), filepath.Join(folder, "conn.json")
	require.NoError(t, os.WriteFile(faults,
		[]byte("faults:\n  - {id: one, kind: locked, count: 1}\n"), 0o600))
	cmd := exec.Command(os.Args[0], "simulate", "--speed", "60", "--skus", "3", "--faults", faults,
		"--connections", file)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "holdfast simulate ready shopify=")
	require.True(t, ok, line)

	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var bodies map[string]struct {
		Kind, Mode, Endpoint, Account string
		Secrets                       map[string]string
		Locations                     map[string]string
	}
	require.NoError(t, json.Unmarshal(text, &bodies))
	require.Len(t, bodies, 2)
	c := bodies["shopify-beta"]
	assert.Equal(t, []string{"shopify", "observe", "http://" + addr + "/beta", "beta.myshopify.com"},
		[]string{c.Kind, c.Mode, c.Endpoint, c.Account})
	assert.Len(t, c.Locations, 2)
	require.NotContains(t, string(text), "shpat_", "no secret is in the bodies")
	token, err := os.ReadFile(strings.TrimPrefix(c.Secrets["token"], "file:"))
	require.NoError(t, err)

	call := func() (int, string) {
		r, err := http.NewRequest("POST", c.Endpoint+"/admin/api/2026-10/graphql.json",
			strings.NewReader(`{"query":"{ shop { name } }"}`))
		require.NoError(t, err)
		r.Header.Set("X-Shopify-Access-Token", strings.TrimSpace(string(token)))
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
		assert.Equal(t, "60", res.Header.Get("X-Simulate-Speed"))
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(body)
	}
	status, _ := call()
	assert.Equal(t, http.StatusLocked, status)
	status, body := call()
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, `"name":"beta"`)

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	assert.NoError(t, cmd.Wait(), "it ends with 0")
}
