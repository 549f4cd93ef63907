package raftstore

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// submit has a command accepted.
func submit(t *testing.T, s *Store, c engine.Command) engine.Result {
	t.Helper()
	r, err := s.Submit(t.Context(), engine.Op{Command: c})
	require.NoError(t, err)
	require.Equal(t, engine.Accepted, r.Refusal, "%T %s", c, r.Field)
	return r
}

// leaves waits until reservations have left a node's memory.
func leaves(t *testing.T, s *Store, ids ...string) {
	t.Helper()
	for _, id := range ids {
		require.Eventually(t, func() bool {
			_, away := s.retired(id)
			return away
		}, 30*time.Second, time.Millisecond, id)
	}
}

// shipping closes one reservation after the other until stop is closed; the result waits for its end
// and tells their ids.
func shipping(s *Store, callers int, stop chan struct{}) func() []string {
	var all sync.WaitGroup
	var mu sync.Mutex
	var ids []string
	for k := range callers {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("s-%d-%d", k, i)
				shipped := true
				for _, c := range []engine.Command{reserve(id, "A", 1, time.Hour), &engine.Ship{ID: id}} {
					r, err := s.Submit(s.ctx, engine.Op{Command: c})
					shipped = shipped && err == nil && r.Refusal == engine.Accepted
				}
				if shipped {
					mu.Lock()
					ids = append(ids, id)
					mu.Unlock()
				}
			}
		})
	}
	return func() []string {
		all.Wait()
		return ids
	}
}

// TestABackupBringsWhatHasLeftMemory takes a backup while reservations leave, come back, leave again and
// are forgotten, and between its beginning and its end lets all of that go on, checkpoints among it.
func TestABackupBringsWhatHasLeftMemory(t *testing.T) {
	t.Parallel()
	nodes := realNodes(t, 3, nil)
	leader := leading(t, nodes)
	define(t, leader.Store, 1_000_000)
	limits := engine.Limits{ClosedAfter: 1, IDMemory: time.Hour.Milliseconds()}
	submit(t, leader.Store, &engine.Configure{Limits: limits})
	stop := make(chan struct{})
	load := shipping(leader.Store, 4, stop)
	follower := nodes[0]
	if follower == leader {
		follower = nodes[1]
	}
	const first, second, returned = "s-0-1", "s-1-1", "s-2-1"
	leaves(t, follower.Store, first, second, returned, "s-0-50")
	submit(t, leader.Store, &engine.Return{ID: returned, Disposition: engine.Sellable})
	leaves(t, follower.Store, returned) // under a second version
	for _, c := range []engine.Command{put(1, "live", "as it was"), put(1, "dropped", "x"),
		put(1, "rewritten", "before"), &engine.Drop{Table: 1, Key: "dropped"},
		&engine.Put{Table: 1, Key: "archived", Expires: 1, Archive: true, Body: []byte("kept")}} {
		submit(t, leader.Store, c)
	}
	require.Eventually(t, func() bool {
		r, ok, err := follower.Record(t.Context(), 1, "archived", 0)
		return err == nil && ok && r.Archived
	}, 30*time.Second, time.Millisecond)

	b, err := follower.OpenBackup(t.Context(), BackupOptions{Events: true})
	require.NoError(t, err)
	index := b.Index()
	audit := audited(t, follower.Store, index)
	submit(t, leader.Store, &engine.Return{ID: first, Disposition: engine.Sellable})
	leaves(t, follower.Store, first) // under another version than the backup's
	submit(t, leader.Store, put(1, "rewritten", "after"))
	submit(t, leader.Store, &engine.Drop{Table: 1, Key: "live"})
	submit(t, leader.Store, &engine.Drop{Table: 1, Key: "archived"})
	for range 3 {
		require.NoError(t, follower.Checkpoint(t.Context()))
	}
	close(stop)
	ids := load()
	submit(t, leader.Store, &engine.Configure{Limits: engine.Limits{ClosedAfter: 1, IDMemory: 1}})
	require.Eventually(t, func() bool {
		_, away := follower.retired(second)
		return !away
	}, 30*time.Second, time.Millisecond, "all of them are forgotten")
	for range 3 {
		require.NoError(t, follower.Checkpoint(t.Context()))
	}
	var file bytes.Buffer
	_, err = b.WriteTo(&file)
	require.NoError(t, err)
	require.NoError(t, b.Close())
	for _, n := range nodes {
		n.kill(t)
	}

	source := replayLog(t, follower.conf.Dir+"/"+logFolder, index)
	report, err := VerifyBackup("the backup", bytes.NewReader(file.Bytes()))
	require.NoError(t, err)
	assert.Equal(t, source.Counts().Retired, report.Retired)
	assert.Equal(t, audit, report.Audit)
	assert.EqualValues(t, 2, report.Records)
	dir, again := restoredFolder(t, file.Bytes())
	again.Restored = 0
	assert.Equal(t, report, again)
	folder, err := VerifyFolder(t.Context(), dir)
	require.NoError(t, err)
	assert.True(t, folder.Good, "%+v", folder)

	n := &realNode{conf: Config{Node: "r1", Dir: dir, Raft: "127.0.0.1:0", LogSegmentBytes: 16 << 20}}
	n.start(t)
	t.Cleanup(func() { n.kill(t) })
	leading(t, []*realNode{n})
	assert.True(t, n.complete(), "at once")
	// Before anything is forgotten: the restored ledger still remembers for an hour.
	away := 0
	for _, id := range ids {
		version, known := source.Retired(id)
		if !known {
			continue // it was not closed yet
		}
		away++
		r, err := n.Retired(t.Context(), id, version)
		require.NoError(t, err, id)
		require.Equal(t, id, r.ID)
		require.Equal(t, engine.Shipped, r.State)
	}
	assert.EqualValues(t, source.Counts().Retired, away)
	assert.Equal(t, "live=as it was rewritten=before", recordsOf(t, n.Store, 1, ""))
	kept, ok, err := n.Record(t.Context(), 1, "archived", 0)
	require.NoError(t, err)
	assert.True(t, ok && kept.Archived)
	assert.Equal(t, "kept", string(kept.Body))
	r := submit(t, n.Store, &engine.Return{ID: second, Disposition: engine.Sellable})
	assert.EqualValues(t, 1, r.Reservation.Lines[0].Returned)
	assert.Equal(t, audit, audited(t, n.Store, index))
	_, violations, err := n.Check(t.Context())
	require.NoError(t, err)
	assert.Empty(t, violations)
}

// audited counts the rows of the audit that are kept up to a version.
func audited(t *testing.T, s *Store, index uint64) (n int64) {
	t.Helper()
	require.NoError(t, s.machine.bodies.Scan([]byte{byte(engine.BodyOfAudit)}, index,
		func(r BodyRow) bool {
			if engine.BodyTable(r.Key[0]) == engine.BodyOfAudit {
				n++
			}
			return true
		}))
	return n
}

// rewritten is a backup with other bodies, and with the right checksums.
func rewritten(t *testing.T, file []byte, change func([]BodyRow) []BodyRow) []byte {
	t.Helper()
	r, err := ReadBackup("b", bytes.NewReader(file))
	require.NoError(t, err)
	var out bytes.Buffer
	w := newBackupWriter(&out)
	require.NoError(t, w.head(r.Head()))
	for {
		h, err := r.next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		content, err := io.ReadAll(r)
		require.NoError(t, err)
		if h.Name == "bodies" {
			var rows []BodyRow
			for in := bufio.NewReader(bytes.NewReader(content)); ; {
				row, err := readBody(in)
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				rows = append(rows, row)
			}
			if rows = change(rows); rows == nil {
				continue
			}
			content = nil
			for _, row := range rows {
				content = appendBody(content, row)
			}
		}
		require.NoError(t, w.begin(h))
		_, err = w.Write(content)
		require.NoError(t, err)
		require.NoError(t, w.end())
	}
	require.NoError(t, w.trailer())
	return out.Bytes()
}

func TestABackupWithOtherBodiesIsNeverGood(t *testing.T) {
	t.Parallel()
	n := leading(t, realNodes(t, 1, nil))
	define(t, n.Store, 10)
	submit(t, n.Store, &engine.Configure{Limits: engine.Limits{ClosedAfter: 1}})
	for _, id := range []string{"r1", "r2", "r3"} {
		submit(t, n.Store, reserve(id, "A", 1, time.Hour))
		submit(t, n.Store, &engine.Ship{ID: id})
		leaves(t, n.Store, id)
	}
	submit(t, n.Store, &engine.Configure{Limits: engine.Limits{}}) // so that r3 stays when it came back
	submit(t, n.Store, &engine.Return{ID: "r3", Disposition: engine.Sellable})
	file := takeBackup(t, n.Store, BackupOptions{})
	n.kill(t)

	verify := func(change func([]BodyRow) []BodyRow) (BackupReport, error) {
		return VerifyBackup("b", bytes.NewReader(rewritten(t, file, change)))
	}
	report, err := verify(func(rows []BodyRow) []BodyRow { return rows })
	require.NoError(t, err)
	assert.EqualValues(t, 2, report.Retired)
	assert.Positive(t, report.Audit)
	index := report.Head.Index
	away := map[string]bool{"r1": true, "r2": true}
	named := func(rows []BodyRow) (at []int) {
		for i, r := range rows {
			for id := range away {
				if bytes.Equal(r.Key, rowKey(engine.BodyOfReservation, engine.ReservationKey(id))) {
					at = append(at, i)
				}
			}
		}
		require.Len(t, at, 2)
		require.Len(t, rows, 3+int(report.Audit), "that of r3 is kept, and not named")
		return at
	}
	for what, change := range map[string]func([]BodyRow) []BodyRow{
		"one is missing": func(rows []BodyRow) []BodyRow {
			at := named(rows)[1]
			return append(rows[:at:at], rows[at+1:]...)
		},
		"the section is missing": func([]BodyRow) []BodyRow { return nil },
		"a byte is another": func(rows []BodyRow) []BodyRow {
			r := &rows[named(rows)[0]]
			r.Value[len(r.Value)-1] ^= 1
			return rows
		},
		"two are exchanged": func(rows []BodyRow) []BodyRow {
			at := named(rows)
			a, b := &rows[at[0]], &rows[at[1]]
			a.Value, b.Value = b.Value, a.Value
			return rows
		},
		"one is of another version": func(rows []BodyRow) []BodyRow {
			rows[named(rows)[0]].Version--
			return rows
		},
		"one is of later": func(rows []BodyRow) []BodyRow {
			rows[len(rows)-1].Version = index + 1
			return rows
		},
		"one comes twice": func(rows []BodyRow) []BodyRow { return append(rows[:1:1], rows...) },
		"an audit is of another index": func(rows []BodyRow) []BodyRow {
			rows[len(rows)-1].Version--
			return rows
		},
		"an audit says nothing": func(rows []BodyRow) []BodyRow {
			r := &rows[len(rows)-1]
			r.Value = r.Value[:len(r.Value)-1]
			return rows
		},
		"a table is not known": func(rows []BodyRow) []BodyRow {
			return append(rows, BodyRow{Key: []byte{77, 1}, Version: 1, Value: []byte{1}})
		},
	} {
		var corrupt *CorruptError
		_, err := verify(change)
		require.ErrorAs(t, err, &corrupt, what)
	}
	dir, _ := restoredFolder(t, file)
	store, err := OpenBodies(BodyConfig{Dir: dir + "/" + bodyFolder})
	require.NoError(t, err)
	defer store.Close()
	count := 0
	require.NoError(t, store.Scan(nil, index, func(BodyRow) bool { count++; return true }))
	assert.Equal(t, 2+int(report.Audit), count, "what the ledger does not name is left out")
	assert.Equal(t, BodyState{Through: index}, store.State())
}

func TestANodeThatLacksBodiesGivesNoBackup(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 100, "A")
		c.closed(n, "r1")
		time.Sleep(soon + time.Second)
		require.NoError(t, n.Checkpoint(t.Context()))
		c.kill(n)
		has := n.bodies
		n.bodies = NewMemBodies()
		c.start(n)
		n = c.leader()
		_, err := n.OpenBackup(t.Context(), BackupOptions{})
		require.Equal(t, "no-leader", code(err), "%v", err)
		assert.ErrorContains(t, err, "what has left memory")

		require.NoError(t, has.Scan(nil, n.bodies.State().Missing, func(r BodyRow) bool {
			require.NoError(t, n.bodies.Fill(nil, []BodyRow{r}, false))
			return true
		}))
		require.NoError(t, n.bodies.Fill(nil, nil, true))
		b, err := n.OpenBackup(t.Context(), BackupOptions{})
		require.NoError(t, err)
		require.NoError(t, b.Close())
	})
}

// TestNoBodyOfABackupIsDroppedMeanwhile has versions dropped as soon as they may be.
func TestNoBodyOfABackupIsDroppedMeanwhile(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 100, "A")
		c.closed(n, "r1", "r2")
		time.Sleep(soon + time.Second)
		b, err := n.OpenBackup(t.Context(), BackupOptions{})
		require.NoError(t, err)
		c.accept(n, &engine.Return{ID: "r1", Disposition: engine.Sellable})
		for range 12 { // r1 leaves again, and both are forgotten
			time.Sleep(soon)
			require.NoError(t, n.Checkpoint(t.Context()))
		}
		require.Zero(t, n.counts().Retired)
		var file bytes.Buffer
		_, err = b.WriteTo(&file)
		require.NoError(t, err)
		report, err := VerifyBackup("b", bytes.NewReader(file.Bytes()))
		require.NoError(t, err)
		assert.EqualValues(t, 2, report.Retired)
		require.NoError(t, b.Close())

		index := b.Index()
		for range 3 {
			c.accept(n, &engine.DefineSKU{SKU: "B"})
			require.NoError(t, n.Checkpoint(t.Context()))
		}
		kept := 0
		require.NoError(t, n.bodies.Scan(nil, index, func(r BodyRow) bool {
			if r.Key[0] == byte(engine.BodyOfReservation) {
				kept++
			}
			return true
		}))
		assert.Zero(t, kept, "they are dropped behind it")
	})
}

func TestABackupOnAFullDiskIsRefusedAsThat(t *testing.T) {
	t.Parallel()
	n := leading(t, realNodes(t, 1, nil))
	define(t, n.Store, 10)
	checkpoints := n.parts.checkpoints.(*CheckpointStore)
	free := checkpoints.cfg.free
	full := func(full bool) {
		checkpoints.mu.Lock()
		defer checkpoints.mu.Unlock()
		checkpoints.cfg.free = free
		if full {
			checkpoints.cfg.free = func(string) (int64, error) { return 0, nil }
		}
	}
	full(true)
	_, err := n.OpenBackup(t.Context(), BackupOptions{})
	require.Equal(t, "disk-full", code(err), "%v", err)
	assert.ErrorContains(t, err, "node n1")
	full(false)
	assert.NotEmpty(t, takeBackup(t, n.Store, BackupOptions{}), "once there is room it is taken")
}
