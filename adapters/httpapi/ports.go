package httpapi

import (
	"context"
	"io"
	"time"

	"holdfast/engine"
)

// Ledger is what the edge needs of the replicated ledger. It is safe for concurrent use.
//
// Its errors are understood by behaviour: Code() string names the outcome ("no-leader",
// "outcome-unknown", …), RetryAfter() time.Duration says when it is safe to send again, Leader()
// string who leads. A refusal is never an error: it is Result.Refusal.
type Ledger interface {
	// Submit runs one command and waits for its result. It answers within a bound of its own.
	Submit(ctx context.Context, op engine.Op) (engine.Result, error)
	// SubmitAll runs commands in order; done is called once for each, in order, before it returns. r
	// and what it points to are done's until done returns.
	SubmitAll(ctx context.Context, ops []engine.Op, done func(i int, r engine.Result, err error))
	// Read calls step under the ledger's lock, again while it returns true; a call of step must end
	// within about 100 µs. It is linearizable unless stale, and waits for minIndex.
	Read(ctx context.Context, stale bool, minIndex uint64,
		step func(*engine.Ledger) (more bool)) (index uint64, age time.Duration, err error)
	// Retired returns a reservation that has left memory, at the version that engine.Ledger.Retired says.
	// The node may have to fetch it, and then asks to be asked again.
	Retired(ctx context.Context, id string, version uint64) (engine.Reservation, error)
	// Events returns at most limit events after a sequence, oldest first.
	Events(after uint64, limit int) ([]engine.Event, error)
	// EventsChanged returns a channel that is closed at the next event.
	EventsChanged() <-chan struct{}
}

// Node is what the edge shows of the node that it runs on. It is safe for concurrent use.
type Node interface {
	// Cluster is cheap; the edge calls it once a second for the replay horizon.
	Cluster() Cluster
	// Ready lists the checks behind /readyz; the node serves when all are ok.
	Ready() []ReadyCheck
	// Check walks the invariants of the ledger as it is at index.
	Check(ctx context.Context) (index uint64, violations []engine.Violation, err error)
	// Backup takes the state as it is now, with the kept events or without; whoever asked closes it.
	Backup(ctx context.Context, events bool) (Backup, error)
}

// Backup is a backup that is being taken. One goroutine at a time uses it.
type Backup interface {
	// Index is the last entry whose effect it holds.
	Index() uint64
	// WriteTo writes all of it, once; what an error cuts off is seen to be no whole backup.
	WriteTo(w io.Writer) (int64, error)
	// Close lets go of what is held for it.
	Close() error
}

// Membership changes who the members of the cluster are. Its errors are as those of Ledger, and At()
// string names the field of the request that is to blame. It is safe for concurrent use.
type Membership interface {
	// AddMember makes a node a member, reached by the others at raft; it gets its vote later.
	AddMember(ctx context.Context, id, raft string) error
	RemoveMember(ctx context.Context, id string) error
	// TransferLeadership makes to the leader; empty is whoever is best fit for it.
	TransferLeadership(ctx context.Context, to string) error
	// RecoverMember keeps an incarnation for a member whose disk is lost.
	RecoverMember(ctx context.Context, id string) (Recovery, error)
}

// Recovery is what a node needs to begin anew with an empty folder.
type Recovery struct {
	ID          string
	Incarnation uint64
	ClusterID   string
}

// Cluster is the state of the cluster as one node sees it.
type Cluster struct {
	ID            string // empty until it is known
	Node          string
	Leader        string // empty when there is none
	Waiting       string // without a leader: for what the node waits, for people
	Term          uint64
	Index         uint64
	Members       []Member
	Digest        Digest
	ReplayHorizon time.Duration // for how long an answer is remembered now
}

// Member is one node of the cluster; Raft and HTTP are its addresses, Lag is in log entries.
type Member struct {
	ID      string
	Raft    string
	HTTP    string
	Voter   bool
	Healthy bool
	Lag     uint64
	// ClockOffset is how far its clock is ahead of the median of the voters'.
	ClockOffset time.Duration
	DiskFree    int64 // bytes; 0 is not known
}

// Digest is the digest of the ledger at the newest multiple of 1,024 that all members have.
type Digest struct {
	Index    uint64
	Value    uint64
	Diverged bool
}

// ReadyCheck is one line of /readyz.
type ReadyCheck struct {
	Name   string
	OK     bool
	Detail string
}
