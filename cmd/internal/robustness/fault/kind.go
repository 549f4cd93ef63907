package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"holdfast/cmd/internal/robustness/cluster"
)

// Kind is a kind of fault.
type Kind string

// The kinds of fault, in the order in which the table shows them.
const (
	Kill      Kind = "kills"
	Restart   Kind = "orderly restarts"
	Pause     Kind = "pauses"
	Transfer  Kind = "leader transfers"
	Partition Kind = "partitions"
	PowerCut  Kind = "power cuts of all nodes"
	Hang      Kind = "disk hangs"
	Full      Kind = "full disks"
	Mutation  Kind = "file mutations"
	Member    Kind = "membership changes"
)

// Kinds lists every kind.
var Kinds = []Kind{Kill, Restart, Pause, Transfer, Partition, PowerCut, Hang, Full, Mutation,
	Member}

// Load is what a fault must know of the load: when a write was accepted again.
type Load interface {
	Mark()
	Accepted() (time.Duration, bool)
	Probe(context.Context)
}

// World is what faults are done to.
type World struct {
	Cluster *cluster.Cluster
	Load    Load
	Chance  *rand.Rand
	Dir     string // for copies
	Log     func(format string, args ...any)
	Broken  func(error) // takes what a fault showed to be wrong and can go on from
	Tally   *Tally
	Hold    time.Duration // mean length of a fault, default 4 s
	// Patience is how long the cluster may take to be whole again when a fault is over, default 1 min.
	Patience time.Duration

	hurt map[string]bool // folders of nodes in which a damaged file was left
}

// Tally counts what was done.
type Tally struct {
	Done    map[Kind]int
	Skipped map[Kind]string // why
	// LeaderKills is how long after each kill of the leader the first write was accepted that was sent
	// after it.
	LeaderKills []time.Duration
	Refusals    int // starts that a damaged file refused, naming it
	Survived    int // starts that went on from a damaged file and ended equal
}

// NewTally returns an empty one.
func NewTally() *Tally {
	return &Tally{Done: map[Kind]int{}, Skipped: map[Kind]string{}}
}

// SkipError says that a kind of fault cannot be done here.
type SkipError struct{ Why string }

func (e *SkipError) Error() string { return e.Why }

// BrokenError says that the cluster did what it must not, before any history was judged.
type BrokenError struct{ What string }

func (e *BrokenError) Error() string { return e.What }

func broken(format string, args ...any) error {
	return &BrokenError{What: fmt.Sprintf(format, args...)}
}

// wholeFor bounds how long the cluster may take to be whole again when a fault is over.
func (w *World) wholeFor() time.Duration {
	if w.Patience > 0 {
		return w.Patience
	}
	return 60 * time.Second
}

// Do does one fault from its beginning to a cluster that is whole again. It fails with *SkipError
// when it cannot be done, *BrokenError when the cluster did what it must not, or another error when
// the harness itself failed.
func (w *World) Do(ctx context.Context, k Kind) error {
	do := map[Kind]func(context.Context) error{
		Kill: w.kill, Restart: w.restart, Pause: w.pause, Transfer: w.transfer,
		Partition: w.partition, PowerCut: w.powerCut, Hang: w.hang, Full: w.full,
		Mutation: w.mutate, Member: w.member,
	}[k]
	return w.through(ctx, k, do)
}

// through does one fault and waits until the cluster is whole again.
func (w *World) through(ctx context.Context, k Kind, do func(context.Context) error) error {
	if err := do(ctx); err != nil {
		return fmt.Errorf("one of the %s: %w", k, err)
	}
	if err := w.whole(ctx); err != nil {
		return fmt.Errorf("after one of the %s: %w", k, err)
	}
	w.Tally.Done[k]++
	return nil
}

func (w *World) whole(ctx context.Context) error {
	for _, n := range w.Cluster.Nodes {
		n.Excuse("")
	}
	if err := w.Cluster.Whole(ctx, w.wholeFor()); err != nil {
		return broken("%v", err)
	}
	return nil
}

// hold waits for the length of a fault: a half to one and a half of the mean.
func (w *World) hold(ctx context.Context) {
	mean := w.Hold
	if mean <= 0 {
		mean = 4 * time.Second
	}
	w.wait(ctx, mean/2+time.Duration(w.Chance.Int64N(int64(mean))))
}

func (w *World) wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// any draws a node.
func (w *World) any() *cluster.Node {
	return w.Cluster.Nodes[w.Chance.IntN(len(w.Cluster.Nodes))]
}

// leaderOr finds the leader, or draws a node when none says that it leads.
func (w *World) leaderOr(ctx context.Context) *cluster.Node {
	if n := w.Cluster.Leader(ctx); n != nil {
		return n
	}
	return w.any()
}

// others lists all nodes but one.
func (w *World) others(but *cluster.Node) []*cluster.Node {
	var all []*cluster.Node
	for _, n := range w.Cluster.Nodes {
		if n != but {
			all = append(all, n)
		}
	}
	return all
}
