package raftstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"holdfast/engine"
)

// bodiesFound is what was found of the bodies of a folder.
type bodiesFound struct {
	part  PartReport
	fault error
}

// checkBodies reports what was found. Without a good checkpoint there is no ledger to hold the bodies
// against: then they are only read.
func (c *folderCheck) checkBodies(ctx context.Context) (err error) {
	if c.bodies == nil {
		if c.bodies, err = c.lookAtBodies(ctx, nil); err != nil {
			return err
		}
	}
	return c.note(c.bodies.part, c.bodies.fault)
}

// lookAtBodies reads every body, in every version, and holds them against the ledger of the newest good
// checkpoint, if there is one. A folder that a node works in is left out: Badger changes its files as
// it likes, and the newest of them are in that node's memory. It fails as VerifyFolder does.
func (c *folderCheck) lookAtBodies(ctx context.Context, l *engine.Ledger) (*bodiesFound, error) {
	found := &bodiesFound{part: PartReport{Name: "bodies", Path: filepath.Join(c.dir, bodyFolder)}}
	p := &found.part
	if c.report.InUse != "" {
		p.Detail = "left out: a node works in the folder"
		return found, nil
	}
	r := &bodyReading{dir: p.Path}
	if l != nil {
		r.check, r.index = l.CheckBodies(), l.Index()
	}
	var corrupt *CorruptError
	err := r.readAll(ctx)
	p.Bytes, p.stops = r.bytes, r.stops
	p.Detail = fmt.Sprintf("%d bodies, durable to index %d", r.count, r.marker)
	switch {
	case errors.As(err, &corrupt) || errors.Is(err, os.ErrNotExist):
		found.fault = err
	case err != nil:
		return nil, fmt.Errorf("verify %s: %w", p.Path, err)
	case l != nil:
		found.fault = r.complete(p, c.newest.Installed)
	}
	return found, nil
}

// bodyReading is a walk through the folder of bodies.
type bodyReading struct {
	dir   string
	check *engine.BodyCheck // nil when there is no ledger
	index uint64            // of that ledger

	bytes  int64
	count  int64
	marker uint64
	stops  bool // Badger cannot open it
	empty  bool // nothing was ever kept

	inLogs bool             // logs are being read, not tables
	logged map[bodyAt]bool  // what was read in logs
	unread map[bodyAt]error // what could not be read: torn, if it is behind the marker
}

// complete holds what was read against the marker and the ledger. Behind an install bodies may still
// be missing, from the marker on; our own checkpoints are made only when all of theirs are durable. It
// returns *CorruptError.
func (r *bodyReading) complete(p *PartReport, installed bool) error {
	p.Detail += fmt.Sprintf(", %d of reservations that have left memory, %d of records, "+
		"%d rows of the audit", r.check.Reservations, r.check.Records, r.check.Audit)
	missing := r.check.Missing(r.index)
	switch {
	case missing == 0 && (r.marker >= r.index || r.empty):
		return nil
	case installed && r.check.Missing(r.marker) == 0:
		p.Detail += fmt.Sprintf("; %d were still being fetched from other members", missing)
		return nil
	}
	return damaged(r.dir, "%d reservations that have left memory, or records, up to index %d have no body, and bodies "+
		"are durable to index %d: unless they were still being fetched after an install, some are lost",
		missing, r.index, r.marker)
}

// readAll reads the tables of the folder where they are, and what stands in Badger's logs from copies of
// these: Badger opens neither a folder without writing into it, nor a log for reading only that was not
// closed. It returns *CorruptError, or an error of the file system.
func (r *bodyReading) readAll(ctx context.Context) (err error) {
	entries, err := os.ReadDir(r.dir)
	if r.empty = len(entries) == 0; err != nil || r.empty {
		return err
	}
	temp, err := os.MkdirTemp("", "holdfast-verify-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	tables, logs := filepath.Join(temp, "tables"), filepath.Join(temp, "logs")
	for _, dir := range []string{tables, logs} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	from, err := filepath.Abs(r.dir)
	if err != nil {
		return err
	}
	newest, cut, err := newestValues(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(from, e.Name())
		switch filepath.Ext(path) {
		case ".mem":
			r.bytes += allocated(path)
			err = copyFile(path, filepath.Join(logs, e.Name()))
		case ".sst":
			r.bytes += sizeOf(path)
			err = os.Symlink(path, filepath.Join(tables, e.Name()))
		case ".vlog":
			r.bytes += allocated(path)
			err = linkValues(path, tables, logs, path == newest)
		case "": // MANIFEST, KEYREGISTRY; DISCARD is made anew
			if e.Name() != "DISCARD" {
				err = os.Symlink(path, filepath.Join(tables, e.Name()))
			}
		}
		if err != nil {
			return err
		}
	}
	if err := dropEmptyLogs(logs); err != nil { // of the copies, as a start does
		return err
	}
	if err := checkTables(r.dir); err != nil {
		r.stops = true
		return err
	}
	// The logs first: they have the newest marker, and what a value that is torn was replaced by.
	r.logged, r.unread = make(map[bodyAt]bool), make(map[bodyAt]error)
	r.inLogs = true
	if err := r.read(ctx, bodyOptions(logs, nil)); err != nil {
		return err
	}
	r.inLogs = false
	if err := r.read(ctx, bodyOptions(tables, nil).WithReadOnly(true)); err != nil {
		return err
	}
	for at, fault := range r.unread {
		if at.version <= r.marker {
			r.stops = r.stops || cut
			return damaged(r.dir, "%v", fault)
		}
	}
	return nil
}

// bodyAt names a version of a body.
type bodyAt struct {
	key     string
	version uint64
}

// maxUnread bounds how many bodies may be unreadable before reading ends.
const maxUnread = 100_000

// linkValues shows a file of values to both: Badger cuts what is torn off the newest, so the logs get a
// copy of that. One without values is left out: Badger deletes it, and cuts what a link leads to.
func linkValues(path, tables, logs string, newest bool) error {
	name := filepath.Base(path)
	if sizeOf(path) <= valueFileHead {
		return nil
	}
	if err := os.Symlink(path, filepath.Join(tables, name)); err != nil {
		return err
	}
	if newest {
		return copyFile(path, filepath.Join(logs, name))
	}
	return os.Symlink(path, filepath.Join(logs, name))
}

// read visits every version of every body of one Badger. It returns *CorruptError, or the cause when
// ctx ends.
func (r *bodyReading) read(ctx context.Context, o badger.Options) (err error) {
	db, err := badger.OpenManaged(o)
	if err != nil {
		r.stops = true
		return damaged(r.dir, "badger cannot open it: %v", err)
	}
	defer func() {
		if closeErr := db.Close(); err == nil && closeErr != nil {
			err = damaged(r.dir, "badger cannot close it: %v", closeErr)
		}
	}()
	marker, err := readMarker(db)
	if err != nil {
		r.stops = true
		return damaged(r.dir, "its marker: %v", err)
	}
	r.marker = max(r.marker, marker)
	// An iteration ends without a word where a table cannot be read; these were read before.
	txn := db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	opts := badger.DefaultIteratorOptions
	opts.PrefetchValues, opts.AllVersions = false, true
	it := txn.NewIterator(opts)
	defer it.Close()
	for it.Rewind(); it.Valid() && ctx.Err() == nil; it.Next() {
		if err := r.take(it.Item()); err != nil {
			return damaged(r.dir, "%v", err)
		}
	}
	return context.Cause(ctx)
}

// take looks at one version of a body.
func (r *bodyReading) take(item *badger.Item) error {
	if item.IsDeletedOrExpired() {
		return nil
	}
	at := bodyAt{string(item.Key()), item.Version()}
	p, err := item.ValueCopy(nil)
	if err == nil {
		p, err = openBody(item.Key(), item.Version(), p)
	}
	if err != nil {
		if !r.logged[at] {
			r.unread[at] = err
		}
		if len(r.unread) > maxUnread {
			return err
		}
		return nil
	}
	if slices.Equal(item.Key(), markerKey) {
		return nil
	}
	if r.inLogs {
		r.logged[at] = true
	}
	r.count++
	if r.check == nil || item.Version() > r.index {
		return nil
	}
	row := BodyRow{Key: item.Key(), Version: item.Version(), Value: p}
	_, err = r.check.Take(row.body(), row.Version)
	return err
}

// copyFile copies a file that nobody writes.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
