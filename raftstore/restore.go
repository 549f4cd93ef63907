package raftstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/raft"

	"holdfast/engine"
)

// RestoreConfig says which folder a restore makes.
type RestoreConfig struct {
	Dir  string // made when it does not exist; must hold nothing. Required.
	Node string // the node that will open it. Required.
	// Raft is the address of that node's peer port, as the others will reach it. Required.
	Raft   string
	Logger *slog.Logger // nil discards
}

// Validate returns every fault of c, joined, or nil.
func (c RestoreConfig) Validate() error {
	var faults []error
	if c.Dir == "" {
		faults = append(faults, errors.New("restore: the data folder is missing"))
	}
	if !validNode(c.Node) {
		faults = append(faults, fmt.Errorf("restore: node %q: %s", c.Node, nodeRule))
	}
	if c.Raft == "" {
		faults = append(faults, errors.New("restore: the address of the peer port is missing"))
	}
	return errors.Join(faults...)
}

// FolderInUseError says that a backup cannot be restored into a folder because it holds something.
// Nothing in it was touched.
type FolderInUseError struct{ Dir, Holds string }

// Error names the folder and what is in it.
func (e *FolderInUseError) Error() string {
	return fmt.Sprintf("%s is not empty: it holds %s; a backup makes a new cluster in an empty folder, "+
		"and is never restored over a node or into a cluster that is there", e.Dir, e.Holds)
}

// restoringFile stands in a folder while a backup is restored into it.
const restoringFile = "RESTORING"

// Restore makes, from a backup, the folder of the one node of a new cluster. The state is that of the
// backup, with its index, ledger time, events and remembered answers; the cluster has no id yet, and
// its first leader gives it one, so that no member of the old cluster and the new one ever take each
// other for their own. Other nodes are added to it empty.
//
// Everything is proven on the way as VerifyBackup does, and the ledger is loaded once more from what
// was written. IDENTITY is written last: a folder in which a restore did not end is none that a node
// starts on. When Restore fails, what it made is deleted. It fails as VerifyBackup does, with the
// faults of c, *FolderInUseError, *LockedError, *BrokenLedgerError, or an error of the file system.
func Restore(name string, r io.Reader, c RestoreConfig) (BackupReport, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if err := c.Validate(); err != nil {
		return BackupReport{}, err
	}
	to, err := beginRestore(c)
	if err != nil {
		return BackupReport{}, err
	}
	u := &unpacking{name: name, to: to}
	report, err := u.run(r)
	if err == nil && len(report.Violations) > 0 {
		err = &BrokenLedgerError{Name: name, Violations: report.Violations}
	}
	if err == nil {
		report.Restored, err = to.finish(u)
	}
	if err != nil {
		err = errors.Join(err, to.undo())
	}
	return report, errors.Join(err, to.folder.Close())
}

// restoring is a folder that is being made.
type restoring struct {
	cfg    RestoreConfig
	folder *Folder
}

// beginRestore takes an empty folder and prepares it.
func beginRestore(c RestoreConfig) (*restoring, error) {
	if err := checkEmpty(c.Dir); err != nil { // before LOCK is written into somebody's folder
		return nil, err
	}
	if err := makeDurably(c.Dir); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	lock, err := lockFolder(c.Dir, c.Node)
	if err != nil {
		return nil, err
	}
	t := &restoring{cfg: c, folder: &Folder{dir: c.Dir, lock: lock}}
	if err := checkEmpty(c.Dir); err != nil { // somebody else may have been here before the lock
		return nil, errors.Join(err, t.folder.Close())
	}
	text := []byte("a backup is being restored into this folder; when that has ended early, delete all " +
		"that is in it and restore again\n")
	err = os.WriteFile(t.folder.Path(restoringFile), text, 0o640)
	if err == nil {
		err = t.folder.makeDataFolders() // syncs the folder
	}
	if err != nil {
		return nil, errors.Join(err, t.undo(), t.folder.Close())
	}
	return t, nil
}

// checkEmpty fails with *FolderInUseError unless dir holds nothing, or is not there.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look into the data folder: %w", err)
	}
	var names []string
	for _, e := range entries {
		// LOCK holds nothing, and every new ext4 file system has lost+found.
		if e.Name() != lockFile && e.Name() != "lost+found" {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil
	}
	var id Identity
	switch err := identitySeal.read(filepath.Join(dir, identityFile), &id); {
	case slices.Contains(names, restoringFile):
		return &FolderInUseError{Dir: dir, Holds: "what a restore that did not end has left"}
	case err == nil:
		return &FolderInUseError{Dir: dir, Holds: fmt.Sprintf("node %s of cluster %q", id.Node, id.ClusterID)}
	}
	return &FolderInUseError{Dir: dir, Holds: names[0]}
}

// createEvents makes an event file.
func (t *restoring) createEvents(number uint64) (*os.File, error) {
	path := segmentPath(t.folder.EventDir(), number)
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
}

// finish writes the checkpoint and the log, and then says whose folder it is.
//
// When the process dies before IDENTITY is renamed into place, what is found is a folder with
// RESTORING and without IDENTITY, which no node starts on; behind it, a whole folder: IDENTITY says so,
// whether RESTORING is there or not.
func (t *restoring) finish(u *unpacking) (digest uint64, err error) {
	if err := syncPath(t.folder.EventDir()); err != nil {
		return 0, err
	}
	u.ledger.ForgetCluster() // its digest was proven to be the head's before
	if digest, err = t.writeCheckpoint(u); err != nil {
		return 0, fmt.Errorf("write the checkpoint: %w", err)
	}
	if err := t.writeLog(u.head); err != nil {
		return 0, fmt.Errorf("write the log: %w", err)
	}
	id := newIdentity(t.cfg.Node, firstIncarnation)
	id.LetIn = true // it is the new cluster
	if err := identitySeal.replace(t.folder.Path(identityFile), id); err != nil {
		return 0, err
	}
	if err := os.Remove(t.folder.Path(restoringFile)); err != nil {
		return 0, err
	}
	return digest, syncPath(t.cfg.Dir)
}

// writeCheckpoint writes the ledger as a checkpoint whose configuration is this node alone, and loads
// it again. It returns the digest of what was written.
func (t *restoring) writeCheckpoint(u *unpacking) (digest uint64, err error) {
	owner := Owner{Incarnation: firstIncarnation}
	store, err := OpenCheckpoints(CheckpointConfig{Dir: t.folder.CheckpointDir(),
		Owner: func() Owner { return owner }, Logger: t.cfg.Logger})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	id := Identity{Node: t.cfg.Node, Incarnation: firstIncarnation}.RaftID()
	alone := raft.Configuration{Servers: []raft.Server{{ID: id,
		Address: raft.ServerAddress(t.cfg.Raft)}}}
	h := u.head
	sink, err := store.Create(raft.SnapshotVersionMax, h.Index, h.Term, alone, h.Index, nil)
	if err != nil {
		return 0, err
	}
	digest = u.ledger.Digest()
	if err := writeLedger(sink.(BlockSink), u.ledger, h.Events.mark()); err != nil {
		return 0, errors.Join(err, sink.Cancel())
	}
	if err := sink.Close(); err != nil {
		return 0, err
	}
	u.ledger = nil // room for the same once more
	again, _, err := store.Load()
	if err == nil && again.Digest() != digest {
		err = fmt.Errorf("digest %016x, want %016x", again.Digest(), digest)
	}
	if err != nil {
		return 0, fmt.Errorf("load what was written: %w", err)
	}
	return digest, nil
}

// writeLedger writes all of l into sink, which the caller closes or cancels. It fails with the sink's
// error.
func writeLedger(sink BlockSink, l *engine.Ledger, events EventMark) error {
	sweep := l.Cut()
	defer sweep.Close()
	for b, ok := sweep.Next(); ok; b, ok = sweep.Next() {
		if err := sink.WriteBlock(b); err != nil {
			return err
		}
	}
	sink.SetLedger(sweep.Digest, events)
	return nil
}

// writeLog makes the log as it is behind a checkpoint when nothing follows it: empty, in the term of
// the checkpoint, so that terms go on rising, and deleted up to it, as FitLog wants.
func (t *restoring) writeLog(h BackupHead) (err error) {
	var fatal error
	log, err := OpenRaftLog(LogConfig{Dir: t.folder.LogDir(), Votes: t.folder.VotePath(),
		SegmentBytes: minSegmentBytes,
		Fatal:        func(what string, err error) { fatal = fmt.Errorf("%s: %w", what, err) },
		Logger:       t.cfg.Logger})
	if err != nil {
		return err
	}
	err = log.SetUint64([]byte(keyTerm), h.Term)
	if err == nil {
		err = log.SetUint64(emptiedAtKey, h.Index)
	}
	return errors.Join(err, log.Close(), fatal)
}

// undo deletes what was made; LOCK stays, as it holds nothing.
func (t *restoring) undo() error {
	var err error
	for _, name := range append(slices.Clone(dataFolders), voteFileName, identityFile,
		identityFile+".tmp") {
		err = errors.Join(err, os.RemoveAll(t.folder.Path(name)))
	}
	if err == nil { // else it says that the folder is not to be used
		err = os.RemoveAll(t.folder.Path(restoringFile))
	}
	return err
}
