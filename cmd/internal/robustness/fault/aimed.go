package fault

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"holdfast/cmd/internal/robustness/cluster"
	"holdfast/cmd/internal/robustness/link"
)

// Faults that are aimed and not drawn, for schedules that a certain mistake must not survive. They
// fail as Do does.

// KillLeader kills the leader and starts it again; it fails as Do.
func (w *World) KillLeader(ctx context.Context) error { return w.through(ctx, Kill, w.killLeader) }

// LoseLeader holds back all that the leader sends and is sent, for a while, kills it before the
// others hear of it again, and starts it only when they have gone on without it. What it answered
// meanwhile nobody else has. It fails as Do.
func (w *World) LoseLeader(ctx context.Context, long time.Duration) error {
	return w.through(ctx, Partition, func(ctx context.Context) error {
		n := w.leaderOr(ctx)
		w.Log("network: leader %s isolated for %v, then killed", n.Name, long)
		w.isolate(n, link.Rule{Stall: true})
		w.wait(ctx, long)
		if err := n.Kill(); err != nil {
			return err
		}
		w.Cluster.Mesh.Heal(true)
		w.Load.Mark()
		var probe sync.WaitGroup
		probe.Go(func() { w.Load.Probe(ctx) })
		_, err := w.firstWrite(ctx)
		probe.Wait()
		if err != nil {
			return err
		}
		return n.Start()
	})
}

// SyncAll makes durable what the nodes have written so far, whether they meant to or not. It fails
// with the error of a file system.
func (w *World) SyncAll() error {
	var errs []error
	for _, n := range w.Cluster.Nodes {
		errs = append(errs, n.Volume.Sync())
	}
	return errors.Join(errs...)
}

// LoadFor lets the load run on without a fault, for a while; it returns nil.
func (w *World) LoadFor(ctx context.Context, long time.Duration) error {
	w.wait(ctx, long)
	return nil
}

// DamageNewest waits until some node has two checkpoints behind its first one and damages the newest; it
// fails as Do, or when no node comes to have them.
func (w *World) DamageNewest(ctx context.Context) error {
	n, err := w.withTwo(ctx)
	if err != nil {
		return err
	}
	return w.through(ctx, Mutation, func(ctx context.Context) error {
		return w.mutateOne(ctx, n, func(file string) bool {
			kept := spareCheckpoints(n.Volume.Dir)
			return len(kept) > 0 && filepath.Dir(file) == kept[0]
		})
	})
}

// twoFor bounds the wait for two checkpoints.
const twoFor = 30 * time.Second

// withTwo waits for a node whose two checkpoints are a whole interval apart, which its first one and the
// next need not be: then the log that a checkpoint leaves behind it does not reach back to the one before,
// but for what keeps it.
func (w *World) withTwo(ctx context.Context) (*cluster.Node, error) {
	first := map[*cluster.Node]string{}
	for limit := time.Now().Add(twoFor); ctx.Err() == nil; w.wait(ctx, 20*time.Millisecond) {
		for _, n := range w.Cluster.Nodes {
			kept := checkpointsOf(n.Volume.Dir)
			if len(kept) > 0 && first[n] == "" {
				first[n] = kept[len(kept)-1]
			}
			if len(kept) == 2 && kept[1] != first[n] {
				return n, nil
			}
		}
		if time.Now().After(limit) {
			return nil, broken("no node has two checkpoints after %v of load", twoFor)
		}
	}
	return nil, ctx.Err()
}
