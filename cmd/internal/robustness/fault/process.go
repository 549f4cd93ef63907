package fault

import (
	"context"
	"errors"
	"sync"
	"time"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/robustness/cluster"
)

// kill ends the leader, a follower, a random node or all of them with SIGKILL and starts them
// again. After the leader it measures when the first write is accepted.
func (w *World) kill(ctx context.Context) error {
	switch dice := w.Chance.IntN(10); {
	case dice < 5:
		return w.killLeader(ctx)
	case dice < 7:
		return w.killSome(ctx, w.others(w.leaderOr(ctx))[:1])
	case dice < 9:
		return w.killSome(ctx, []*cluster.Node{w.any()})
	default:
		return w.killSome(ctx, w.Cluster.Nodes)
	}
}

func (w *World) killLeader(ctx context.Context) error {
	leader := w.Cluster.Leader(ctx)
	if leader == nil {
		return w.killSome(ctx, []*cluster.Node{w.any()})
	}
	if err := leader.Kill(); err != nil {
		return err
	}
	w.Load.Mark()
	var probe sync.WaitGroup
	probe.Go(func() { w.Load.Probe(ctx) })
	took, err := w.firstWrite(ctx)
	probe.Wait()
	if err != nil {
		return err
	}
	w.Tally.LeaderKills = append(w.Tally.LeaderKills, took)
	w.Log("killed the leader %s; first write after %v", leader.Name, took.Round(time.Millisecond))
	w.wait(ctx, time.Duration(w.Chance.Int64N(int64(500*time.Millisecond))))
	return leader.Start()
}

// electionLimit is when a write must be accepted again while a majority runs and reaches each
// other: far above what is promised, which is measured and not asserted.
const electionLimit = 30 * time.Second

// firstWrite waits for the first write that was sent and accepted after Mark.
func (w *World) firstWrite(ctx context.Context) (time.Duration, error) {
	limit := time.Now().Add(electionLimit)
	for ctx.Err() == nil {
		if took, ok := w.Load.Accepted(); ok {
			return took, nil
		}
		if time.Now().After(limit) {
			return 0, broken("no write was accepted for %v although a majority runs", electionLimit)
		}
		w.wait(ctx, 2*time.Millisecond)
	}
	return 0, ctx.Err()
}

func (w *World) killSome(ctx context.Context, nodes []*cluster.Node) error {
	for _, n := range nodes {
		w.Log("kill %s", n.Name)
		if err := n.Kill(); err != nil {
			return err
		}
	}
	w.wait(ctx, time.Duration(w.Chance.Int64N(int64(time.Second))))
	return startAll(nodes)
}

func startAll(nodes []*cluster.Node) error {
	for _, n := range nodes {
		if err := n.Start(); err != nil {
			return err
		}
	}
	return nil
}

// restart stops a node in order and starts it again.
func (w *World) restart(ctx context.Context) error {
	n := w.any()
	if w.Chance.IntN(2) == 0 {
		n = w.leaderOr(ctx)
	}
	w.Log("restart %s in order", n.Name)
	if err := n.Stop(); err != nil {
		return broken("%v", err)
	}
	return n.Start()
}

// pause stops a node's process for 2 to 15 seconds, as a virtual machine that is moved does.
func (w *World) pause(ctx context.Context) error {
	n := w.any()
	if w.Chance.IntN(2) == 0 {
		n = w.leaderOr(ctx)
	}
	long := 2*time.Second + time.Duration(w.Chance.Int64N(int64(4*time.Second)))
	if w.Chance.IntN(5) == 0 {
		long = 15 * time.Second
	}
	w.Log("pause %s for %v", n.Name, long.Round(time.Millisecond))
	// Its own stall watch counts the pause as a disk that did not answer: it may stop when it goes on.
	n.Excuse("paused")
	if err := n.Pause(); err != nil {
		return err
	}
	w.wait(ctx, long)
	if err := n.Resume(); err != nil {
		return err
	}
	return w.revive(ctx)
}

// revive waits a little and starts what had a reason to end by itself.
func (w *World) revive(ctx context.Context) error {
	for range 20 {
		w.wait(ctx, 50*time.Millisecond)
		for _, n := range w.Cluster.Nodes {
			if n.Runs() {
				continue
			}
			w.Log("%s had stopped itself; start it", n.Name)
			if err := n.Start(); err != nil {
				return err
			}
		}
	}
	return nil
}

// transfer hands leadership to another node, or away.
func (w *World) transfer(ctx context.Context) error {
	leader := w.leaderOr(ctx)
	body := map[string]string{}
	if to := w.others(leader); w.Chance.IntN(2) == 0 {
		body["to"] = to[w.Chance.IntN(len(to))].Name
	}
	err := w.operate(ctx, client.Call{Method: "POST", Path: "/v1/cluster/transfer", Body: body})
	if notBuilt(err) {
		return &SkipError{Why: "this build knows no POST /v1/cluster/transfer"}
	}
	w.Log("transfer from %s to %v: %v", leader.Name, body, err)
	return nil // a transfer that does not come about harms nobody
}

// operate sends a call of an operator to some node.
func (w *World) operate(ctx context.Context, c client.Call) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	_, err := w.any().Ask.Do(ctx, c, nil)
	return err
}

// notBuilt reports whether an error says that there is no such call.
func notBuilt(err error) bool {
	var p *client.Problem
	return errors.As(err, &p) && (p.Code == "not-found" || p.Code == "method-not-allowed")
}
