package raftstore

import (
	"encoding/hex"
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
	// ClusterID is "" until the node has learnt it, from the log or when it was let in.
	ClusterID string `json:"cluster_id"`
	// Folder is the random id of this folder, in hexadecimal: a folder that was made anew under an
	// old name has another one.
	Folder string `json:"folder"`
	// LetIn says that this incarnation may take part: it formed the cluster, or the leader let it in.
	// It is on the disk before raft hears of anybody.
	LetIn bool `json:"let_in"`
	// FormedWith has the folders with which this node formed the cluster, as foldersText gives them; ""
	// for one that did not form it. It is on the disk before its first vote.
	FormedWith string `json:"formed_with,omitempty"`
	// SinceTerm is the term in which the leader let it in; it votes only in later ones.
	SinceTerm uint64 `json:"since_term"`
}

// FolderID is Folder as bytes; zero when it is none.
func (i Identity) FolderID() (id [16]byte) {
	b, err := hex.DecodeString(i.Folder)
	if err == nil && len(b) == len(id) {
		copy(id[:], b)
	}
	return id
}

// newIdentity is that of a fresh folder, which was let in nowhere.
func newIdentity(node string, incarnation uint64) Identity {
	folder := newClusterID()
	return Identity{
		Node: node, Incarnation: incarnation, Format: folderFormat,
		Folder: hex.EncodeToString(folder[:]),
	}
}

// RaftID is the id of the node in raft, such as "n1.1".
func (i Identity) RaftID() raft.ServerID {
	return raft.ServerID(fmt.Sprintf("%s.%d", i.Node, i.Incarnation))
}

// letIn notes that the folder was let in.
func (i *Identity) letIn(cluster string, term uint64) {
	i.LetIn, i.SinceTerm = true, max(i.SinceTerm, term)
	if cluster != "" {
		i.ClusterID = cluster
	}
}

// formed notes that the folder forms the cluster with others; what it noted first stands.
func (i *Identity) formed(with string) {
	i.letIn("", 0)
	if i.FormedWith == "" {
		i.FormedWith = with
	}
}

// identityKeeper keeps what a node knows of itself, durably. Its twin in memory is MemIdentity.
type identityKeeper interface {
	Identity() Identity
	// SetClusterID fails with *ForeignClusterError when another one is known.
	SetClusterID(id string) error
	// SetLetIn returns nil once it is durable that the node may take part.
	SetLetIn(cluster string, term uint64) error
	// SetFormed returns nil once it is durable that the node may take part, and with whom it forms the
	// cluster.
	SetFormed(with string) error
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
		id = newIdentity(node, firstIncarnation)
		return id, identitySeal.replace(path, id)
	case err != nil:
		return id, err
	case id.Format != folderFormat || id.Incarnation == 0 || id.FolderID() == ([16]byte{}):
		return id, damaged(path, "format %d, incarnation %d, folder %q", id.Format, id.Incarnation,
			id.Folder)
	case id.Node != node:
		return id, &ForeignFolderError{File: path, Found: id.Node, Want: node}
	}
	return id, nil
}
