package node

import (
	"context"
	"errors"
	"fmt"
	"os"

	"holdfast/raftstore"
)

// Recovery is what the cluster keeps for a node that begins anew.
type Recovery struct {
	Incarnation uint64
	ClusterID   string
}

// FreeBallast deletes the ballast file of a data folder and returns how many bytes that gave back, 0
// when there is none. It fails when there is no such folder, or as the file system does.
func FreeBallast(data string) (bytes int64, err error) {
	if _, err := os.Stat(data); err != nil {
		return 0, fmt.Errorf("free the ballast: %w", err)
	}
	bytes, err = raftstore.FreeBallast(data)
	return bytes, explain(err)
}

// Recover gives the node name, which must not run, a fresh data folder under the incarnation that ask
// gets from the cluster. It returns where it keeps what was in the folder, "" when there was nothing or
// the folder was made anew already. It fails with ask's error, with *StopError when the folder is in
// use or another's, or when the file system does; nothing is ever deleted but the ballast.
func Recover(ctx context.Context, name, data string,
	ask func(context.Context) (Recovery, error)) (r Recovery, kept string, err error) {
	folder, err := raftstore.OpenLostFolder(data, name)
	if err != nil {
		return Recovery{}, "", explain(err)
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	if r, err = ask(ctx); err != nil {
		return Recovery{}, "", err
	}
	kept, err = folder.BeginAnew(raftstore.Recovery{Node: name, Incarnation: r.Incarnation,
		Cluster: r.ClusterID})
	return r, kept, explain(err)
}
