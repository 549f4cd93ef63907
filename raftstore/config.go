package raftstore

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast/engine"
)

// Config says how a node runs. The zero value of a field with a default is replaced by
// [Config.WithDefaults].
type Config struct {
	Node string // name of this node, 1 to 64 letters, digits, '-' and '_'; required
	Dir  string // data folder; made when it does not exist; required
	HTTP string // address that this node tells the others for its HTTP, may be empty

	// Raft is the address of the peer port. Listener, when not nil, is a listener that is open
	// already and is used, and closed, in place of listening on Raft.
	Raft     string
	Listener net.Listener
	// Advertise is the address under which others reach the peer port; default: that of Peers, else
	// the listener's own.
	Advertise string
	// Peers lists every node of a new cluster, this one among them, the same on each. Empty: one
	// node alone.
	Peers []Peer
	// Join lists the peer ports of some members of a cluster that this node, when its folder is
	// empty, asks to be let in. A node that has it never forms a cluster of its own.
	Join []string
	// TLS secures the peer port; unset, it is plain, and whoever reaches it can do all that a node can.
	TLS PeerTLS

	Heartbeat      time.Duration // raft's heartbeat, election and lease timeout; default 1 s
	ProposeTimeout time.Duration // after which an outcome is unknown; default 10 s
	QueueBytes     int           // encoded commands queued and in flight; default 64 MiB
	QueueWait      time.Duration // expected wait above which writes are refused; default 2 s
	ReadsInFlight  int           // reads at one time; default 4,096
	// CheckpointBytes is the least log between two checkpoints; default 256 MiB. The log between
	// two is at least as long as the last checkpoint, whatever is set here.
	CheckpointBytes int64
	// LogSegmentBytes is the size of a file of the raft log, 64 KiB to 2 GiB; default 256 MiB. Each
	// file is allocated whole: a node that is short-lived, or one of several on a small disk, takes
	// less, and pays a few ms for each change of file. It may differ from node to node and from start
	// to start. On a disk below sixteen files it is less.
	LogSegmentBytes int
	// SkipEntries are agreed entries that have no effect, because applying them panics. Equal on every
	// node; a node without them stops at the entry, or has another digest from there on.
	SkipEntries []SkipEntry

	applyVersion int64 // the newest that this build knows; tests stand in for a later build

	// DiskMin is the free space, in bytes, below which a node's disk counts as full: its /readyz says
	// so, and a leader refuses reserves. DiskWarn is where the alarm and the trimming begin, at least
	// DiskMin. 0 goes by what the node still has to write, see marks.
	DiskWarn, DiskMin int64
	// Ballast is the size of the file BALLAST, in bytes; 0 is none, below 0 a hundredth of the disk,
	// at most 256 MiB.
	Ballast int64

	space func(dir string) (DiskSpace, error) // of the file system; Open sets the real one

	Now        func() time.Time      // the wall clock; default time.Now
	Logger     *slog.Logger          // default: discards
	Registerer prometheus.Registerer // nil: metrics are kept but not registered
	// Fatal is called at most once, on a goroutine of its own, when the node must stop: the disk
	// failed, an agreed entry cannot be read, or apply panicked. Default: nothing; Run returns the
	// same error.
	Fatal func(error)
}

// Peer is one node of a static list.
type Peer struct {
	Node string // its name
	Addr string // its peer port, as the others reach it
}

// WithDefaults returns a copy in which every unset field with a default has it.
func (c Config) WithDefaults() Config {
	set(&c.Raft, "127.0.0.1:7481")
	set(&c.Heartbeat, time.Second)
	set(&c.ProposeTimeout, 10*time.Second)
	set(&c.QueueBytes, 64<<20)
	set(&c.QueueWait, 2*time.Second)
	set(&c.ReadsInFlight, 4096)
	set(&c.CheckpointBytes, 256<<20)
	set(&c.LogSegmentBytes, defaultSegmentBytes)
	set(&c.applyVersion, engine.ApplyVersion)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate returns nil, or every fault joined into one error.
func (c Config) Validate() error {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(!validNode(c.Node), "node %q: %s", c.Node, nodeRule)
	fault(c.Dir == "", "data folder: missing")
	fault(c.Heartbeat < 10*time.Millisecond, "heartbeat %v: at least 10ms", c.Heartbeat)
	fault(c.ProposeTimeout < c.Heartbeat, "propose timeout %v: at least the heartbeat",
		c.ProposeTimeout)
	fault(c.QueueBytes < maxOpBytes, "queue %d bytes: at least %d", c.QueueBytes, maxOpBytes)
	fault(c.QueueWait <= 0, "queue wait %v: more than 0", c.QueueWait)
	fault(c.ReadsInFlight < 1, "reads in flight %d: at least 1", c.ReadsInFlight)
	fault(c.CheckpointBytes < 1, "checkpoint bytes %d: at least 1", c.CheckpointBytes)
	fault(c.LogSegmentBytes < minSegmentBytes || c.LogSegmentBytes > maxSegmentBytes,
		"log segment %d bytes: %d to %d", c.LogSegmentBytes, minSegmentBytes, maxSegmentBytes)
	fault(!c.TLS.none() && !c.TLS.whole(),
		"TLS of the peer port: certificate, key and pins go together: %+v", c.TLS)
	fault(c.DiskMin < 0 || c.DiskWarn < 0, "disk marks %d and %d bytes: not below 0", c.DiskWarn,
		c.DiskMin)
	faults = append(faults, c.peerFaults()...)
	faults = append(faults, c.skipFaults()...)
	return errors.Join(faults...)
}

func (c Config) peerFaults() []error {
	var faults []error
	for _, addr := range c.Join {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			faults = append(faults, fmt.Errorf("join: address %q: %w", addr, err))
		}
	}
	if len(c.Peers) == 0 {
		return faults
	}
	self := false
	nodes, addrs := map[string]bool{}, map[string]bool{}
	for _, p := range c.Peers {
		self = self || p.Node == c.Node
		if !validNode(p.Node) {
			faults = append(faults, fmt.Errorf("peer %q: %s", p.Node, nodeRule))
		}
		if _, _, err := net.SplitHostPort(p.Addr); err != nil {
			faults = append(faults, fmt.Errorf("peer %s: address %q: %w", p.Node, p.Addr, err))
		}
		if nodes[p.Node] || addrs[p.Addr] {
			faults = append(faults, fmt.Errorf("peer %s at %s: listed twice", p.Node, p.Addr))
		}
		nodes[p.Node], addrs[p.Addr] = true, true
	}
	if !self {
		faults = append(faults, fmt.Errorf("peers: node %s itself is not among them", c.Node))
	}
	return faults
}

const nodeRule = "1 to 64 letters, digits, '-' or '_'"

// validNode reports whether name can be a node's: dots are kept for incarnations.
func validNode(name string) bool {
	if len(name) == 0 || len(name) > 64 {
		return false
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
		default:
			return false
		}
	}
	return true
}
