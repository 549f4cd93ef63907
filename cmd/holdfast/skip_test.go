package main

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"holdfast/cmd/internal/client"
	"holdfast/engine"
	"holdfast/raftstore"
)

// plantPoison appends an entry on which apply panics to the log of a node that is stopped, as if it had
// been agreed on, and returns its index.
func plantPoison(t *testing.T, data string) uint64 {
	t.Helper()
	log, err := raftstore.OpenRaftLog(raftstore.LogConfig{Dir: filepath.Join(data, "log"),
		Votes: filepath.Join(data, "VOTE"),
		Fatal: func(what string, err error) { t.Error(what, err) }})
	require.NoError(t, err)
	last, err := log.LastIndex()
	require.NoError(t, err)
	var e raft.Log
	require.NoError(t, log.GetLog(last, &e))
	var b engine.EntryBuilder
	b.Append([]byte{5, 1, 0}, 1, false) // a set whose body ends early
	mark := binary.LittleEndian.AppendUint64(nil, e.Term)
	mark = binary.LittleEndian.AppendUint64(mark, xxh3.Hash(mark))
	require.NoError(t, log.StoreLog(&raft.Log{Index: last + 1, Term: e.Term, Type: raft.LogCommand,
		Data: b.Seal(0, 0), Extensions: mark}))
	require.NoError(t, log.Close())
	return last + 1
}

func TestAnEntryThatPanicsIsSkippedAsTheLogSays(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	args := []string{"--http", "127.0.0.1:0", "--raft", "127.0.0.1:0", "--data", data}
	p := startProcess(t, args...)
	world(t, p.client(), 1, 10)
	p.kill()
	index := plantPoison(t, data)

	stopped := launchProcess(t, append([]string{"serve"}, args...)...)
	require.Equal(t, exitData, stopped.wait(), "a supervisor should not start it again")
	said := regexp.MustCompile(`--skip-entry (\d+:[0-9a-f]{16}); give it on every node`).
		FindStringSubmatch(stopped.stderr())
	require.NotEmpty(t, said, stopped.stderr())
	require.Contains(t, said[1], fmt.Sprint(index, ":"))
	require.Contains(t, stopped.stderr(), "at command 1 of 1 (set)")

	other := launchProcess(t, append([]string{"serve", "--skip-entry",
		fmt.Sprint(index, ":0000000000000001")}, args...)...)
	require.Equal(t, exitData, other.wait())
	require.Contains(t, other.stderr(), "nothing was skipped")

	p = startProcess(t, append(args, "--skip-entry", said[1])...)
	var s client.Stock
	_, err := p.client().Do(t.Context(), client.Call{Path: "/v1/stock/S0"}, &s)
	require.NoError(t, err)
	require.EqualValues(t, 10, s.Locations[0].OnHand)
}
