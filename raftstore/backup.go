package raftstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/hashicorp/raft"

	"holdfast/engine"
)

// BackupOptions say what goes into a backup.
type BackupOptions struct {
	// Events takes the kept event files along. Without them a restored cluster begins its history at
	// the backup: older events are gone, and a count that speaks of an earlier moment is refused.
	Events bool
	// Version names the build in the head.
	Version string
}

// Backup is one backup that is being taken: what it holds is fixed and on the disk already, and is kept
// there until Close. One goroutine at a time uses it.
type Backup struct {
	store      *Store
	head       BackupHead
	checkpoint io.ReadCloser
	content    io.Reader // of checkpoint, from its beginning
	events     []segmentFile
	out        *backupWriter
	closed     bool
}

// backupSection is one kind of content of a backup.
type backupSection struct {
	name string
	// write writes the sections of this kind, with section; none when there is nothing of it.
	write func(b *Backup, name string) error
	// take reads one section of this kind: it proves it, and keeps it if u is a restore.
	take func(u *unpacking, h sectionHead, content io.Reader) error
}

// backupSections is all that a backup may hold, in the order in which it is written. A build refuses a
// section that it does not know: leaving it out would lose what is in it.
func backupSections() []backupSection {
	return []backupSection{
		{name: "checkpoint", write: (*Backup).writeCheckpoint, take: (*unpacking).takeCheckpoint},
		{name: "bodies", write: (*Backup).writeBodies, take: (*unpacking).takeBodies},
		{name: "events", write: (*Backup).writeEvents, take: (*unpacking).takeEvents},
	}
}

// OpenBackup takes a checkpoint now and keeps hold of it. It contains all that was applied here when
// it was called. One backup is taken at a time.
//
// It fails with *OverloadedError while another one is, *NoLeaderError when this node closes or has no
// state yet or still fetches what an install left out, with an error of the code "disk-full" when the
// disk has no room for the checkpoint, or with the errors of Checkpoint and of the files; then nothing
// is held.
func (s *Store) OpenBackup(ctx context.Context, o BackupOptions) (*Backup, error) {
	if !s.backups.CompareAndSwap(false, true) {
		return nil, &OverloadedError{Queue: "backups", After: backupRetry}
	}
	b := &Backup{store: s}
	if err := b.open(ctx, o); err != nil {
		return nil, errors.Join(s.asNoSpace(err), b.Close())
	}
	return b, nil
}

// backupRetry is when to come back while another backup is taken.
const backupRetry = 10 * time.Second

func (b *Backup) open(ctx context.Context, o BackupOptions) error {
	s := b.store
	if s.ctx.Err() != nil {
		return closing()
	}
	if err := s.Checkpoint(ctx); err != nil {
		// Raft refuses while its newest configuration is not followed by an entry of ours.
		if s.catchUp(ctx, 0) != nil {
			return err
		}
		if err := s.Checkpoint(ctx); err != nil {
			return err
		}
	}
	snapshot, meta, err := b.pin()
	if err != nil {
		return err
	}
	id := s.machine.clusterID()
	b.head = BackupHead{
		Holdfast: o.Version, Created: s.cfg.Now().UTC().Truncate(time.Second),
		ClusterID: hex.EncodeToString(id[:]), Node: s.cfg.Node,
		Index: snapshot.Index, Term: snapshot.Term, Digest: hexUint64(meta.Digest),
		SizeBytes: snapshot.Size,
	}
	if err := b.openBodies(); err != nil {
		return err
	}
	mark := EventMark{}
	if mark.Seq, err = b.lastEvent(); err != nil {
		return err
	}
	if files, ok := s.parts.events.(*EventFiles); ok && o.Events && meta.Events.Offset > 0 {
		if b.events, mark, err = files.openSegments(meta.Events, mark.Seq); err != nil {
			return err
		}
	}
	b.head.Events = recordMark(mark)
	for _, f := range b.events {
		b.head.SizeBytes += f.bytes
	}
	return nil
}

// lastEvent looks into the first block of the checkpoint, and leaves all of it to be read.
func (b *Backup) lastEvent() (uint64, error) {
	fail := func(err error) (uint64, error) {
		return 0, fmt.Errorf("read the head of the checkpoint: %w", err)
	}
	const before = streamHeaderBytes + frameHeaderBytes
	start := make([]byte, before)
	if _, err := io.ReadFull(b.checkpoint, start); err != nil {
		return fail(err)
	}
	frame := start[streamHeaderBytes:]
	key, value := binary.LittleEndian.Uint32(frame[8:]), binary.LittleEndian.Uint32(frame[12:])
	if key > maxBlockKey || value > maxBlockValue {
		return fail(fmt.Errorf("a block with a key of %d bytes and a value of %d", key, value))
	}
	start = append(start, make([]byte, key+value)...)
	if _, err := io.ReadFull(b.checkpoint, start[before:]); err != nil {
		return fail(err)
	}
	head, err := engine.ReadHead(engine.Block{Key: start[before : before+key], Value: start[before+key:]})
	if err != nil {
		return fail(err)
	}
	b.content = io.MultiReader(bytes.NewReader(start), b.checkpoint)
	return head.LastEvent, nil
}

// pin opens the newest checkpoint, so that it stays. Two that are written meanwhile may delete it
// between the look and the grip.
func (b *Backup) pin() (snapshot *raft.SnapshotMeta, meta CheckpointMeta, err error) {
	checkpoints := b.store.parts.checkpoints
	for range 3 {
		var list []*raft.SnapshotMeta
		if list, err = checkpoints.List(); err != nil {
			return nil, meta, fmt.Errorf("list checkpoints: %w", err)
		}
		if len(list) == 0 {
			return nil, meta, &NoLeaderError{Why: "this node has no state yet", After: time.Second}
		}
		if meta, err = checkpoints.Meta(list[0].ID); err == nil {
			snapshot, b.checkpoint, err = checkpoints.Open(list[0].ID)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, meta, fmt.Errorf("open the checkpoint: %w", err)
	}
	return snapshot, meta, nil
}

// Head says what the backup is of.
func (b *Backup) Head() BackupHead { return b.head }

// Index is the last entry whose effect the backup holds.
func (b *Backup) Index() uint64 { return b.head.Index }

// WriteTo writes the backup to w, once, no faster than a checkpoint is written, and waits for w as long
// as w takes: who calls it bounds that. It returns how much was written, and the error of w or of the
// files, or that the store closes; what was written then has no trailer, so nobody takes it for whole.
func (b *Backup) WriteTo(w io.Writer) (int64, error) {
	s := b.store
	paced := &pacedWriter{w: w, closing: s.closing,
		pace: pacer{log: s.machine.logBytes.Load, began: time.Now()}}
	b.out = newBackupWriter(paced)
	err := b.out.head(b.head)
	for _, kind := range backupSections() {
		if err == nil {
			err = kind.write(b, kind.name)
		}
	}
	if err == nil {
		err = b.out.trailer()
	}
	if err != nil {
		return b.out.bytes, fmt.Errorf("backup: %w", err)
	}
	return b.out.bytes, nil
}

// section writes one section with what from gives.
func (b *Backup) section(h sectionHead, from io.Reader) error {
	if err := b.out.begin(h); err != nil {
		return err
	}
	piece := make([]byte, 64<<10)
	if _, err := io.CopyBuffer(struct{ io.Writer }{b.out}, from, piece); err != nil {
		return err
	}
	return b.out.end()
}

func (b *Backup) writeCheckpoint(name string) error {
	return b.section(sectionHead{Name: name}, b.content)
}

// writeEvents writes one section for each event file.
func (b *Backup) writeEvents(name string) error {
	for _, f := range b.events {
		h := sectionHead{Name: name, Number: f.number}
		if err := b.section(h, io.NewSectionReader(f.file, 0, f.bytes)); err != nil {
			return err
		}
	}
	return nil
}

// Close lets go of what the backup holds. A second call returns nil, the first an error of the files,
// which means nothing for what was written.
func (b *Backup) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	var err error
	if b.checkpoint != nil {
		err = b.checkpoint.Close()
	}
	for _, f := range b.events {
		err = errors.Join(err, f.file.Close())
	}
	b.store.backups.Store(false)
	return err
}

// pacedWriter writes no faster than a sweep does, so that neither the disk nor the network is a
// backup's alone.
type pacedWriter struct {
	w       io.Writer
	pace    pacer
	closing <-chan struct{}
}

// Write fails with the error of w, or when the store closes.
func (p *pacedWriter) Write(b []byte) (int, error) {
	if !p.pace.wait(len(b), p.closing) {
		return 0, errClosing
	}
	return p.w.Write(b)
}
