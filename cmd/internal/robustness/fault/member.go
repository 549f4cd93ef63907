package fault

import (
	"context"
	"errors"
	"time"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/robustness/cluster"
)

// member lets a new node in, under load, at times with the leader killed meanwhile, and removes it
// again once it takes part.
func (w *World) member(ctx context.Context) error {
	if err := w.operate(ctx, client.Call{Method: "POST", Path: "/v1/cluster/members"}); notBuilt(err) {
		return &SkipError{Why: "this build knows no POST /v1/cluster/members"}
	}
	n, err := w.Cluster.Join()
	if err != nil {
		return err
	}
	w.Log("add %s", n.Name)
	if err := n.Start(); err != nil {
		return err
	}
	add := client.Call{Method: "POST", Path: "/v1/cluster/members",
		Body: map[string]string{"id": n.Name, "raft": n.Door}}
	if err := w.until(ctx, add, "member-exists"); err != nil {
		return err
	}
	if w.Chance.IntN(3) == 0 {
		if err := w.KillLeader(ctx); err != nil {
			return err
		}
	}
	if err := w.whole(ctx); err != nil {
		return err
	}
	return w.leave(ctx, n)
}

// leave removes a node and ends it.
func (w *World) leave(ctx context.Context, n *cluster.Node) error {
	w.Log("remove %s", n.Name)
	n.Excuse("it is removed")
	// Asked of the others: one that is removed does not answer for the cluster any more.
	remove := client.Call{Method: "DELETE", Path: "/v1/cluster/members/" + client.Segment(n.Name)}
	if err := w.until(ctx, remove, "unknown-member"); err != nil {
		return err
	}
	return w.Cluster.Leave(n)
}

// changeFor bounds a change of the members.
const changeFor = 60 * time.Second

// until sends a change until it was made, or an answer says that it was made before: a try without
// an answer may have been. It fails with *BrokenError when that takes too long.
func (w *World) until(ctx context.Context, c client.Call, done string) error {
	limit := time.Now().Add(changeFor)
	for {
		err := w.operate(ctx, c)
		var p *client.Problem
		if err == nil || (errors.As(err, &p) && p.Code == done) {
			return nil
		}
		if time.Now().After(limit) || ctx.Err() != nil {
			return broken("%s %s was not made within %v: %v", c.Method, c.Path, changeFor, err)
		}
		w.wait(ctx, 200*time.Millisecond)
	}
}
