//go:build !bug_skip_fsync

package raftstore

import "github.com/hashicorp/raft-wal/types"

// syncedFiles is how the raft log reaches its files: as they are, syncs included. See bugs.go.
func syncedFiles(files types.VFS) types.VFS { return files }
