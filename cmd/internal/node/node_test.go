package node

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/raftstore"
)

func single(dir string) Config {
	return Config{Name: "n1", Data: dir, HTTP: "127.0.0.1:0", Raft: "127.0.0.1:0",
		LeaderWait: time.Minute, LogSegmentBytes: 16 << 20}
}

// healthy is nil when a node answers on its HTTP port that it is ready, else says why not.
func healthy(n *Node) error {
	resp, err := http.Get("http://" + n.Addr() + "/readyz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	if err == nil && !strings.Contains(string(body), "[+]sync ok: ") {
		err = fmt.Errorf("no line of the sync core: %s", body)
	}
	return err
}

func TestNodeLivesTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, end := range []func(*Node){
		func(n *Node) { n.Kill(); n.Kill(); _ = n.Close() },
		func(n *Node) { assert.NoError(t, n.Close()); assert.NoError(t, n.Close()); n.Kill() },
	} {
		n, err := Start(t.Context(), single(dir))
		require.NoError(t, err)
		assert.NoError(t, healthy(n))
		assert.NoError(t, n.Err())

		_, err = Start(t.Context(), single(dir))
		var locked *raftstore.LockedError
		require.ErrorAs(t, err, &locked)

		end(n)
		assert.Error(t, healthy(n))
		assert.NoError(t, n.Err(), "being told to stop is no failure")
	}
}

func TestStartLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	cfg := single(t.TempDir())
	cfg.Raft = taken.Addr().String()
	_, err = Start(t.Context(), cfg)
	require.ErrorContains(t, err, "raft port")
	require.ErrorContains(t, err, "give --raft another address")

	cfg.Raft = "127.0.0.1:0"
	n, err := Start(t.Context(), cfg)
	require.NoError(t, err, "the folder is free again")
	require.NoError(t, n.Close())

	_, err = Start(t.Context(), Config{})
	for _, missing := range []string{"name", "data", "http", "raft"} {
		require.ErrorContains(t, err, missing+": missing")
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	assert.NoError(t, explain(nil))
	for _, c := range []struct {
		err   error
		want  string
		final bool
	}{
		{&raftstore.LockedError{File: "d/LOCK"}, "stop the other holdfast", false},
		{&raftstore.ForeignFolderError{File: "d/IDENTITY"}, "this node's own folder", true},
		{&raftstore.ForeignClusterError{File: "d/CURRENT"}, "a node of this cluster", true},
		{&raftstore.CorruptError{File: "d/CURRENT"}, "never delete single files", true},
		{&raftstore.UsedNameError{Node: "n3"}, "cluster recover", true},
		{&raftstore.LogGapError{Folder: "d/log"}, "never delete single files", true},
		{&raftstore.DivergedError{Index: 1024}, "what they hold is what was agreed", true},
		{&raftstore.LogLostError{File: "d/VOTE"}, "holdfast cluster recover", true},
		{&os.PathError{Op: "write", Path: "d/log/x", Err: syscall.ENOSPC}, "free space", false},
		{&os.PathError{Op: "mkdir", Path: "/d", Err: syscall.EACCES}, "the right to write", false},
		{errors.New("some\nthing"), "some; thing", false},
	} {
		err := explain(fmt.Errorf("open: %w", c.err))
		var stop *StopError
		require.ErrorAs(t, err, &stop)
		assert.Contains(t, err.Error(), c.want)
		assert.NotContains(t, err.Error(), "\n", "one line")
		assert.Equal(t, c.final, stop.Final, c.want)
	}
}

func TestUnwritableFolderIsNamed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Start(t.Context(), single(filepath.Join(file, "data")))
	require.ErrorContains(t, err, file)
}
