package fault

import (
	"context"
	"time"

	"holdfast/cmd/internal/robustness/cluster"
	"holdfast/cmd/internal/robustness/link"
)

// shape is one way in which a network fails.
type shape struct {
	name string
	do   func(w *World, ctx context.Context)
}

var shapes = []shape{
	{"leader isolated, silent", func(w *World, ctx context.Context) {
		w.isolate(w.leaderOr(ctx), link.Rule{Stall: true})
	}},
	{"leader isolated, refused", func(w *World, ctx context.Context) {
		w.isolate(w.leaderOr(ctx), link.Rule{Refuse: true})
	}},
	{"one node isolated", func(w *World, _ context.Context) {
		w.isolate(w.any(), link.Rule{Stall: true})
	}},
	{"one way: a node is heard by nobody", func(w *World, ctx context.Context) {
		w.mute(w.oneOrLeader(ctx))
	}},
	{"one way: a node hears nobody", func(w *World, ctx context.Context) {
		w.deafen(w.oneOrLeader(ctx))
	}},
	{"bridge: two nodes reach each other only through the third", func(w *World, ctx context.Context) {
		apart := w.others(w.any())
		w.between(apart[0], apart[1], link.Rule{Stall: true})
	}},
	{"half open: bytes of one direction of one pair are lost", func(w *World, ctx context.Context) {
		a := w.leaderOr(ctx)
		b := w.others(a)[w.Chance.IntN(len(w.Cluster.Nodes)-1)]
		w.Cluster.Mesh.Set(link.Pair{From: a.Name, To: b.Name}, link.Rule{Stall: true})
	}},
	{"everyone alone", func(w *World, _ context.Context) {
		for _, n := range w.Cluster.Nodes {
			w.isolate(n, link.Rule{Stall: true})
		}
	}},
	{"delay of 75±50 ms", func(w *World, _ context.Context) {
		w.everywhere(link.Rule{Delay: 25 * time.Millisecond, Jitter: 100 * time.Millisecond})
	}},
	{"one piece in ten cuts its connection", func(w *World, _ context.Context) {
		w.everywhere(link.Rule{Cut: 0.1})
	}},
	{"swizzle", (*World).swizzle},
}

// partition makes the network fail in one shape, for a while, at times with a kill in between.
func (w *World) partition(ctx context.Context) error {
	s := shapes[w.Chance.IntN(len(shapes))]
	w.Log("network: %s", s.name)
	s.do(w, ctx)
	w.hold(ctx)
	if w.Chance.IntN(3) == 0 {
		n := w.any()
		w.Log("kill %s meanwhile", n.Name)
		if err := n.Kill(); err != nil {
			return err
		}
		if err := n.Start(); err != nil {
			return err
		}
		w.hold(ctx)
	}
	w.Cluster.Mesh.Heal(w.Chance.IntN(2) == 0)
	return nil
}

func (w *World) oneOrLeader(ctx context.Context) *cluster.Node {
	if w.Chance.IntN(2) == 0 {
		return w.any()
	}
	return w.leaderOr(ctx)
}

func (w *World) between(a, b *cluster.Node, r link.Rule) {
	w.Cluster.Mesh.Set(link.Pair{From: a.Name, To: b.Name}, r)
	w.Cluster.Mesh.Set(link.Pair{From: b.Name, To: a.Name}, r)
}

func (w *World) isolate(n *cluster.Node, r link.Rule) {
	for _, o := range w.others(n) {
		w.between(n, o, r)
	}
}

func (w *World) mute(n *cluster.Node) {
	for _, o := range w.others(n) {
		w.Cluster.Mesh.Set(link.Pair{From: n.Name, To: o.Name}, link.Rule{Stall: true})
	}
}

func (w *World) deafen(n *cluster.Node) {
	for _, o := range w.others(n) {
		w.Cluster.Mesh.Set(link.Pair{From: o.Name, To: n.Name}, link.Rule{Stall: true})
	}
}

func (w *World) everywhere(r link.Rule) {
	for _, n := range w.Cluster.Nodes {
		for _, o := range w.others(n) {
			w.Cluster.Mesh.Set(link.Pair{From: n.Name, To: o.Name}, r)
		}
	}
}

// swizzle stops links one by one, in random order, and heals them one by one in another.
func (w *World) swizzle(ctx context.Context) {
	var pairs []link.Pair
	for _, n := range w.Cluster.Nodes {
		for _, o := range w.others(n) {
			pairs = append(pairs, link.Pair{From: n.Name, To: o.Name})
		}
	}
	for _, r := range []link.Rule{{Stall: true}, {}} {
		for _, i := range w.Chance.Perm(len(pairs)) {
			w.Cluster.Mesh.Set(pairs[i], r)
			w.wait(ctx, time.Duration(w.Chance.Int64N(int64(700*time.Millisecond))))
		}
	}
}
