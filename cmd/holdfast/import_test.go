package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/client"
)

// TestImportTwiceCountsOnce adjusts stock from a file of two chunks, again with the same file, and
// a third time under another name: it counts once, and once more.
func TestImportTwiceCountsOnce(t *testing.T) {
	t.Parallel()
	const skus, each = 120, 100 // 12,000 rows
	node := startProcess(t, "--http", "127.0.0.1:0", "--raft", "127.0.0.1:0", "--data", t.TempDir(),
		"--log-level", "warn")
	ask := node.client()
	world(t, ask, skus, 5)
	var b strings.Builder
	b.WriteString("sku,location,adjust,reason\n")
	for i := range skus * each {
		fmt.Fprintf(&b, "S%d,main,1,found\n", i%skus)
	}
	file := filepath.Join(t.TempDir(), "found.csv")
	require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o600))

	run := func(want int64, args ...string) {
		t.Helper()
		command := []string{"stock", "import", file, "--server", ask.Server()}
		p := launchProcess(t, append(command, args...)...)
		require.Equal(t, exitOK, p.wait(), p.stderr())
		for _, sku := range []string{"S0", "S7", "S119"} {
			var stock client.Stock
			_, err := ask.Do(context.Background(), client.Call{Path: "/v1/stock/" + sku}, &stock)
			require.NoError(t, err)
			assert.Equal(t, want, stock.Locations[0].OnHand, "%v: %s", args, sku)
		}
	}
	run(5, "--dry-run")
	run(5 + each)
	run(5 + each)
	run(5+2*each, "--run", "second")
	run(5+2*each, "--run", "second")
	clean(t, ask)
}
