package raftstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"github.com/zeebo/xxh3"

	"holdfast/engine"
)

// machine is raft's state machine: it owns the ledger and applies agreed entries to it, in order,
// on raft's one goroutine for that. It implements raft.BatchingFSM.
type machine struct {
	// mu is the lock of the ledger, but for its names. Apply holds it for one entry, everyone else for at most
	// 100 µs at a time. Nobody waits for anything while holding it.
	mu struct {
		sync.Mutex
		ledger *engine.Ledger
		broken bool          // an entry went half way: what stands in the ledger is no state of anything
		sweep  *engine.Sweep // nil while no checkpoint is being written
	}

	// names is the ledger again, for those who encode beside apply: they read its names and nothing
	// else, and only an entry that defines takes names for writing. It is taken under mu, never the
	// other way round.
	names struct {
		sync.RWMutex
		ledger *engine.Ledger
	}

	applied      atomic.Uint64 // index of the newest entry in the ledger: our own, not raft's
	nextDeadline atomic.Int64  // ms; 0: nothing has a deadline
	held         atomic.Bool   // apply waits for the sweep
	nextRetire   atomic.Int64  // ms at which something can leave memory; 0: nothing waits for that
	nextPurge    atomic.Int64  // ms at which a record expires; 0: none does
	unfinished   atomic.Bool   // an entry left work over: a tick goes on with it
	expired      atomic.Uint64 // holds that ended since the start
	cluster      atomic.Pointer[[16]byte]
	logBytes     atomic.Int64 // of entries applied since the last cut
	logEntries   atomic.Int64
	tight        atomic.Bool  // the disk is low: keep no more than a restart needs
	checkpointAt atomic.Int64 // logBytes at which a checkpoint is due
	sweptBytes   atomic.Int64 // size of the newest own checkpoint

	batches     *batcher
	events      EventLog
	bodies      Bodies
	maxPending  int    // as the constant
	eventsSkip  uint64 // events up to this one are in the files already; replay makes them again
	checkpoints Checkpoints
	skips       map[uint64]SkipEntry // entries to pass over, by index
	knows       int64                // the newest apply version of this build
	log         *slog.Logger
	waiters     appliedWaiters
	watchers    eventWatchers
	changes     recordWatchers
	metrics     *metrics

	changed chan struct{} // one token: a deadline moved, for runTicks
	grown   chan struct{} // one token: the log may be due for a checkpoint
	learnt  chan struct{} // one token: the cluster's id is known
	swept   chan struct{} // one token: the sweep went on
	leaving chan struct{} // one token: nextRetire moved, for runRetire
	purging chan struct{} // one token: nextPurge moved, for runPurge
	dirty   chan struct{} // one token: many bodies are in memory only, for runBodies
	closing <-chan struct{}
	ending  func() <-chan struct{} // closed when this raft is to end, of which another may follow
	fail    func(error)

	// Used by raft's goroutine alone.
	out       engine.Output
	dead      bool   // an entry was not applied: nothing is applied, kept or loaded any more
	replayTo  uint64 // until raft has handed out this entry again, its index is behind the ledger's
	responses []any
}

// ApplyBatch applies entries that raft's members agreed on. Raft calls it from one goroutine. The
// responses carry nothing: waiting batches are answered directly.
func (m *machine) ApplyBatch(logs []*raft.Log) []any {
	for _, l := range logs {
		m.Apply(l)
	}
	for len(m.responses) < len(logs) {
		m.responses = append(m.responses, nil)
	}
	return m.responses[:len(logs)]
}

// Apply applies one entry. It returns nil, always: what cannot be applied stops the node.
func (m *machine) Apply(l *raft.Log) any {
	if l.Index >= m.replayTo {
		m.replayTo = 0
	}
	if m.dead || l.Index <= m.applied.Load() {
		return nil // replay begins behind the checkpoint; raft may begin earlier
	}
	if !m.waitForSweep() {
		m.dead = true // this entry is left out, so nothing may be applied behind it
		return nil
	}
	began := time.Now()
	b := m.batches.find(l.Data)
	err := m.apply(l, b)
	if err != nil {
		m.dead = true
		if b != nil {
			m.batches.settle(b, outcome{err: &UnknownError{Cause: err}})
		}
		m.fail(err)
		return nil
	}
	m.logEntries.Add(1)
	if m.logBytes.Add(entryBytes(l)) >= m.checkpointAt.Load() {
		m.poke(m.grown)
	}
	m.waiters.advance(l.Index)
	if l.Type == raft.LogCommand {
		m.metrics.apply.Observe(time.Since(began).Seconds())
	}
	return nil
}

// apply runs one entry against the ledger and answers b, which may be nil. It fails, naming the
// index, when the entry cannot be read, the ledger panics, or its events cannot be kept.
func (m *machine) apply(l *raft.Log, b *batch) error {
	if l.Type != raft.LogCommand {
		m.skip(l.Index)
		return nil
	}
	meant, err := sameTerm(l)
	if err == nil && !meant {
		m.skip(l.Index)
		if b != nil {
			err := &NoLeaderError{Why: "the leader changed", After: retrySoon}
			m.batches.settle(b, outcome{err: err})
		}
		return nil
	}
	entry, openErr := engine.OpenEntry(l.Data)
	entry, keyErr := keysHere(timeOf(entry), b != nil)
	if err = errors.Join(err, openErr, keyErr); err != nil {
		return fmt.Errorf("agreed entry %d cannot be read: %w", l.Index, err)
	}
	if passed, err := m.passOver(l, entry, b); passed || err != nil {
		return err
	}
	m.out.WantResults = b != nil && b.count > 0
	if err := m.applyLocked(l.Index, entry); err != nil {
		return err
	}
	m.expired.Add(uint64(m.out.Expired))
	m.metrics.expired.Add(float64(m.out.Expired))
	m.metrics.entries.Inc()
	m.metrics.commands.Add(float64(entry.Count))
	if b != nil {
		m.answer(b, l.Index)
	}
	if len(m.out.Events) > 0 {
		m.watchers.wake()
	}
	m.changes.feed(l.Index, &m.out)
	return nil
}

// skip moves the ledger past an entry without effect.
func (m *machine) skip(index uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.ledger.SkipTo(index)
	m.applied.Store(index)
}

// applyLocked takes the lock for one entry. It fails as apply does; the ledger is then half way
// through that entry, and nobody reads it any more.
func (m *machine) applyLocked(index uint64, entry engine.Entry) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			at := SkipEntry{Index: index, Checksum: entry.Checksum}
			err = panicked(m.log, m.mu.ledger, at, p, entry.Count)
		}
		m.mu.broken = err != nil
	}()
	ledger := m.mu.ledger
	if ledger.Index()+1 < index { // entries of raft's own, which never come here
		ledger.SkipTo(index - 1)
	}
	m.run(ledger, index, entry)
	if len(m.out.Events) > 0 && ledger.LastEvent() > m.eventsSkip {
		if err := m.events.Append(m.out.Events); err != nil {
			return fmt.Errorf("keep the events of entry %d: %w", index, err)
		}
	}
	m.keepBodies(index)
	m.noteLocked(ledger)
	m.applied.Store(index)
	return nil
}

// run applies an entry, alone with the names if it may change them. When that panics they are half
// changed, and nobody encodes by them any more.
func (m *machine) run(ledger *engine.Ledger, index uint64, entry engine.Entry) {
	if entry.Defines {
		m.names.Lock()
		defer m.names.Unlock()
		m.names.ledger = nil
		ledger.Apply(index, entry, &m.out)
		m.names.ledger = ledger
		return
	}
	ledger.Apply(index, entry, &m.out)
}

// noteLocked publishes what others want to know without the lock.
func (m *machine) noteLocked(ledger *engine.Ledger) {
	next, ok := ledger.NextDeadline()
	if !ok {
		next = 0
	}
	// After a gap, one entry ends only the first of what is due, and others have to follow at once.
	unfinished := ledger.Unfinished() || ledger.Due() < ledger.Now()
	moved := m.nextDeadline.Swap(next) != next
	if m.unfinished.Swap(unfinished) != unfinished || moved {
		m.poke(m.changed)
	}
	m.noteRetire(ledger)
	m.notePurge(ledger)
	if m.cluster.Load() == nil {
		if id := ledger.Limits().ClusterID; id != ([16]byte{}) {
			m.cluster.Store(&id)
			m.poke(m.learnt)
		}
	}
}

// answer gives b the results of its commands, in one buffer.
func (m *machine) answer(b *batch, index uint64) {
	o := outcome{index: index}
	if b.count > 0 {
		size := 0
		for i := range b.count {
			size += len(m.out.Result(i))
		}
		o.buf = make([]byte, 0, size)
		o.ends = make([]int, b.count)
		for i := range b.count {
			o.buf = append(o.buf, m.out.Result(i)...)
			o.ends[i] = len(o.buf)
		}
	}
	m.batches.settle(b, o)
}

// Every entry carries, beside its payload, the term in which it was proposed and a checksum of that
// (raft.Log.Extensions). An entry that stands in the log in another term was queued by a leader that
// lost its term and won a later one: it has no effect, on any node, so that what takes effect of one
// term's entries is always those in front of the first that did not.

// markBytes is the length of a mark: term and checksum.
const markBytes = 16

// termMark returns the mark of term.
func termMark(term uint64) []byte {
	mark := binary.LittleEndian.AppendUint64(make([]byte, 0, markBytes), term)
	return binary.LittleEndian.AppendUint64(mark, xxh3.Hash(mark))
}

// sameTerm reports whether an entry stands where it was meant to. It fails with errMark when its
// mark was changed since it was made.
func sameTerm(l *raft.Log) (bool, error) {
	mark := l.Extensions
	if len(mark) != markBytes || binary.LittleEndian.Uint64(mark[8:]) != xxh3.Hash(mark[:8]) {
		return false, errMark
	}
	return binary.LittleEndian.Uint64(mark) == l.Term, nil
}

var errMark = errors.New("the mark of its term is damaged")

// clusterID is the cluster's id, zero while it has none.
func (m *machine) clusterID() [16]byte {
	if id := m.cluster.Load(); id != nil {
		return *id
	}
	return [16]byte{}
}

// now is the ledger's time.
func (m *machine) now() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.ledger.Now()
}

func (m *machine) poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// adopt makes ledger the machine's, at the start or after an install.
func (m *machine) adopt(ledger *engine.Ledger, meta CheckpointMeta) error {
	begin := m.events.CutTo
	if meta.Installed {
		begin = m.events.Install
	}
	if err := begin(meta.Events); err != nil {
		return err
	}
	ledger.Know(m.knows)
	m.bodies.Expect(ledger.Index())
	m.mu.Lock()
	m.mu.ledger = ledger
	m.names.Lock()
	m.names.ledger = ledger
	m.names.Unlock()
	m.eventsSkip = meta.Events.Seq
	m.noteLocked(ledger)
	index := ledger.Index()
	m.applied.Store(index)
	m.mu.Unlock()
	m.logBytes.Store(0)
	m.logEntries.Store(0)
	m.sweptBytes.Store(meta.SizeBytes)
	m.waiters.advance(index)
	m.watchers.wake()
	m.changes.lose()
	return nil
}

// equalID reports whether two cluster ids may belong to one cluster: a node that does not know its
// own yet goes with any.
func equalID(a, b []byte) bool {
	zero := make([]byte, 16)
	return bytes.Equal(a, b) || bytes.Equal(a, zero) || bytes.Equal(b, zero)
}
