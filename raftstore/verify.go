package raftstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/engine"
)

// FolderReport is what VerifyFolder found in a data folder.
type FolderReport struct {
	Folder string `json:"folder"`
	// InUse is what the process that has the folder says of itself, "" when there is none.
	InUse string `json:"in_use,omitempty"`
	// Good says that every byte that counts is what was written, and that it all fits together.
	Good bool `json:"good"`
	// Starts says that a node starts on it and holds what it acknowledged. It may although not all is
	// good: an older checkpoint can take the place of a bad one.
	Starts bool         `json:"starts"`
	Parts  []PartReport `json:"parts"`
}

// PartReport is what was found of one part of a data folder.
type PartReport struct {
	Name  string `json:"part"` // identity, current, checkpoint, log, votes, events, bodies
	Path  string `json:"path"`
	Good  bool   `json:"good"`
	Bytes int64  `json:"bytes"` // that were read
	// Detail says what it holds, or, when it is not good, what is wrong.
	Detail string `json:"detail"`

	stops bool // a node does not start because of this
}

// verifyTries is how often a folder that a node works in is looked at before a fault counts: files
// go and others come while they are read.
const verifyTries = 4

// VerifyFolder proves the data folder dir without starting a node on it: every file that counts is
// read and held against its checksum, each checkpoint is loaded, its digest and invariants are added
// up, and log, votes and events are held against it. Nothing on the disk is changed. In a folder that
// a node works in it looks at what is whole at the moment. What is wrong stands in the report.
//
// It fails when there is no such folder, when ctx ends, or when a file cannot be read at all.
func VerifyFolder(ctx context.Context, dir string) (FolderReport, error) {
	for try := 1; ; try++ {
		c := folderCheck{dir: dir, report: FolderReport{Folder: dir, Good: true, Starts: true}}
		if _, err := os.ReadDir(dir); err != nil {
			return c.report, fmt.Errorf("verify: %w", err)
		}
		var err error
		if c.report.InUse, err = holderOf(dir); err != nil {
			return c.report, fmt.Errorf("verify: %w", err)
		}
		err = c.run(ctx)
		if c.report.InUse == "" || err == nil && c.report.Good || try == verifyTries {
			return c.report, err
		}
		select {
		case <-ctx.Done():
			return c.report, context.Cause(ctx)
		case <-time.After(time.Duration(try) * 100 * time.Millisecond):
		}
	}
}

// holderOf says who has the folder, "" when nobody has. It leaves LOCK as it is.
func holderOf(dir string) (string, error) {
	f, err := os.Open(filepath.Join(dir, lockFile))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close() // gives back what was taken
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return "", err
	}
	holder, err := io.ReadAll(io.LimitReader(f, 256))
	if text := strings.TrimSpace(string(holder)); text != "" {
		return text, err
	}
	return "unknown", err
}

// folderCheck is one look at a folder.
type folderCheck struct {
	dir    string
	report FolderReport

	identity Identity
	current  current
	newest   *checkpointRecord // that is good; nil when there is none
	bodies   *bodiesFound      // as that one's ledger names them
}

// run looks at every part, in the order in which a start does. It fails as VerifyFolder does.
func (c *folderCheck) run(ctx context.Context) error {
	for _, part := range []func(context.Context) error{
		c.checkIdentity, c.checkCurrent, c.checkCheckpoints, c.checkLog, c.checkEvents, c.checkBodies,
	} {
		if err := part(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// note takes what was found of a part. An error that says what is wrong belongs to the report; any
// other is returned: then nothing is known of the part.
func (c *folderCheck) note(p PartReport, err error) error {
	var corrupt *CorruptError
	var cluster *ForeignClusterError
	var gap *LogGapError
	var lost *LogLostError
	var loader *badCheckpoint
	wrong := errors.As(err, &corrupt) || errors.As(err, &cluster) || errors.As(err, &gap) ||
		errors.As(err, &lost) || errors.As(err, &loader) || errors.Is(err, os.ErrNotExist)
	if err != nil && !wrong {
		return fmt.Errorf("verify %s: %w", p.Path, err)
	}
	p.Good = err == nil
	if err != nil {
		p.Detail = err.Error()
		c.report.Good = false
		c.report.Starts = c.report.Starts && !p.stops
	}
	c.report.Parts = append(c.report.Parts, p)
	return nil
}

func (c *folderCheck) checkIdentity(context.Context) error {
	p := PartReport{Name: "identity", Path: filepath.Join(c.dir, identityFile), stops: true}
	err := identitySeal.read(p.Path, &c.identity)
	if err == nil && (c.identity.Format != folderFormat || c.identity.Incarnation == 0) {
		err = damaged(p.Path, "format %d, incarnation %d", c.identity.Format, c.identity.Incarnation)
	}
	p.Bytes = sizeOf(p.Path)
	p.Detail = fmt.Sprintf("node %s, cluster %q", c.identity.RaftID(), c.identity.ClusterID)
	return c.note(p, err)
}

func (c *folderCheck) checkCurrent(context.Context) error {
	p := PartReport{Name: "current", Path: filepath.Join(c.dir, checkpointFolder, currentFile),
		stops: true}
	err := currentSeal.read(p.Path, &c.current)
	own := Owner{ClusterID: c.identity.ClusterID, Incarnation: c.identity.Incarnation}
	if err == nil && own.Incarnation != 0 && !own.accepts(c.current.Owner) {
		err = &ForeignClusterError{File: p.Path, Found: c.current.Owner.String(), Want: own.String()}
	}
	p.Bytes = sizeOf(p.Path)
	p.Detail = fmt.Sprintf("%d checkpoints", len(c.current.Checkpoints))
	if errors.Is(err, os.ErrNotExist) {
		s := CheckpointStore{cfg: CheckpointConfig{Dir: filepath.Dir(p.Path)}}
		if folders, listErr := s.folders(); listErr == nil && len(folders) == 0 {
			err = nil // the node died before it had made one; a start makes it
		}
	}
	return c.note(p, err)
}

func (c *folderCheck) checkCheckpoints(ctx context.Context) error {
	for i := range c.current.Checkpoints {
		rec := &c.current.Checkpoints[i]
		p := PartReport{Name: "checkpoint", Path: filepath.Join(c.dir, checkpointFolder, rec.ID)}
		last := i == len(c.current.Checkpoints)-1
		p.stops = last && c.newest == nil
		ledger, err := loadCheckpoint(p.Path, rec)
		if err == nil {
			err = CheckLedger(p.Path, ledger)
		}
		if err == nil {
			n := ledger.Counts()
			p.Detail = fmt.Sprintf("index %d, %d files, %d SKUs, %d reservations, digest %016x", rec.Index,
				len(rec.Files), n.SKUs, n.Reservations, uint64(rec.Digest))
			for _, f := range rec.Files {
				p.Bytes += f.Bytes
			}
			if c.newest == nil {
				c.newest = rec
				if c.bodies, err = c.lookAtBodies(ctx, ledger); err != nil {
					return err
				}
			}
		}
		if err := errors.Join(c.note(p, err), ctx.Err()); err != nil {
			return err
		}
	}
	return nil
}

// badCheckpoint says that a checkpoint's files are as they were written and still make no ledger.
type badCheckpoint struct {
	path string
	err  error
}

func (e *badCheckpoint) Error() string { return fmt.Sprintf("%s: %v", e.path, e.err) }

// Unwrap returns the error of the loader.
func (e *badCheckpoint) Unwrap() error { return e.err }

// loadCheckpoint verifies the files of a checkpoint and loads it. Badger makes a file of its own in
// every folder that it opens, also for reading; so it opens one of links to the files. It returns
// *CorruptError, or an error of the file system or of the loader.
func loadCheckpoint(dir string, rec *checkpointRecord) (_ *engine.Ledger, err error) {
	if err := verifyFolder(dir, rec.Files, atOnce); err != nil {
		return nil, err
	}
	links, err := os.MkdirTemp("", "holdfast-verify-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(links)) }()
	whole, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range rec.Files {
		if err := os.Symlink(filepath.Join(whole, f.Name), filepath.Join(links, f.Name)); err != nil {
			return nil, err
		}
	}
	r, err := openBadgerReader(links, rec.Blocks, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, &badCheckpoint{path: dir, err: err}
	}
	ledger, digest, err := loadLedger(r.next)
	if err = errors.Join(err, r.close()); err != nil {
		return nil, &badCheckpoint{path: dir, err: err}
	}
	if digest != uint64(rec.Digest) || ledger.Index() != rec.Index {
		return nil, damaged(dir, "its index is %d and its digest %016x, want %d and %016x",
			ledger.Index(), digest, rec.Index, uint64(rec.Digest))
	}
	return ledger, nil
}

// CheckLedger walks every invariant of a ledger that nobody changes, and adds up its digest anew. It
// returns *CorruptError, which names what the ledger was loaded from, when one does not hold.
func CheckLedger(from string, l *engine.Ledger) error {
	found := l.Check()
	if len(found) == 0 {
		return nil
	}
	return damaged(from, "%d invariants do not hold; the first: %s: %s", len(found),
		found[0].Invariant, found[0].Detail)
}

// VerifyStream proves a checkpoint as Checkpoints.Open gives it, and as a backup holds it: it is
// whole, every block is as it was written, it adds up to its digest, and the invariants hold. from
// names it in an error, which is *CorruptError, or says why r could not be read or loaded.
func VerifyStream(from string, r io.Reader) (*engine.Ledger, CheckpointMeta, error) {
	l, m, err := LoadStream(r)
	if err != nil {
		return nil, m, &badCheckpoint{path: from, err: err}
	}
	return l, m, CheckLedger(from, l)
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
