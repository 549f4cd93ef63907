package raftstore

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"holdfast/engine"
)

// The bodies of a backup are one section of rows as appendBody writes them, in the order of their keys:
// of each key what was kept at the index of the backup. Among them are a few that the ledger does not
// name, of reservations that came back; whoever reads has the ledger by then, and leaves them out.

// openBodies looks whether all bodies up to the backup's index are here. The checkpoint is pinned by
// then, and no version that it names is dropped meanwhile: Flush is given Checkpoints.Floor. What is
// retired or forgotten later has a later version. It fails with *NoLeaderError while bodies are still
// being fetched after an install, or as Flush does.
func (b *Backup) openBodies() error {
	bodies := b.store.machine.bodies
	// The checkpoint has flushed them; the marker may have had to wait for an install's until now.
	if err := bodies.Flush(b.head.Index, 0); err != nil {
		return err
	}
	if state := bodies.State(); state.Missing != 0 || state.Through < b.head.Index {
		return &NoLeaderError{After: time.Second,
			Why: "this node still fetches what has left memory: ask another one"}
	}
	b.head.SizeBytes += bodies.Size()
	return nil
}

// writeBodies reads piece by piece, so that Badger keeps no old tables for a client that is slow.
func (b *Backup) writeBodies(name string) error {
	if err := b.out.begin(sectionHead{Name: name}); err != nil {
		return err
	}
	var after, last, piece []byte
	for more := true; more; {
		more, piece = false, piece[:0]
		err := b.store.machine.bodies.Scan(after, b.head.Index, func(r BodyRow) bool {
			if more = len(piece) >= backupChunkBytes; more {
				return false
			}
			piece, last = appendBody(piece, r), append(last[:0], r.Key...)
			return true
		})
		if err != nil {
			return err
		}
		after = append(after[:0], last...)
		if _, err := b.out.Write(piece); err != nil {
			return err
		}
	}
	return b.out.end()
}

// takeBodies holds the bodies against the ledger, and keeps those that it names. In a restore the
// marker comes behind the last one, so that the node has all of them when it starts.
func (u *unpacking) takeBodies(_ sectionHead, content io.Reader) error {
	switch {
	case u.ledger == nil:
		return damaged(u.name, "its bodies stand in front of its checkpoint")
	case u.bodies != nil:
		return damaged(u.name, "it holds the bodies twice")
	}
	u.bodies = u.ledger.CheckBodies()
	keep := func(BodyRow) error { return nil }
	if u.to == nil {
		return u.eachBody(content, keep)
	}
	to, err := u.to.openBodies(u.head.Index)
	if err != nil {
		return err
	}
	if err = u.eachBody(content, to.keep); err == nil {
		err = to.store.Fill(to.after, to.rows, true)
	}
	return errors.Join(err, to.store.Close())
}

// eachBody reads the section to its end and gives keep what the ledger names; the row is keep's. It
// fails with *CorruptError, or the errors of content and keep.
func (u *unpacking) eachBody(content io.Reader, keep func(BodyRow) error) error {
	r := bufio.NewReader(content)
	var before string
	for {
		row, err := readBody(r)
		if err == io.EOF {
			return nil
		}
		if errors.Is(err, errBodyRow) {
			return damaged(u.name, "%v", err)
		}
		if err != nil {
			return err
		}
		if string(row.Key) <= before || row.Version == 0 || row.Version > u.head.Index {
			return damaged(u.name, "the body %x of index %d is not in its place", row.Key, row.Version)
		}
		before = string(row.Key)
		named, err := u.bodies.Take(row.body(), row.Version)
		if err != nil {
			return damaged(u.name, "%v", err)
		}
		if !named {
			continue
		}
		if err := keep(row); err != nil {
			return err
		}
	}
}

// body is what the ledger calls a row.
func (r *BodyRow) body() engine.Body {
	return engine.Body{Table: engine.BodyTable(r.Key[0]), Key: r.Key[1:], Value: r.Value}
}

var errBodyRow = errors.New("what stands among its bodies is none")

// readBody reads what appendBody wrote. It fails with io.EOF behind the last, with errBodyRow when
// there is no row, or with the error of r.
func readBody(r *bufio.Reader) (row BodyRow, err error) {
	if _, err := r.Peek(1); err != nil {
		return row, err // io.EOF when nothing at all is left
	}
	text := func(least, most uint64) []byte {
		n := uint64(0)
		if err == nil {
			n, err = binary.ReadUvarint(r)
		}
		if err == nil && (n < least || n > most) {
			err = errBodyRow
		}
		if err != nil {
			return nil
		}
		p := make([]byte, n)
		_, err = io.ReadFull(r, p)
		return p
	}
	row.Key = text(2, maxBlockKey)
	if err == nil {
		row.Version, err = binary.ReadUvarint(r)
	}
	row.Value = text(1, maxBlockValue)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errBodyRow
	}
	return row, err
}

// restoredBodies collects bodies into pieces of the size that is written at once.
type restoredBodies struct {
	store *BodyStore
	rows  []BodyRow
	after []byte // the last key of the piece before
	bytes int
}

// openBodies makes the bodies of a folder that is restored. They are missing, all of them, until the
// last piece is there.
func (t *restoring) openBodies(index uint64) (*restoredBodies, error) {
	space, err := diskSpaceOf(t.cfg.Dir)
	if err != nil {
		return nil, err
	}
	store, err := OpenBodies(BodyConfig{Dir: t.folder.BodyDir(), Logger: t.cfg.Logger,
		Spare: space.spare()})
	if err != nil {
		return nil, err
	}
	store.Expect(index)
	return &restoredBodies{store: store}, nil
}

func (b *restoredBodies) keep(r BodyRow) error {
	size := len(r.Key) + len(r.Value) + dirtyOverhead
	if b.bytes+size > bodyWriteBytes && len(b.rows) > 0 {
		if err := b.store.Fill(b.after, b.rows, false); err != nil {
			return err
		}
		b.after = b.rows[len(b.rows)-1].Key
		b.rows, b.bytes = b.rows[:0], 0
	}
	b.rows, b.bytes = append(b.rows, r), b.bytes+size
	return nil
}

// noSpaceError says that a backup could not be taken for want of space on the node's disk.
type noSpaceError struct {
	node string
	err  error
}

// Error names the node and says what did not fit.
func (e *noSpaceError) Error() string {
	return fmt.Sprintf("did not happen: the disk of node %s has no room for the checkpoint of a backup: %v",
		e.node, e.err)
}

// Code returns "disk-full".
func (e *noSpaceError) Code() string { return "disk-full" }

// Unwrap returns what the disk said: ErrDiskFull, or its text.
func (e *noSpaceError) Unwrap() error { return e.err }

// asNoSpace is *noSpaceError in place of ErrDiskFull, and any other error as it is. Raft passes the
// errors of a checkpoint on as text.
func (s *Store) asNoSpace(err error) error {
	if err == nil || !errors.Is(err, ErrDiskFull) &&
		!strings.Contains(err.Error(), ErrDiskFull.Error()) {
		return err
	}
	return &noSpaceError{node: s.cfg.Node, err: err}
}
