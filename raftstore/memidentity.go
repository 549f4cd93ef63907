package raftstore

import "sync"

// MemIdentity is the twin of a folder's IDENTITY: it keeps it for as long as the process lives. Safe
// for concurrent use.
type MemIdentity struct {
	mu       sync.Mutex
	identity Identity
}

// NewMemIdentity is that of a fresh folder.
func NewMemIdentity(node string, incarnation uint64) *MemIdentity {
	return &MemIdentity{identity: newIdentity(node, incarnation)}
}

// Identity is what is kept.
func (m *MemIdentity) Identity() Identity {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.identity
}

// SetClusterID fails with *ForeignClusterError when another one is known.
func (m *MemIdentity) SetClusterID(id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.identity.ClusterID; old != "" && old != id {
		return &ForeignClusterError{File: identityFile, Found: old, Want: id}
	}
	m.identity.ClusterID = id
	return nil
}

// SetFormed never fails.
func (m *MemIdentity) SetFormed(with string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.identity.formed(with)
	return nil
}

// SetLetIn fails as SetClusterID.
func (m *MemIdentity) SetLetIn(cluster string, term uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.identity.ClusterID; old != "" && cluster != "" && cluster != old {
		return &ForeignClusterError{File: identityFile, Found: old, Want: cluster}
	}
	m.identity.letIn(cluster, term)
	return nil
}
