//go:build bug_skip_fsync

package raftstore

import "github.com/hashicorp/raft-wal/types"

// syncedFiles is broken on purpose: no write to the raft log is synced. See bugs.go.
func syncedFiles(files types.VFS) types.VFS { return forgetfulFiles{files} }

type forgetfulFiles struct{ types.VFS }

// Create fails as the file system does.
func (f forgetfulFiles) Create(dir, name string, size uint64) (types.WritableFile, error) {
	w, err := f.VFS.Create(dir, name, size)
	return forgetfulFile{w}, err
}

// OpenWriter fails as the file system does.
func (f forgetfulFiles) OpenWriter(dir, name string) (types.WritableFile, error) {
	w, err := f.VFS.OpenWriter(dir, name)
	return forgetfulFile{w}, err
}

type forgetfulFile struct{ types.WritableFile }

// Sync returns nil and does nothing.
func (forgetfulFile) Sync() error { return nil }
