package raftstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
)

const identityFile = "IDENTITY"

// folderFormat is the version of the layout of a data folder. A build refuses any other.
const folderFormat = 1

// Identity says whose folder this is.
type Identity struct {
	Node string `json:"node"`
	// Incarnation counts from 1 and grows each time the node starts anew with an empty folder: a
	// voter that lost its disk must never vote under its old id.
	Incarnation uint64 `json:"incarnation"`
	Format      int    `json:"format"`
	// ClusterID is "" until the node has learnt it from the log.
	ClusterID string `json:"cluster_id"`
}

// RaftID is the id of the node in raft, such as "n1.1".
func (i Identity) RaftID() raft.ServerID {
	return raft.ServerID(fmt.Sprintf("%s.%d", i.Node, i.Incarnation))
}

// ForeignFolderError says that a folder belongs to another node.
type ForeignFolderError struct{ File, Found, Want string }

func (e *ForeignFolderError) Error() string {
	return fmt.Sprintf("%s says that this is the folder of node %q, not of node %q",
		e.File, e.Found, e.Want)
}

// ForeignClusterError says that a file belongs to another cluster or to another incarnation.
type ForeignClusterError struct{ File, Found, Want string }

func (e *ForeignClusterError) Error() string {
	return fmt.Sprintf("%s belongs to cluster %s, not to cluster %s", e.File, e.Found, e.Want)
}

var identitySeal = sealedFile{kind: "identity", version: folderFormat}

// loadIdentity reads the identity in dir, or makes the first one when dir is new. It fails with
// *CorruptError, also when the file is missing beside data, and with *ForeignFolderError.
func loadIdentity(dir, node string) (Identity, error) {
	path := filepath.Join(dir, identityFile)
	var id Identity
	switch err := identitySeal.read(path, &id); {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Join(dir, restoringFile)); err == nil {
			return id, damaged(path, "it is missing: a restore into this folder did not end; delete "+
				"all that is in it and restore again")
		}
		for _, data := range dataFolders {
			if _, err := os.Stat(filepath.Join(dir, data)); err == nil {
				return id, damaged(path, "it is missing, but there is data in %s", data)
			}
		}
		id = Identity{Node: node, Incarnation: 1, Format: folderFormat}
		return id, identitySeal.replace(path, id)
	case err != nil:
		return id, err
	case id.Format != folderFormat || id.Incarnation == 0:
		return id, damaged(path, "format %d, incarnation %d", id.Format, id.Incarnation)
	case id.Node != node:
		return id, &ForeignFolderError{File: path, Found: id.Node, Want: node}
	}
	return id, nil
}
