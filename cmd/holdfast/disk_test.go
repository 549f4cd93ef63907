package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"holdfast/cmd/internal/client"
)

// smallDisk is a file system of its own in memory. Only root may make one; the test is skipped else.
func smallDisk(t *testing.T, bytes int64) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skip("no file system of its own: ", err)
	}
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

// fillDisk takes all of the disk but left bytes; the returned function gives it back.
func fillDisk(t *testing.T, dir string, left uint64) (giveBack func()) {
	t.Helper()
	f, err := os.CreateTemp(dir, "somebody-elses")
	require.NoError(t, err)
	for try := 0; ; try++ { // the node may take some in between
		var st unix.Statfs_t
		require.NoError(t, unix.Statfs(dir, &st))
		err := unix.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail*uint64(st.Bsize)-left))
		if err == nil {
			break
		}
		require.ErrorIs(t, err, unix.ENOSPC)
		require.Less(t, try, 100)
	}
	require.NoError(t, f.Close())
	return func() { require.NoError(t, os.Remove(f.Name())) }
}

// status sends a call once and returns its HTTP status.
func status(t *testing.T, ask *client.Client, call client.Call) int {
	t.Helper()
	reply, err := ask.Do(context.Background(), call, nil)
	if err == nil {
		return reply.Status
	}
	var p *client.Problem
	require.ErrorAs(t, err, &p)
	return p.Status
}

func reserveCall(id string) client.Call {
	return client.Call{Method: "POST", Path: "/v1/reservations", Key: "k-" + id,
		Body: client.Reserve{ID: id, Channel: "web", Lines: []client.AskLine{{SKU: "S0", Qty: 1}}}}
}

func verbCall(id, verb string) client.Call {
	return client.Call{Method: "POST", Path: "/v1/reservations/" + id + "/" + verb,
		Body: map[string]any{}}
}

// readyz returns the status and the lines of a node's readiness, or status 0 and the error.
func readyz(p *process) (int, string) {
	resp, err := http.Get("http://" + p.http + "/readyz")
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// TestAFullDisk fills the disk of a node of its own: reserves get 507, the rest goes on, also after
// kill -9 and a start without a byte to spare, and all is well once there is space again.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 64<<20)
	args := []string{"--http", "127.0.0.1:0", "--raft", "127.0.0.1:0", "--data",
		filepath.Join(dir, "data"), "--log-level", "warn"}
	node := startProcess(t, args...)
	ask := node.client()
	world(t, ask, 1, 1000)
	for i := range 6 {
		require.Equal(t, 201, status(t, ask, reserveCall(fmt.Sprint("r", i))))
	}
	tries, taken := 0, int64(6)
	becomes := func(want int) {
		t.Helper()
		require.Eventually(t, func() bool {
			tries++
			got := status(t, ask, reserveCall(fmt.Sprint("try-", tries)))
			if got == 201 {
				taken++
			}
			return got == want
		}, 10*time.Second, 20*time.Millisecond)
	}

	giveBack := fillDisk(t, dir, 4<<20)
	becomes(507)
	assert.EventuallyWithT(t, func(t *assert.CollectT) { // it may have looked while the disk was filled
		code, lines := readyz(node)
		assert.Equal(t, 503, code)
		assert.Contains(t, lines, "[-]disk failed: 4.0 MiB of 64.0 MiB free, 12.0 MiB needed")
	}, 10*time.Second, 20*time.Millisecond)
	assert.Equal(t, 201, status(t, ask, reserveCall("r0")), "a remembered answer")
	assert.Equal(t, 200, status(t, ask, verbCall("r0", "commit")))
	assert.Equal(t, 200, status(t, ask, verbCall("r0", "ship")))
	assert.Equal(t, 200, status(t, ask, verbCall("r1", "release")))
	giveBack()
	becomes(201)
	code, _ := readyz(node)
	assert.Equal(t, 200, code)

	giveBack = fillDisk(t, dir, 0)
	becomes(507)
	assert.Equal(t, 200, status(t, ask, verbCall("r2", "release")))
	node.kill()
	node = startProcess(t, args...)
	ask = node.client()
	becomes(507)
	assert.Equal(t, 200, status(t, ask, verbCall("r3", "release")))
	giveBack()
	becomes(201)
	var stock client.Stock
	_, err := ask.Do(context.Background(), client.Call{Path: "/v1/stock/S0"}, &stock)
	require.NoError(t, err)
	held := taken - 4 // one was shipped, three were released
	assert.Equal(t, client.LocationStock{Location: "main", OnHand: 999, Held: held,
		Available: 999 - held}, stock.Locations[0])
	clean(t, ask)
}

// TestADiskThatStopsANode writes until a file of the log or of the events finds no room: the process
// ends and says what to do, and the ballast is enough to start again.
func TestADiskThatStopsANode(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 64<<20)
	data := filepath.Join(dir, "data")
	args := []string{"--http", "127.0.0.1:0", "--raft", "127.0.0.1:0", "--data", data,
		"--log-level", "warn", "--disk-ballast", "5MiB"}
	node := startProcess(t, args...)
	ask := node.client()
	world(t, ask, 1, 1000)
	giveBack := fillDisk(t, dir, 512<<10)
	last := int64(0)
	for i := int64(1); ; i++ {
		var changes []client.StockChange
		for k := range int64(5000) {
			units := i*10_000 + k
			changes = append(changes, client.StockChange{SKU: "S0", Location: "main", Set: &units})
		}
		_, err := ask.Do(context.Background(), client.Call{Method: "POST", Path: "/v1/stock",
			Key: fmt.Sprint("set", i), Body: client.StockChanges{Changes: changes}}, nil)
		if err != nil {
			break
		}
		last = i*10_000 + 4999
		require.Less(t, i, int64(200), "it never fills up")
	}
	assert.NotZero(t, node.wait())
	assert.Contains(t, node.stderr(), "no space left on device")
	assert.Contains(t, node.stderr(), "what to do: free space on that disk (`holdfast cluster free-ballast`")
	assert.Contains(t, node.stderr(), data)

	freed, _, text := runHere(t, "cluster", "free-ballast", "--data", data)
	require.Equal(t, exitOK, freed, text)
	require.NoFileExists(t, filepath.Join(data, "BALLAST"))
	node = startProcess(t, args...)
	ask = node.client()
	var stock client.Stock
	_, err := ask.Do(context.Background(), client.Call{Path: "/v1/stock/S0"}, &stock)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, stock.Locations[0].OnHand, last)
	giveBack()
	require.Eventually(t, func() bool { return status(t, ask, reserveCall("r")) == 201 },
		10*time.Second, 20*time.Millisecond)
	clean(t, ask)
}
