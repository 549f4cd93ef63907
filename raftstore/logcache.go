package raftstore

import (
	"sync"

	"github.com/hashicorp/raft"
)

// entryCache holds the newest entries of the log, one slot per index modulo its size. raft's own
// cache forgets everything at each compaction; this one forgets only what is deleted, so that the
// replicators never go to the disk because a checkpoint was made. Safe for concurrent use.
type entryCache struct {
	mu struct {
		sync.RWMutex
		slots []*raft.Log // nil or an entry that nobody changes
	}
}

func newEntryCache(size int) *entryCache {
	c := &entryCache{}
	c.mu.slots = make([]*raft.Log, size)
	return c
}

// read copies the entry into out, if it is here.
func (c *entryCache) read(index uint64, out *raft.Log) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e := c.mu.slots[index%uint64(len(c.mu.slots))]
	if e == nil || e.Index != index {
		return false
	}
	*out = *e
	return true
}

// keep takes an entry that is durable. Nobody may change it afterwards.
func (c *entryCache) keep(e *raft.Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.slots[e.Index%uint64(len(c.mu.slots))] = e
}

// drop forgets the entries first to last, before they are deleted: a reader that comes later must
// not see them again.
func (c *entryCache) drop(first, last uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, e := range c.mu.slots {
		if e != nil && e.Index >= first && e.Index <= last {
			c.mu.slots[i] = nil
		}
	}
}
