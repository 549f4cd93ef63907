package raftstore

import (
	"context"
	"encoding/binary"
	"time"

	"holdfast/engine"
)

const (
	// maxBatchBytes closes a batch. Beyond some 256 KiB the fixed cost of a raft entry (about
	// 0.65 ms of CPU over three nodes) is amortised, and an entry must not hold up a heartbeat.
	maxBatchBytes = 256 << 10
	// maxBatchOps closes a batch of very small commands, so that one apply stays near 2 ms.
	maxBatchOps = 4096
	// maxOpBytes bounds the one command that may have a batch of more than maxBatchBytes to itself.
	maxOpBytes = engine.MaxCommandBytes
)

// opKind says what stands in one slot of a batch's answers. The numbers are on the wire.
type opKind uint8

const (
	opResult     opKind = iota // an encoded engine.Result
	opNoLeader                 // did not happen
	opOverloaded               // did not happen; the slot holds when to come back, in ms
	opUnknown                  // may have happened
	opTooLarge                 // never happens in this form; the slot holds size, limit and its name
	opDiskFull                 // did not happen; the slot holds free and needed bytes, and the node
)

// batch is the commands that go into one raft entry, or to the leader in one message. It is built
// under batcher.mu, then belongs to the batcher's goroutine, and is answered once: everything below
// done is written before done is closed and never afterwards.
type batch struct {
	entry  engine.EntryBuilder // the commands
	count  int                 // of them
	bytes  int                 // of them
	waits  bool                // someone waits for the index, so it goes out even without a command
	hopped bool                // holds commands that came from another node: it goes no further
	whole  bool                // holds commands of a SubmitAll: another node takes all of it or nothing
	after  *batch              // holds earlier commands of the same SubmitAll; nil for most
	opened time.Time           // when the first command joined

	term    uint64      // in which it was proposed; 0 before, and when it was forwarded
	payload []byte      // what raft was given; its address is the identity of the entry
	limit   *time.Timer // our own deadline
	settled bool        // guarded by batcher.mu

	done  chan struct{}
	err   error    // what became of the batch as a whole
	index uint64   // where it was applied; 0 when nothing of it was
	buf   []byte   // answers, one behind the other
	ends  []int    // end of each answer in buf, which may be over 4 GiB: replays of large ones
	kinds []opKind // of each answer; nil: all are results
}

func newBatch(now time.Time) *batch { return &batch{opened: now, done: make(chan struct{})} }

// fits reports whether a command of size bytes may join.
func (b *batch) fits(size int) bool {
	return b.count == 0 || (b.count < maxBatchOps && b.bytes+size <= maxBatchBytes)
}

// room returns the first of the commands behind from that does not fit beside those from there on.
func (b *batch) room(c *commands, from int) (to int) {
	first := c.ends[from] - len(c.run(from, from+1))
	most := min(c.len(), from+maxBatchOps-b.count)
	for to = from + 1; to < most && b.bytes+c.ends[to]-first <= maxBatchBytes; {
		to++
	}
	return to
}

// wait blocks until the batch is answered. It returns the batch's own error, or *UnknownError when
// ctx ends first: the commands are on their way and nobody takes them back.
func (b *batch) wait(ctx context.Context) error {
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
	}
	select {
	case <-b.done:
		return b.err
	default:
		return &UnknownError{Cause: context.Cause(ctx)}
	}
}

// answer returns what slot i holds, or b.err. The bytes belong to the batch.
func (b *batch) answer(i int) (opKind, []byte, error) {
	if b.err != nil {
		return 0, nil, b.err
	}
	from := 0
	if i > 0 {
		from = b.ends[i-1]
	}
	kind := opResult
	if b.kinds != nil {
		kind = b.kinds[i]
	}
	return kind, b.buf[from:b.ends[i]:b.ends[i]], nil
}

// result decodes the answer to command i of an answered batch, which is what, into r. It returns b.err,
// or the error that stands in the slot; r is zero then.
func (b *batch) result(i int, what engine.Command, r *engine.Result) error {
	kind, p, err := b.answer(i)
	if err == nil && kind != opResult {
		err = kindError(kind, p)
	}
	if err != nil {
		*r = engine.Result{}
		return err
	}
	if err := r.Decode(p, what); err != nil { // it was applied, and what it answered is lost
		return &UnknownError{Cause: err}
	}
	return nil
}

// kindError is the error that a slot which holds no result stands for; never nil.
func kindError(kind opKind, p []byte) error {
	switch kind {
	case opNoLeader:
		return &NoLeaderError{Why: "the leader changed", After: retrySoon}
	case opOverloaded:
		ms, _ := binary.Uvarint(p)
		return &OverloadedError{Queue: "writes", After: time.Duration(ms) * time.Millisecond}
	case opTooLarge:
		return parseTooLarge(p)
	case opDiskFull:
		return parseDiskFull(p)
	default:
		return &UnknownError{Cause: errClosing}
	}
}

// errorKind is the slot that err stands for, and its payload appended to dst.
func errorKind(dst []byte, err error) (opKind, []byte) {
	switch e := err.(type) {
	case *NoLeaderError:
		return opNoLeader, dst
	case *OverloadedError:
		return opOverloaded, binary.AppendUvarint(dst, uint64(e.After.Milliseconds()))
	case *TooLargeError:
		dst = binary.AppendUvarint(dst, uint64(e.Bytes))
		dst = binary.AppendUvarint(dst, uint64(e.Most))
		return opTooLarge, append(dst, e.Name...)
	case *DiskFullError:
		dst = binary.AppendVarint(dst, e.Free)
		dst = binary.AppendVarint(dst, e.Needed)
		return opDiskFull, append(dst, e.Node...)
	default:
		return opUnknown, dst
	}
}

// parseTooLarge reads what errorKind wrote; what cannot be read stays zero.
func parseTooLarge(p []byte) *TooLargeError {
	size, n := binary.Uvarint(p)
	p = p[max(n, 0):]
	most, n := binary.Uvarint(p)
	return &TooLargeError{Name: string(p[max(n, 0):]), Bytes: int(size), Most: int(most)}
}

// parseDiskFull reads what errorKind wrote; what cannot be read stays zero.
func parseDiskFull(p []byte) *DiskFullError {
	free, n := binary.Varint(p)
	p = p[max(n, 0):]
	needed, n := binary.Varint(p)
	return &DiskFullError{Node: string(p[max(n, 0):]), Free: free, Needed: needed}
}

// span is a run of commands of one call in one batch.
type span struct {
	b        *batch
	at, n    int // place of the first in the batch, and how many
	from, to int // places in the call: to = from + n
}
