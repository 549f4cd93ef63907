package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"holdfast/adapters/apikeys"
	"holdfast/adapters/httpapi"
	"holdfast/cmd/internal/flows"
	"holdfast/engine"
	"holdfast/raftstore"
)

// Node is a running node. Its methods are safe for concurrent use.
type Node struct {
	cfg   Config
	http  *cuttable
	peer  *cuttable
	store *raftstore.Store
	flows *flows.Core
	keys  *apikeys.Index
	api   *httpapi.Server

	running sync.WaitGroup
	leave   context.CancelFunc // ends the store's Run in order
	left    chan struct{}      // closed when Run has returned
	died    chan struct{}
	err     error // why it died; read it after died is closed
	once    sync.Once
	closed  sync.Once
}

// Start opens the data folder, joins the cluster and serves. It returns when requests are accepted
// and there is a leader, or after LeaderWait without one. It fails with faults of cfg, of the
// addresses, or with an error of the store that names the file, and leaves nothing open then.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, died: make(chan struct{})}
	if err := n.start(ctx); err != nil {
		n.Kill()
		return nil, err
	}
	return n, nil
}

func (n *Node) start(ctx context.Context) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := n.open(registry); err != nil {
		return err
	}
	run, leave := context.WithCancel(context.Background())
	n.leave, n.left = leave, make(chan struct{})
	n.running.Go(func() {
		defer close(n.left)
		n.fail(n.store.Run(run))
	})
	n.running.Go(func() { n.keys.Run(run) })
	n.running.Go(func() { n.flows.Follow(run) })
	n.running.Go(func() { n.store.RunLeading(run, n.flows.Lead) })
	n.running.Go(func() { n.fail(n.api.Serve(n.http)) })
	n.awaitReady(ctx)
	if err := n.Err(); err != nil {
		return err
	}
	return ctx.Err()
}

func (n *Node) open(registry *prometheus.Registry) error {
	cfg := n.cfg
	web, err := listen("http", cfg.HTTP)
	if err != nil {
		return err
	}
	n.http = newCuttable(web)
	port, err := listen("raft", cfg.Raft)
	if err != nil {
		return err
	}
	n.peer = newCuttable(port)
	var peers []raftstore.Peer
	for _, p := range cfg.Peers {
		peers = append(peers, raftstore.Peer{Node: p.Name, Addr: p.Raft})
	}
	n.store, err = raftstore.Open(raftstore.Config{
		Node: cfg.Name, Dir: cfg.Data, HTTP: web.Addr().String(), Listener: n.peer, Peers: peers,
		Join: cfg.Join, TLS: raftstore.PeerTLS(cfg.TLS),
		DiskWarn: cfg.DiskWarn, DiskMin: cfg.DiskMin, Ballast: cfg.Ballast,
		LogSegmentBytes: cfg.LogSegmentBytes, Logger: cfg.Logger, Registerer: registry,
		CheckpointBytes: cfg.CheckpointBytes, SkipEntries: cfg.SkipEntries,
	})
	if err != nil {
		return explain(err)
	}
	records := newSyncStore(n.store)
	if n.keys, err = newKeys(n.store, records, cfg.Logger, registry); err != nil {
		return err
	}
	n.flows, err = flows.New(flows.Config{
		Store: records, Events: n.store, Now: time.Now, Logger: cfg.Logger,
		Registry: registry, Alerts: cfg.Alerts, Vault: cfg.Vault, Private: cfg.Private,
		Speed: cfg.Speed,
	})
	if err != nil {
		return err
	}
	shown := view{n.store, cfg.Version, &host{}, n.flows, n.keys}
	if err := shown.host.register(registry, &cfg); err != nil {
		return err
	}
	served := httpapi.Config{Ledger: n.store, Node: shown, Membership: shown, Logger: cfg.Logger,
		Registry: registry, Version: cfg.Version, CloseTimeout: cfg.StopTimeout, Guard: n.keys,
		Keys: apikeys.NewDesk(records, n.keys, time.Now), OpenLoopback: cfg.OpenLoopback}
	n.flows.Serve(&served)
	n.api, err = httpapi.New(served)
	if err != nil {
		return fmt.Errorf("start the HTTP interface: %w", err)
	}
	return nil
}

// awaitReady waits until a read that must be up to date is answered, and it is known which API keys there
// are, for at most LeaderWait: that takes a leader, and all that was agreed before.
func (n *Node) awaitReady(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.LeaderWait)
	defer cancel()
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for !n.reads(ctx) {
		select {
		case <-ctx.Done():
			return
		case <-n.died:
			return
		case <-poll.C:
		}
	}
	_ = n.keys.Known(ctx) // until then calls are told to come again
}

// reads reports whether the store is ready and answers.
func (n *Node) reads(ctx context.Context) bool {
	bad := func(c raftstore.ReadyCheck) bool { return !c.OK }
	if slices.ContainsFunc(n.store.Ready(), bad) {
		return false
	}
	_, _, err := n.store.Read(ctx, false, 0, func(*engine.Ledger) bool { return false })
	return err == nil
}

// Addr is the address that HTTP is really served on.
func (n *Node) Addr() string { return n.http.Addr().String() }

// Raft is the address that the other nodes really reach.
func (n *Node) Raft() string { return n.peer.Addr().String() }

// Died is closed when the node stops by itself.
func (n *Node) Died() <-chan struct{} { return n.died }

// Err says why the node stopped by itself, or nil while it did not.
func (n *Node) Err() error {
	select {
	case <-n.died:
		return n.err
	default:
		return nil
	}
}

// fail notes that a part of the node stopped. After Close or Kill that is as it should be.
func (n *Node) fail(err error) {
	if err == nil {
		return
	}
	n.once.Do(func() {
		n.err = explain(err)
		close(n.died)
	})
}

// Close stops accepting, waits for what is in flight, at most StopTimeout, hands leadership over and
// closes the store. A second call does nothing. The errors are the store's; what was acknowledged is durable in any
// case.
func (n *Node) Close() (err error) {
	n.closed.Do(func() {
		n.once.Do(func() {}) // from here on nothing is a failure
		err = n.api.Close()
		n.leave()
		<-n.left
		err = errors.Join(err, n.store.Close())
		n.peer.cut()
		n.running.Wait()
	})
	return err
}

// Kill ends the node as a crash would: connections are reset, nothing is flushed, nobody is told.
func (n *Node) Kill() {
	n.closed.Do(func() {
		n.once.Do(func() {})
		for _, ln := range []*cuttable{n.http, n.peer} {
			if ln != nil {
				ln.cut()
			}
		}
		if n.store != nil {
			_ = n.store.Close() // what it could not write is what a crash loses
		}
		if n.api != nil {
			_ = n.api.Close()
		}
		if n.leave != nil {
			n.leave() // Run has ended already: this only gives its context back
		}
		n.running.Wait()
	})
}

// view shows a store to the HTTP interface.
type view struct {
	store   *raftstore.Store
	version string // of this build
	host    *host
	flows   *flows.Core
	keys    *apikeys.Index
}

// Backup takes one; the errors are the store's.
func (v view) Backup(ctx context.Context, events bool) (httpapi.Backup, error) {
	b, err := v.store.OpenBackup(ctx, raftstore.BackupOptions{Events: events, Version: v.version})
	if err != nil {
		return nil, err
	}
	return countedBackup{b, v.host}, nil
}

// Cluster translates the store's status.
func (v view) Cluster() httpapi.Cluster {
	s := v.store.Status()
	c := httpapi.Cluster{ID: s.Cluster, Node: s.Node, Leader: s.Leader,
		Waiting: s.Waiting, Term: s.Term, Index: s.Index,
		Digest: httpapi.Digest{Index: s.Digest.Index, Value: s.Digest.Value,
			Diverged: s.Digest.Diverged},
		ReplayHorizon: s.Horizon}
	for _, m := range s.Members {
		c.Members = append(c.Members, httpapi.Member{ID: m.ID, Raft: m.Raft, HTTP: m.HTTP,
			Voter: m.Voter, Healthy: m.Healthy, Lag: m.Lag,
			ClockOffset: m.ClockOffset, DiskFree: m.DiskFree})
	}
	return c
}

// Ready translates the store's checks, and says what the sync core does.
func (v view) Ready() []httpapi.ReadyCheck {
	var all []httpapi.ReadyCheck
	for _, r := range v.store.Ready() {
		all = append(all, httpapi.ReadyCheck{Name: r.Name, OK: r.OK, Detail: r.Detail})
	}
	keys := httpapi.ReadyCheck{Name: "keys", OK: v.keys.State() != apikeys.Unsure}
	if !keys.OK {
		keys.Detail = "it is not known yet which API keys there are, so calls are refused"
	}
	return append(all, keys,
		httpapi.ReadyCheck{Name: "sync", OK: true, Detail: v.flows.Standing()})
}

// Check walks the invariants; the errors are the store's.
func (v view) Check(ctx context.Context) (uint64, []engine.Violation, error) {
	return v.store.Check(ctx)
}
