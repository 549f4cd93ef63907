package robustness

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/robustness/broken"
	"holdfast/cmd/internal/robustness/fault"
)

func TestMain(m *testing.M) {
	if code, again := InNamespace(os.Args); again {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// TestBrokenBuildsAreCaught runs each schedule once. The command does it ten times, and on a good
// build too: go run ./cmd/robustness -bugs.
func TestBrokenBuildsAreCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds six commands and runs each for some ten seconds")
	}
	for _, b := range broken.Bugs {
		t.Run(b.Tag, func(t *testing.T) {
			dir := t.TempDir()
			binary := filepath.Join(dir, "holdfast")
			require.NoError(t, Build(t.Context(), binary, b.Tag))
			c := Caught{Bug: b, By: map[string]int{}}
			require.NoError(t, c.round(t.Context(), filepath.Join(dir, "run"), binary, 1))
			if c.Skipped != "" {
				t.Skip(c.Skipped)
			}
			assert.Equal(t, 1, c.Times, "a build in which %s passes", b.What)
			t.Log(c.By, c.Took)
		})
	}
}

// TestGoodBuildSurvives some of every fault.
func TestGoodBuildSurvives(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs three processes for half a minute")
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "holdfast")
	require.NoError(t, Build(t.Context(), binary, ""))
	r, err := Run(t.Context(), Config{Binary: binary, Dir: dir, Seed: 1, Patience: 2 * time.Minute,
		Counts: Counts{fault.Kill: 2, fault.Partition: 1, fault.PowerCut: 1}, Out: t.Output()})
	require.NoError(t, err)
	assert.Empty(t, r.Violations)
	assert.Positive(t, r.Accepted)
	assert.Equal(t, 2, r.Tally.Done[fault.Kill])
}
