package fault

import (
	"context"
	"errors"
	"time"

	"holdfast/cmd/internal/robustness/cluster"
)

// powerCut stops all nodes, takes of each disk what the device has at that moment, kills the nodes
// and starts them on that.
func (w *World) powerCut(ctx context.Context) error {
	nodes := w.Cluster.Nodes
	if !nodes[0].Volume.Mounted() {
		return &SkipError{Why: "the nodes' folders are not on file systems of their own"}
	}
	var errs []error
	for _, n := range nodes {
		errs = append(errs, n.Pause())
	}
	var cuts []string
	for _, n := range nodes {
		cut, err := n.Volume.Snapshot()
		errs, cuts = append(errs, err), append(cuts, cut)
	}
	for _, n := range nodes {
		errs = append(errs, n.Kill())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	w.Log("power cut")
	for i, n := range nodes {
		if err := n.Volume.Replace(cuts[i]); err != nil {
			return err
		}
	}
	return startAll(nodes)
}

// hang makes a node's disk answer no write for 3 to 30 seconds. The node must not lead on for
// longer than its stall watch allows; that it stops itself is right.
func (w *World) hang(ctx context.Context) error {
	n := w.oneOrLeader(ctx)
	if !n.Volume.Mounted() {
		return &SkipError{Why: "the nodes' folders are not on file systems of their own"}
	}
	long := 3*time.Second + time.Duration(w.Chance.Int64N(int64(5*time.Second)))
	if w.Chance.IntN(5) == 0 {
		long = 30 * time.Second
	}
	w.Log("the disk of %s hangs for %v", n.Name, long.Round(time.Millisecond))
	n.Excuse("its disk hangs")
	if err := n.Volume.Freeze(); err != nil {
		return err
	}
	w.Load.Mark()
	began := time.Now()
	took, err := w.firstWrite(ctx) // the others must go on
	if err == nil {
		w.Log("first write %v after the disk of %s began to hang", took.Round(time.Millisecond), n.Name)
	}
	w.wait(ctx, long-time.Since(began))
	if err := errors.Join(err, n.Volume.Thaw()); err != nil {
		return err
	}
	return w.revive(ctx)
}

// fullLeft is what is left free on a full disk: less than a file of the log.
const fullLeft = 64 << 10

// full fills the disks of a minority, or of all nodes, and gives the room back after a while. A
// node that stops itself for want of room, saying so, is right.
func (w *World) full(ctx context.Context) error {
	if !w.Cluster.Nodes[0].Volume.Mounted() {
		return &SkipError{Why: "the nodes' folders are not on file systems of their own"}
	}
	nodes := []*cluster.Node{w.oneOrLeader(ctx)}
	if w.Chance.IntN(3) == 0 {
		nodes = w.Cluster.Nodes
	}
	for _, n := range nodes {
		w.Log("the disk of %s is full", n.Name)
		n.Excuse("its disk is full")
		if err := n.Volume.Fill(fullLeft); err != nil {
			return err
		}
	}
	w.hold(ctx)
	for _, n := range nodes {
		if err := n.Volume.Drain(); err != nil {
			return err
		}
	}
	return w.revive(ctx)
}
