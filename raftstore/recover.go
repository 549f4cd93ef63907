package raftstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// LostFolder is the data folder of a node that does not run and whose data is lost or damaged. It is
// locked until Close, so that no node starts on it meanwhile.
type LostFolder struct {
	dir, node string
	lock      *os.File
	// made is what was not there before, in the order in which it can be taken away again; Close does
	// that unless the node began anew here.
	made []string
}

// keptFolder begins the names of the folders that hold what was there before.
const keptFolder = "lost-"

// OpenLostFolder takes the folder dir of node, and makes it when it is not there: then it goes again with
// Close, unless the node began anew in it. It fails with
// *LockedError while a node runs on it, *ForeignFolderError when it is another node's, or an error of
// the file system. A damaged IDENTITY is no failure: it may be what was lost.
func OpenLostFolder(dir, node string) (*LostFolder, error) {
	f := &LostFolder{dir: dir, node: node, made: missing(filepath.Join(dir, lockFile))}
	if err := makeDurably(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("make data folder: %w", err), f.unmake())
	}
	lock, err := lockFolder(dir, node)
	if err != nil {
		return nil, err // what was made may be another's by now
	}
	f.lock = lock
	if id, err := f.identity(); err == nil && id.Node != node {
		err := &ForeignFolderError{File: f.path(identityFile), Found: id.Node, Want: node}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// missing returns path and the folders above it that are not there, the deepest first.
func missing(path string) (paths []string) {
	for {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return paths
		}
		paths, path = append(paths, path), filepath.Dir(path)
	}
}

// unmake takes away what was made, as far as nothing else stands in it by now.
func (f *LostFolder) unmake() error {
	for _, path := range f.made {
		err := os.Remove(path)
		switch {
		case errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.EEXIST):
			return nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("take away what was made: %w", err)
		}
	}
	return nil
}

func (f *LostFolder) path(name string) string { return filepath.Join(f.dir, name) }

// identity is what the folder says of itself, if that can be read.
func (f *LostFolder) identity() (id Identity, err error) {
	err = identitySeal.read(f.path(identityFile), &id)
	return id, err
}

// BeginAnew moves what is in the folder into one beside it, whose path it returns, and gives the
// folder the identity of r's incarnation. kept is "" when nothing was there, or the folder has that
// identity already and never took part: then nothing is done.
//
// It fails with *ForeignClusterError when the folder is another cluster's, or an error of the file
// system; nothing is ever deleted but the ballast, whose space may be what IDENTITY needs. When the
// process dies half way, IDENTITY is the last that was moved: a start finds the old identity without
// its data, which it refuses, or an empty folder, which the leader refuses, and this can be run again.
func (f *LostFolder) BeginAnew(r Recovery) (kept string, err error) {
	id, err := f.identity()
	if err == nil {
		if id.ClusterID != "" && id.ClusterID != r.Cluster {
			return "", &ForeignClusterError{File: f.path(identityFile), Found: id.ClusterID, Want: r.Cluster}
		}
		if id.Incarnation == r.Incarnation && id.ClusterID == r.Cluster && !id.LetIn {
			return "", nil
		}
	}
	if _, err = FreeBallast(f.dir); err != nil {
		return "", err
	}
	f.made = nil // from here on it is a node's
	if kept, err = f.keep(); err != nil {
		return kept, err
	}
	next := newIdentity(r.Node, r.Incarnation)
	next.ClusterID = r.Cluster
	return kept, identitySeal.replace(f.path(identityFile), next)
}

// keep moves everything but the lock and what was kept before into a new folder.
func (f *LostFolder) keep() (to string, err error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return "", err
	}
	var names []string
	for _, e := range entries {
		if name := e.Name(); name != lockFile && name != identityFile &&
			!strings.HasPrefix(name, keptFolder) {
			names = append(names, name)
		}
	}
	if _, err := os.Stat(f.path(identityFile)); err == nil {
		names = append(names, identityFile) // the last
	}
	if len(names) == 0 {
		return "", nil
	}
	if to, err = f.makeKept(); err != nil {
		return "", err
	}
	for _, name := range names {
		if err := os.Rename(f.path(name), filepath.Join(to, name)); err != nil {
			return to, fmt.Errorf("keep what was there: %w", err)
		}
	}
	return to, errors.Join(syncPath(to), syncPath(f.dir))
}

// makeKept makes the first of lost-1, lost-2, … that is not there.
func (f *LostFolder) makeKept() (string, error) {
	for i := 1; ; i++ {
		path := f.path(fmt.Sprintf("%s%d", keptFolder, i))
		err := os.Mkdir(path, 0o750)
		if !errors.Is(err, fs.ErrExist) {
			return path, err
		}
	}
}

// Close gives the folder up, and takes away what OpenLostFolder made for nothing: a recovery that was
// refused, or that was given a wrong folder, leaves no trace. LOCK goes while it is locked; who opened
// it in between finds that it is none any more, see lockFolder. It returns the error of the file system.
func (f *LostFolder) Close() error { return errors.Join(f.unmake(), f.lock.Close()) }
