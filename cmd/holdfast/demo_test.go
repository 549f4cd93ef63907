package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDemo runs a small demo to its end, kill included.
func TestDemo(t *testing.T) {
	t.Parallel()
	p := launchProcess(t, "demo", "--orders", "400", "--seed", "1")
	assert.Equal(t, exitOK, p.wait())
	assert.Contains(t, p.stderr(), "killed the leader")
	assert.Contains(t, p.stderr(), "is back from its folder")
}

// TestDemoIsInterrupted stops a demo in the middle: it says so and leaves nothing behind.
func TestDemoIsInterrupted(t *testing.T) {
	t.Parallel()
	p := launchProcess(t, "demo", "--orders", "100000", "--seed", "1", "--rate", "100")
	require.Eventually(t, func() bool { return strings.Contains(p.stderr(), "SKUs") }, ready,
		time.Millisecond)
	assert.Equal(t, exitInterrupted, p.signal(os.Interrupt))
	assert.Contains(t, p.stderr(), "holdfast: stopped by a signal\n")
	assert.NotContains(t, p.stderr(), "is kept in")

	wrong := launchProcess(t, "demo", "--orders", "0")
	assert.Equal(t, exitUsage, wrong.wait())
	assert.Contains(t, wrong.stderr(), "orders: 0 must be 1 or more")
}
