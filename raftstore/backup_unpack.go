package raftstore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"holdfast/engine"
)

// BackupReport is what was found in a backup that is whole.
type BackupReport struct {
	Head       BackupHead
	Counts     engine.Counts
	Now        int64 // the ledger's time, ms since 1970
	LastEvent  uint64
	Events     int64 // of them that are in the backup
	Limits     engine.Limits
	Violations []engine.Violation
	Retired    int64 // reservations that have left memory, each with its body
	Records    int64 // records in memory, each with its body
	Archived   int64 // records that have left memory and whose bodies are there
	Audit      int64 // rows of the audit
	Bytes      int64 // length of the backup
	// Restored is the digest of the ledger that a restore wrote: Head's, but for what belongs to the old
	// cluster and not to its stock. 0 when nothing was restored.
	Restored uint64
}

// BrokenLedgerError says that a backup is as it was written, but that the ledger in it breaks its own
// rules. Nothing was restored.
type BrokenLedgerError struct {
	Name       string
	Violations []engine.Violation
}

// Error names the first rule that is broken.
func (e *BrokenLedgerError) Error() string {
	return fmt.Sprintf("%s is whole, but its ledger breaks %d rules, first %s: %s",
		e.Name, len(e.Violations), e.Violations[0].Invariant, e.Violations[0].Detail)
}

// VerifyBackup proves a backup without starting anything: every checksum, every total, the events,
// the bodies of what has left memory, and the ledger, which it loads, adds up anew and checks for broken rules. name is what errors call
// it. It needs as much memory as the ledger.
//
// It fails with *CorruptError when the backup is not what was written, *engine.VersionError when it is
// of a later build, or the error of r. Broken rules are in the report, and no error.
func VerifyBackup(name string, r io.Reader) (BackupReport, error) {
	u := &unpacking{name: name}
	return u.run(r)
}

// unpacking is a backup that is being read, to prove it or to restore it.
type unpacking struct {
	name string
	to   *restoring // nil when nothing is kept

	head   BackupHead
	ledger *engine.Ledger
	bodies *engine.BodyCheck
	last   *segmentProof // of the newest event file so far
	events int64
}

func (u *unpacking) run(r io.Reader) (BackupReport, error) {
	b, err := ReadBackup(u.name, r)
	if err != nil {
		return BackupReport{}, err
	}
	u.head = b.Head()
	takers := map[string]backupSection{}
	for _, kind := range backupSections() {
		takers[kind.name] = kind
	}
	for {
		h, err := b.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return BackupReport{}, err
		}
		kind, ok := takers[h.Name]
		if !ok {
			return BackupReport{}, damaged(u.name, "it holds %q, which this build does not know", h.Name)
		}
		if err := kind.take(u, h, b); err != nil {
			// A fault of the backup is told as such, not as what its content looked like.
			return BackupReport{}, errors.Join(b.err, fmt.Errorf("%s of %s: %w", h.Name, u.name, err))
		}
	}
	if err := u.complete(); err != nil {
		return BackupReport{}, err
	}
	return BackupReport{
		Head: u.head, Counts: u.ledger.Counts(), Now: u.ledger.Now(), LastEvent: u.ledger.LastEvent(),
		Events: u.events, Limits: u.ledger.Limits(), Violations: u.ledger.Check(), Bytes: b.Bytes(),
		Retired: u.bodies.Reservations, Records: u.bodies.Records, Archived: u.bodies.Archived,
		Audit: u.bodies.Audit,
	}, nil
}

// takeCheckpoint loads the ledger. Its digest is added up from its rows, compared with the one that
// the checkpoint carries, and that with the head's.
func (u *unpacking) takeCheckpoint(_ sectionHead, content io.Reader) error {
	if u.ledger != nil {
		return damaged(u.name, "it holds two checkpoints")
	}
	ledger, _, err := LoadStream(content)
	if err != nil {
		return err
	}
	u.ledger = ledger
	return nil
}

// complete compares what was found with the head.
func (u *unpacking) complete() error {
	if u.ledger == nil {
		return damaged(u.name, "it holds no checkpoint")
	}
	if u.bodies == nil {
		return damaged(u.name, "it holds no bodies")
	}
	if n := u.bodies.Missing(u.head.Index); n > 0 {
		return damaged(u.name, "%d of the %d reservations that have left memory and %d records have no body",
			n, u.ledger.Counts().Retired, u.ledger.Counts().Records)
	}
	l, h := u.ledger, u.head
	id := l.Limits().ClusterID
	switch {
	case l.Digest() != uint64(h.Digest) || l.Index() != h.Index || l.LastEvent() != h.Events.Seq:
		return damaged(u.name, "its head says digest %016x at index %d and event %d, and its ledger has "+
			"%016x at %d and %d", uint64(h.Digest), h.Index, h.Events.Seq, l.Digest(), l.Index(), l.LastEvent())
	case hex.EncodeToString(id[:]) != h.ClusterID:
		return damaged(u.name, "its head says cluster %s, and its ledger %x", h.ClusterID, id)
	case h.Term == 0 || h.Index == 0:
		return damaged(u.name, "its head says index %d of term %d", h.Index, h.Term)
	}
	found := eventsMark{Seq: h.Events.Seq}
	if p := u.last; p != nil {
		found = recordMark(EventMark{First: u.firstEvent(), Seq: p.last, Segment: p.header.number,
			Offset: p.bytes, Checksum: p.sum, Begin: p.header.first, PrevBytes: p.header.prevBytes,
			PrevSum: p.header.prevSum})
	}
	if found != h.Events {
		return damaged(u.name, "its head says events %+v, and it has %+v", h.Events, found)
	}
	return nil
}

// firstEvent is the sequence of the first event in the backup.
func (u *unpacking) firstEvent() uint64 { return u.last.last + 1 - uint64(u.events) }

// takeEvents proves one event file, and that it follows the one before it.
func (u *unpacking) takeEvents(h sectionHead, content io.Reader) (err error) {
	proof := &segmentProof{path: fmt.Sprintf("%s, events %d", u.name, h.Number), codec: engineEvents}
	var to io.Writer = proof
	if u.to != nil {
		var f *os.File
		if f, err = u.to.createEvents(h.Number); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		to = io.MultiWriter(proof, f)
		defer func() {
			if err == nil {
				err = f.Sync()
			}
		}()
	}
	if _, err := io.Copy(to, content); err != nil {
		return err
	}
	if err := proof.finish(h.Number, u.last); err != nil {
		return err
	}
	u.last = proof
	u.events += int64(proof.last + 1 - proof.header.first)
	return nil
}
