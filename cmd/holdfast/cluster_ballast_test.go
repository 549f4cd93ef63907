package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFreeBallastAsksNoServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "BALLAST")
	free := func(more ...string) (int, string, string) {
		return runHere(t, append([]string{"cluster", "free-ballast", "--data", dir}, more...)...)
	}
	require.NoError(t, os.WriteFile(file, make([]byte, 4096), 0o600))
	status, out, text := free()
	require.Equal(t, exitOK, status, text)
	assert.Contains(t, out, "4096 bytes freed in "+dir)
	assert.NoFileExists(t, file)
	status, out, _ = free("-o", "json")
	assert.Equal(t, exitOK, status)
	assert.Contains(t, out, `"freed_bytes": 0`)

	dir = filepath.Join(dir, "mistyped")
	status, _, text = free()
	assert.Equal(t, exitFailure, status)
	assert.Contains(t, text, dir)
	assert.NoDirExists(t, dir)
}
