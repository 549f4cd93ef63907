package raftstore

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// diskParts is a node's disk without raft: what is stored is applied at once.
type diskParts struct {
	folder      *Folder
	checkpoints *CheckpointStore
	log         *RaftLog
	events      *EventFiles
	ledger      *engine.Ledger
	skip        uint64 // events up to here are in the files already
}

// openDiskParts opens a folder as a start does: load, align, cut, replay.
func openDiskParts(t *testing.T, dir string) *diskParts {
	t.Helper()
	d := &diskParts{folder: openTestFolder(t, dir, "n1")}
	d.checkpoints = openTestCheckpoints(t, CheckpointConfig{
		Dir: d.folder.CheckpointDir(),
		Owner: func() Owner {
			return Owner{d.folder.Identity().ClusterID, d.folder.Identity().Incarnation}
		},
	})
	ledger, meta, err := d.checkpoints.Load()
	has := err != ErrNoCheckpoint
	if has {
		require.NoError(t, err)
	} else {
		ledger = engine.New(engine.Options{})
	}
	d.ledger, d.skip = ledger, meta.Events.Seq
	d.log = openTestLog(t, LogConfig{
		Dir: d.folder.LogDir(), Votes: d.folder.VotePath(), SegmentBytes: 256 << 10, Floor: d.checkpoints.Floor,
		Fatal: func(what string, err error) { t.Errorf("%s: %v", what, err) },
	})
	require.NoError(t, AlignLog(d.log, meta, has, d.folder.LogDir()))
	d.events = openTestEvents(t, EventLogConfig{Dir: d.folder.EventDir(), SegmentBytes: 64 << 10})
	require.NoError(t, d.events.CutTo(meta.Events))
	have, err := logRange(d.log)
	require.NoError(t, err)
	for i := ledger.Index() + 1; i <= have.last; i++ {
		var e raft.Log
		require.NoError(t, d.log.GetLog(i, &e))
		d.apply(t, i, e.Data)
	}
	return d
}

func (d *diskParts) apply(t *testing.T, index uint64, payload []byte) {
	t.Helper()
	e, err := engine.OpenEntry(payload)
	require.NoError(t, err)
	var out engine.Output
	d.ledger.Apply(index, e, &out)
	if d.ledger.LastEvent() > d.skip {
		require.NoError(t, d.events.Append(out.Events))
	}
}

// checkpoint does what Persist does, and then what raft does.
func (d *diskParts) checkpoint(t *testing.T) {
	t.Helper()
	mark, err := d.events.Sync()
	require.NoError(t, err)
	index := d.ledger.Index()
	sweepInto(t, d.checkpoints, d.ledger, mark)
	have, err := logRange(d.log)
	require.NoError(t, err)
	require.NoError(t, d.log.DeleteRange(have.first, index-10))
}

const (
	childFolder  = "HOLDFAST_TEST_FOLDER"
	childEntries = 2_000
)

// TestDiskChild is the process that TestKilledDisk kills.
func TestDiskChild(t *testing.T) {
	dir := os.Getenv(childFolder)
	if dir == "" {
		t.Skip("only as a child of TestKilledDisk")
	}
	log := ledgerLog(t, 300, childEntries)
	d := openDiskParts(t, dir)
	fmt.Println("stored", d.ledger.Index())
	for i := d.ledger.Index() + 1; i <= uint64(len(log)); i++ {
		e := &raft.Log{Index: i, Term: 3, Type: raft.LogCommand, Data: log[i-1]}
		require.NoError(t, d.log.StoreLog(e))
		fmt.Println("stored", i)
		d.apply(t, i, log[i-1])
		if i%15 == 0 {
			d.checkpoint(t)
		}
	}
}

// TestKilledDisk kills a process that stores, applies and checkpoints, over and over, and looks at
// what it left: every entry that it said was stored, a ledger and events as if nothing had
// happened.
func TestKilledDisk(t *testing.T) {
	t.Parallel()
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	seed := rand.Uint64()
	t.Logf("seed of the kills %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	log := ledgerLog(t, 300, childEntries)
	want, wantEvents := engine.New(engine.Options{}), NewMemEventLog()
	dir := t.TempDir()
	for range rounds {
		stored := runAndKill(t, dir, 1+r.IntN(60))
		d := openDiskParts(t, dir)
		index := d.ledger.Index()
		require.GreaterOrEqual(t, index, stored, "an entry that was stored is gone")
		applyLog(t, want, log[:index], int(want.Index()), wantEvents)
		require.Equal(t, want.Digest(), d.ledger.Digest())
		require.Empty(t, d.ledger.Check())
		requireSameEvents(t, wantEvents, d.events)
		for _, close := range []func() error{
			d.events.Close, d.log.Close, d.checkpoints.Close, d.folder.Close,
		} {
			require.NoError(t, close())
		}
	}
	t.Logf("%d entries, %d events", want.Index(), want.LastEvent())
}

// runAndKill starts the child on dir, kills it after it has stored so many entries and a moment,
// and returns the last index that it said was stored.
func runAndKill(t *testing.T, dir string, entries int) (stored uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDiskChild$")
	cmd.Env = append(os.Environ(), childFolder+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	var other []string
	for n := 0; lines.Scan(); {
		var index uint64
		if _, err := fmt.Sscanf(lines.Text(), "stored %d", &index); err != nil {
			other = append(other, lines.Text())
			continue
		}
		stored = index
		if n++; n == entries {
			// Not between two lines, but somewhere in what comes next.
			time.AfterFunc(time.Duration(entries%7)*time.Millisecond, func() {
				_ = cmd.Process.Kill()
			})
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%v", other)
	require.False(t, exit.Exited(), "it ended by itself: %v", other)
	return stored
}

func requireSameEvents(t *testing.T, want, got EventLog) {
	t.Helper()
	first, last := want.Bounds()
	gotFirst, gotLast := got.Bounds()
	require.Equal(t, [2]uint64{first, last}, [2]uint64{gotFirst, gotLast})
	var all []engine.Event
	require.NoError(t, want.Read(0, func(e *engine.Event) bool {
		all = append(all, *e)
		return true
	}))
	require.NoError(t, got.Read(0, func(e *engine.Event) bool {
		if *e != all[0] {
			return assert.Equal(t, all[0], *e)
		}
		all = all[1:]
		return true
	}))
	require.Empty(t, all)
}
