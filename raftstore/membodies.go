package raftstore

// MemBodies is the twin of the second Badger; like the port, it holds nothing yet.
type MemBodies struct{}

// NewMemBodies makes one.
func NewMemBodies() *MemBodies { return &MemBodies{} }

// Close returns nil.
func (*MemBodies) Close() error { return nil }
