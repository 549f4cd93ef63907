package raftstore

import (
	"github.com/hashicorp/raft"

	"holdfast/engine"
)

// Log keeps raft's entries and votes. An error of StoreLogs, DeleteRange or Set is final: the
// caller stops the process, because what is on the disk is not known any more.
type Log interface {
	raft.LogStore
	raft.StableStore
	// IsMonotonic says that the log only grows at its end and is emptied before a snapshot is
	// installed; raft asks for it (raft.MonotonicLogStore).
	IsMonotonic() bool
	// Size is the bytes of all kept entries, for deciding when to checkpoint.
	Size() int64
	// Mark notes durably that the log reaches its last entry: a restart that finds less refuses. An
	// error is final.
	Mark() error
	Close() error
}

// Checkpoints keeps the ledger's checkpoints; it is the whole of raft's snapshot store. A sink that
// Create returns is also a BlockSink.
type Checkpoints interface {
	raft.SnapshotStore
	// Load rebuilds the ledger from the checkpoint that CURRENT names, else from the one before it.
	// It returns ErrNoCheckpoint when there is none.
	Load() (*engine.Ledger, CheckpointMeta, error)
	// Newest is the newest checkpoint that is not known to be bad; ok is false when there is none.
	Newest() (m CheckpointMeta, ok bool)
	// Floor is the index of the older of the two kept checkpoints: the log keeps that entry and all
	// behind it. It is 0, all of the log, while there is one, of our own; math.MaxUint64, nothing of
	// it, while there is no checkpoint or the newest is an installed one; and otherwise never above
	// one that is being sent.
	Floor() uint64
	// Meta is what CURRENT says of a checkpoint that List gives; fs.ErrNotExist for any other.
	Meta(id string) (CheckpointMeta, error)
	// EventFloor is the number of the oldest event segment that one of the kept checkpoints needs,
	// and 0 while none needs any: then nothing is known to be durable without the events.
	EventFloor() uint64
	Close() error
}

// BlockSink is the sink of a checkpoint of our own: blocks in key order instead of a byte stream.
type BlockSink interface {
	raft.SnapshotSink
	WriteBlock(engine.Block) error
	// SetLedger stamps what the blocks must add up to, and how far the events reach. Call it before Close.
	SetLedger(digest uint64, events EventMark)
}

// CheckpointMeta is what CURRENT says of a checkpoint.
type CheckpointMeta struct {
	Index, Term uint64
	Digest      uint64
	SizeBytes   int64 // exact length of the stream that Open gives
	Installed   bool  // came from a leader, so the log behind it may be deleted
	Events      EventMark
}

// EventMark is a place in the event files: everything up to Seq, checked.
type EventMark struct {
	First, Seq uint64 // first kept and last sequence
	Segment    uint64 // number of the segment file that Seq ends in
	Offset     int64  // bytes of that file up to the end of Seq's frame
	Checksum   uint64 // running checksum over all frames of that segment up to Offset

	// Begin, PrevBytes and PrevSum are what the header of that segment says: the first sequence in
	// it, and the length and the last checksum of the segment in front. A node to which a checkpoint
	// is installed makes that header from them and goes on in the same place, so that its files
	// become what the others' are, byte for byte.
	Begin     uint64
	PrevBytes int64
	PrevSum   uint64
}

// EventLog keeps the event frames of the entries, in order. Append is called by apply alone; reads
// may run beside it.
type EventLog interface {
	// Append takes one frame of engine.Output.Events. It does not wait for the disk.
	Append(frame []byte) error
	// Read visits events with a sequence above after, until visit returns false. It returns
	// ErrEventsGone when some of them are no longer kept.
	Read(after uint64, visit func(*engine.Event) bool) error
	// At returns one event by its sequence, ErrEventsGone when it is no longer kept.
	At(seq uint64) (engine.Event, error)
	// Bounds are the first kept and the last sequence; 0, 0 when there is none.
	Bounds() (first, last uint64)
	// Retain drops whole segments from the front while more than max bytes are kept, but no segment
	// from floor on, which is Checkpoints.EventFloor: a restart must find what it needs.
	Retain(maxBytes int64, floor uint64) error
	// Sync makes everything appended so far durable and returns its end.
	Sync() (EventMark, error)
	// CutTo drops what is behind mark, after a restart and before replay. It fails, naming the file,
	// when what is in front of mark is not what was synced.
	CutTo(mark EventMark) error
	// Install goes on behind mark, where a checkpoint of another node's ends. What is in front of it
	// and not here is a gap from then on, until it was filled or given up. When mark is a place in
	// this log, it is CutTo.
	Install(mark EventMark) error
	// Gap is the newest piece that is missing in front of what is kept; ok is false when nothing is,
	// or nothing that would stay within maxBytes.
	Gap(maxBytes int64) (g EventGap, ok bool, err error)
	// Fill takes the next bytes of a gap, behind those that it has. The last of them make it whole:
	// it is verified and taken in, and a piece that is not what it must be is forgotten.
	Fill(g EventGap, p []byte) error
	// GiveUp ends the filling: nobody has what is missing.
	GiveUp() error
	// Complete reports whether nothing is missing.
	Complete() bool
	// Piece reads at most n bytes of a segment, ErrEventsGone when it is not here.
	Piece(segment uint64, offset int64, n int) ([]byte, error)
	Close() error
}

// EventGap is a segment, or the front of one, that is missing here.
type EventGap struct {
	Segment uint64
	Bytes   int64  // of it that are needed, from its beginning
	Sum     uint64 // running checksum at their end
	Last    uint64 // sequence of the last event in them
	Have    int64  // bytes of these that are here already
}

// Bodies keeps what is large and cold, and what apply never reads: reservations that have left memory,
// the bodies of records, and the audit. Each is kept under the index of the entry that made it, its version, and is read at
// just the version that the ledger's memory names: so what was written ahead of a crash, and is made
// again by replay, is seen by nobody meanwhile.
type Bodies interface {
	// Put takes the bodies of one entry; index ascends. It is called by apply alone, and does no I/O.
	Put(index uint64, bodies []engine.Body)
	// Get returns the body under a key, see BodyRow, of just that version, or ErrNoBody.
	Get(key []byte, version uint64) ([]byte, error)
	// Flush makes the bodies of entries up to through durable. Versions that no state from floor on
	// names may go; 0 says nothing. An error leaves in memory what was not written.
	Flush(through, floor uint64) error
	State() BodyState
	// Size is about how many bytes the durable ones take.
	Size() int64
	// Expect says at which index the ledger was loaded or installed. Bodies up to it that are not
	// durable here are missing, and Flush leaves State().Through where it is until they came.
	Expect(index uint64)
	// Scan visits the newest version up to version of each body behind a key, in order, until visit
	// returns false. Those that are in memory only are left out.
	Scan(after []byte, version uint64, visit func(BodyRow) bool) error
	// Newest returns the newest body under a key up to a version, and which version that is, or
	// ErrNoBody: there is none, or it was forgotten.
	Newest(key []byte, version uint64) (value []byte, at uint64, err error)
	// List returns the newest bodies up to a version, of at most limit keys that begin with prefix and
	// come after after, in order, those in memory too. It looks at a bounded number of keys: those that
	// follow come behind next, and nil is the end.
	List(prefix, after []byte, version uint64, limit int) (rows []BodyRow, next []byte, err error)
	// Fill takes bodies that were missing: all that there are behind after, up to the last of rows; last
	// says that these are all. A record in between that is not among them was dropped meanwhile, and
	// goes here too.
	Fill(after []byte, rows []BodyRow, last bool) error
	Close() error
}
