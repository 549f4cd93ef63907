package raftstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/hashicorp/raft"
	"golang.org/x/sys/unix"
)

const (
	lockFile         = "LOCK"
	logFolder        = "log"
	checkpointFolder = "checkpoints"
	eventFolder      = "events"
	bodyFolder       = "bodies"
)

// dataFolders are made after IDENTITY, so one of them without it means that it was lost.
var dataFolders = []string{logFolder, checkpointFolder, eventFolder, bodyFolder}

// Folder is the data folder of one node, held by one process. Safe for concurrent use.
type Folder struct {
	dir  string
	lock *os.File

	mu struct {
		sync.Mutex
		identity Identity
		closed   bool
	}
}

// LockedError says that another process has the folder.
type LockedError struct {
	File   string // the lock file
	Holder string // what the holder wrote into it, such as "pid 4711 node n1"; may be empty
}

func (e *LockedError) Error() string {
	s := fmt.Sprintf("%s is locked: another holdfast has this folder", e.File)
	if e.Holder != "" {
		s += " (" + e.Holder + ")"
	}
	return s
}

// OpenFolder takes the folder dir for node, and makes it when it is not there. It fails with
// *LockedError when another process has it, *ForeignFolderError when it is another node's,
// *CorruptError when its IDENTITY cannot be trusted, or an error of the file system. A failed call
// leaves nothing locked.
func OpenFolder(dir, node string) (*Folder, error) {
	if node == "" || strings.ContainsAny(node, "./\n ") {
		return nil, fmt.Errorf("node name %q: want a word without dot, slash or space", node)
	}
	if err := makeDurably(dir); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	lock, err := lockFolder(dir, node)
	if err != nil {
		return nil, err
	}
	f := &Folder{dir: dir, lock: lock}
	if f.mu.identity, err = loadIdentity(dir, node); err == nil {
		err = f.makeDataFolders()
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return f, nil
}

// makeDurably makes dir and what is missing above it, and syncs every folder that got a new entry, so
// that a power cut does not take the whole of a node's data away. The parent is synced in any case: a
// start before this one may have died in between.
func makeDurably(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	grown := []string{parent}
	for {
		_, err := os.Stat(parent)
		if err == nil || parent == filepath.Dir(parent) {
			break
		}
		parent = filepath.Dir(parent)
		grown = append(grown, parent)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	for _, folder := range grown {
		if err := syncPath(folder); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err // a parent that may not be read is somebody else's, who made it
		}
	}
	return nil
}

// lockFolder takes LOCK. The lock belongs to the open file: it ends with the process, however the
// process ends, and a second open in this process is refused as well.
func lockFolder(dir, node string) (*os.File, error) {
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		holder, _ := io.ReadAll(io.LimitReader(f, 256)) // only for the message
		err = &LockedError{File: path, Holder: strings.TrimSpace(string(holder))}
		return nil, errors.Join(err, f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	if !isAt(f, path) { // who had it took it away: the next may lock another file of this name
		return nil, errors.Join(&LockedError{File: path}, f.Close())
	}
	// What stands in the file is for people; the lock does not depend on it.
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintf(f, "pid %d node %s\n", os.Getpid(), node)
	}
	if err != nil && !errors.Is(err, unix.ENOSPC) { // a full disk is no reason not to start
		return nil, errors.Join(fmt.Errorf("write %s: %w", path, err), f.Close())
	}
	return f, nil
}

// isAt reports whether an open file is still the one at path.
func isAt(f *os.File, path string) bool {
	own, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(own, there)
}

func (f *Folder) makeDataFolders() error {
	for _, name := range dataFolders {
		if err := os.MkdirAll(f.Path(name), 0o750); err != nil {
			return fmt.Errorf("make data folder: %w", err)
		}
	}
	return syncPath(f.dir)
}

// keptVotes returns nil unless this folder took part and has lost VOTE: a log without VOTE that is empty
// looks like one that was never used, and the node would vote a second time, and acknowledge what it no
// longer has, under its old id. VOTE is made before a node asks to be let in, so LetIn never stands
// without it. It fails with *CorruptError, or the error of the file system.
func (f *Folder) keptVotes() error {
	id := f.Identity()
	if !id.LetIn {
		return nil
	}
	_, err := os.Lstat(f.VotePath())
	if errors.Is(err, fs.ErrNotExist) {
		return damaged(f.VotePath(), "it is missing, and %s took part: what it promised is gone", id.RaftID())
	}
	return err
}

// Path is the path of a file or folder in the data folder.
func (f *Folder) Path(name string) string { return filepath.Join(f.dir, name) }

// LogDir is the folder of the raft log and votes.
func (f *Folder) LogDir() string { return f.Path(logFolder) }

// VotePath is the path of VOTE, which stands outside of the log's folder so that it outlives it.
func (f *Folder) VotePath() string { return f.Path(voteFileName) }

// CheckpointDir is the folder of CURRENT and the checkpoints.
func (f *Folder) CheckpointDir() string { return f.Path(checkpointFolder) }

// EventDir is the folder of the event files.
func (f *Folder) EventDir() string { return f.Path(eventFolder) }

// BodyDir is the folder of the bodies of records.
func (f *Folder) BodyDir() string { return f.Path(bodyFolder) }

// Identity is whose folder it is, as it stands on the disk.
func (f *Folder) Identity() Identity {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.identity
}

// RaftID is the node's id in raft.
func (f *Folder) RaftID() raft.ServerID { return f.Identity().RaftID() }

// SetClusterID remembers the cluster's id, durably. It returns nil when it is known already,
// *ForeignClusterError when another one is, or the error of the file system; then the old one
// stands.
func (f *Folder) SetClusterID(id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changeLocked(func(next *Identity) { next.ClusterID = id })
}

// SetLetIn remembers that this incarnation may take part, since term, in the cluster, whose id may
// be "". It returns nil once that is durable, *ForeignClusterError when the folder is another
// cluster's, or the error of the file system; then the old one stands.
func (f *Folder) SetLetIn(cluster string, term uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changeLocked(func(next *Identity) { next.letIn(cluster, term) })
}

// SetFormed remembers that this node may take part and with whom it forms the cluster. It returns nil
// once that is durable, or the error of the file system; then the old one stands.
func (f *Folder) SetFormed(with string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changeLocked(func(next *Identity) { next.formed(with) })
}

// changeLocked replaces IDENTITY when change changes it. It fails as SetLetIn.
func (f *Folder) changeLocked(change func(*Identity)) error {
	path, next := f.Path(identityFile), f.mu.identity
	change(&next)
	if next == f.mu.identity {
		return nil
	}
	if old := f.mu.identity.ClusterID; old != "" && next.ClusterID != old {
		return &ForeignClusterError{File: path, Found: old, Want: next.ClusterID}
	}
	if err := identitySeal.replace(path, next); err != nil {
		return err
	}
	f.mu.identity = next
	return nil
}

// Close gives the folder up. A second call returns nil, as does the first unless the file system
// fails.
func (f *Folder) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.closed {
		return nil
	}
	f.mu.closed = true
	return f.lock.Close()
}
