package raftstore

import (
	"fmt"
	"strconv"

	"github.com/hashicorp/raft"
)

// CURRENT names the checkpoints that count; a folder that it does not name is a leftover. It exists
// from the first start on, before there is any checkpoint, so that a lost CURRENT is never taken
// for a new node.
const currentFile = "CURRENT"

// keptCheckpoints is how many checkpoints are kept: the newest, and the one before it, with the log
// behind it, in case the newest turns out to be bad.
const keptCheckpoints = 2

// Owner says whose checkpoints these are. ClusterID is "" until it is known.
type Owner struct {
	ClusterID   string `json:"cluster_id"`
	Incarnation uint64 `json:"incarnation"`
}

// accepts says whether what o1 wrote may be read as o2: the cluster id may have been learnt since.
func (o Owner) accepts(found Owner) bool {
	same := o.ClusterID == found.ClusterID || o.ClusterID == "" || found.ClusterID == ""
	return same && o.Incarnation == found.Incarnation
}

func (o Owner) String() string {
	return fmt.Sprintf("%q incarnation %d", o.ClusterID, o.Incarnation)
}

// current is what stands in CURRENT.
type current struct {
	Owner
	Checkpoints []checkpointRecord `json:"checkpoints"` // newest first
}

// checkpointRecord is one checkpoint. Its folder is its id.
type checkpointRecord struct {
	ID        string     `json:"folder"`
	Index     uint64     `json:"index"`
	Term      uint64     `json:"term"`
	Installed bool       `json:"installed"`
	Digest    hexUint64  `json:"digest"`
	SizeBytes int64      `json:"size_bytes"` // of the stream
	Blocks    uint64     `json:"blocks"`
	Events    eventsMark `json:"events"`

	Version            raft.SnapshotVersion `json:"raft_version"`
	Configuration      []serverRecord       `json:"configuration"`
	ConfigurationIndex uint64               `json:"configuration_index"`

	Files []fileRecord `json:"files"`
}

type eventsMark struct {
	First    uint64    `json:"first"`
	Seq      uint64    `json:"seq"`
	Segment  uint64    `json:"segment"`
	Offset   int64     `json:"offset"`
	Checksum hexUint64 `json:"checksum"`

	Begin     uint64    `json:"begin"`
	PrevBytes int64     `json:"prev_bytes"`
	PrevSum   hexUint64 `json:"prev_sum"`
}

func recordMark(m EventMark) eventsMark {
	return eventsMark{First: m.First, Seq: m.Seq, Segment: m.Segment, Offset: m.Offset,
		Checksum: hexUint64(m.Checksum), Begin: m.Begin, PrevBytes: m.PrevBytes,
		PrevSum: hexUint64(m.PrevSum)}
}

func (m eventsMark) mark() EventMark {
	return EventMark{First: m.First, Seq: m.Seq, Segment: m.Segment, Offset: m.Offset,
		Checksum: uint64(m.Checksum), Begin: m.Begin, PrevBytes: m.PrevBytes,
		PrevSum: uint64(m.PrevSum)}
}

type serverRecord struct {
	ID       raft.ServerID      `json:"id"`
	Address  raft.ServerAddress `json:"address"`
	Suffrage int                `json:"suffrage"` // raft.ServerSuffrage, as a number
}

// fileRecord is one file of a checkpoint's folder, as it must be.
type fileRecord struct {
	Name  string    `json:"name"`
	Bytes int64     `json:"bytes"`
	XXH3  hexUint64 `json:"xxh3"`
}

// hexUint64 is a checksum or digest, written as people compare it.
type hexUint64 uint64

// MarshalText writes 16 hexadecimal digits; the error is nil.
func (h hexUint64) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%016x", uint64(h)), nil
}

// UnmarshalText fails when text is not a hexadecimal number of up to 64 bits.
func (h *hexUint64) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	*h = hexUint64(n)
	return err
}

func (r *checkpointRecord) setConfiguration(c raft.Configuration) {
	r.Configuration = nil
	for _, s := range c.Servers {
		r.Configuration = append(r.Configuration,
			serverRecord{ID: s.ID, Address: s.Address, Suffrage: int(s.Suffrage)})
	}
}

// meta is the checkpoint as our own code sees it.
func (r *checkpointRecord) meta() CheckpointMeta {
	return CheckpointMeta{
		Index: r.Index, Term: r.Term, Digest: uint64(r.Digest), SizeBytes: r.SizeBytes,
		Installed: r.Installed, Events: r.Events.mark(),
	}
}

// snapshot is the checkpoint as raft sees it.
func (r *checkpointRecord) snapshot() *raft.SnapshotMeta {
	m := &raft.SnapshotMeta{
		Version: r.Version, ID: r.ID, Index: r.Index, Term: r.Term,
		ConfigurationIndex: r.ConfigurationIndex, Size: r.SizeBytes,
	}
	for _, s := range r.Configuration {
		m.Configuration.Servers = append(m.Configuration.Servers, raft.Server{
			ID: s.ID, Address: s.Address, Suffrage: raft.ServerSuffrage(s.Suffrage)})
	}
	return m
}

// header is the head of the checkpoint's stream.
func (r *checkpointRecord) header() streamHeader {
	return streamHeader{
		digest: uint64(r.Digest), blocks: r.Blocks, sizeBytes: uint64(r.SizeBytes),
		events: r.Events.mark(),
	}
}

// push puts r in front of the kept records: one of the same index is replaced, so that the floor
// is always older than the newest.
func push(kept []checkpointRecord, r checkpointRecord) []checkpointRecord {
	next := []checkpointRecord{r}
	for _, k := range kept {
		if k.Index < r.Index && len(next) < keptCheckpoints {
			next = append(next, k)
		}
	}
	return next
}
