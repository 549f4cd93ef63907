package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/robustness/history"
)

// The one location and the one channel of the run. The channel has no buffer, so what is available
// can be sold.
const (
	Location = "main"
	Channel  = "web"
)

// Config says how hard to push.
type Config struct {
	Servers []Server
	History *history.Recorder
	Seed    uint64
	Groups  int // groups of SKUs at a time, default 4
	Clients int // clients of each group, default 3: what keeps judging quick
	// Ops is how many operations a client does in one generation of its group, default 80. Then the
	// group gets new SKUs, so that each history that is judged as a whole stays short.
	Ops   int
	Think time.Duration // mean pause between two operations of a client, default 20 ms
	// Patience is for how long an operation is tried before its outcome is unknown, default 90 s.
	Patience time.Duration
	// Try is how long one try may take before the same is sent to the next node, default 2 s: some
	// wait behind an election, and others overtake it.
	Try time.Duration
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	if c.Groups <= 0 {
		c.Groups = 4
	}
	if c.Clients <= 0 {
		c.Clients = 3
	}
	if c.Ops <= 0 {
		c.Ops = 80
	}
	if c.Think <= 0 {
		c.Think = 20 * time.Millisecond
	}
	if c.Patience <= 0 {
		c.Patience = 90 * time.Second
	}
	if c.Try <= 0 {
		c.Try = 2 * time.Second
	}
	return c
}

// Load runs the clients.
type Load struct {
	cfg   Config
	send  sender
	stop  chan struct{}
	once  sync.Once
	tasks sync.WaitGroup
	// The first write after the marked moment, both in ns of the run; accepted is 0 while none was.
	mark     atomic.Int64
	accepted atomic.Int64
	probes   atomic.Int64

	mu struct {
		sync.Mutex
		err error
		old []history.Op // settled writes, some of which are sent again
	}
}

// New returns a load that does not run yet.
func New(cfg Config) *Load {
	cfg = cfg.WithDefaults()
	return &Load{cfg: cfg, stop: make(chan struct{}),
		send: sender{servers: cfg.Servers, history: cfg.History, patience: cfg.Patience,
			try: cfg.Try}}
}

// Define makes the location and the channel. It fails when no node takes them within a minute.
func (l *Load) Define(ctx context.Context) error {
	err := l.define(ctx, "/v1/locations/"+Location, "PUT", map[string]any{"kind": "merchant",
		"region": "na", "country": "US", "master": "holdfast"})
	if err != nil {
		return err
	}
	return l.define(ctx, "/v1/channels/"+Channel, "PUT", map[string]any{"kind": "api",
		"region": "na", "locations": []string{Location}, "rules": map[string]any{}})
}

func (l *Load) define(ctx context.Context, path, method string, body any) error {
	var clients []*client.Client
	for _, s := range l.cfg.Servers {
		clients = append(clients, s.Ask)
	}
	_, err := client.DoRetry(ctx, clients, 0, client.Retry{For: l.cfg.Patience, First: pause,
		Most: 4 * pause}, client.Call{Method: method, Path: path, Body: body,
		Key: "define " + path + fmt.Sprint(body)}, nil)
	return err
}

// Start starts every client.
func (l *Load) Start(ctx context.Context) {
	for g := range l.cfg.Groups {
		l.tasks.Go(func() { l.fail(l.runGroup(ctx, g)) })
	}
	l.tasks.Go(func() { l.fail(l.runHolds(ctx)) })
}

// Stop lets the operations under way come to their end and returns when all have, or were given up.
// It returns why a group could not go on, or nil.
func (l *Load) Stop() error {
	l.once.Do(func() { close(l.stop) })
	l.tasks.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.err
}

func (l *Load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.err == nil {
		l.mu.err = err
	}
}

func (l *Load) stopping() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// Mark forgets what was accepted: what counts from now on is the first write that was both sent and
// accepted after this moment.
func (l *Load) Mark() {
	l.accepted.Store(0)
	l.mark.Store(l.cfg.History.Now())
}

// Accepted returns how long after Mark the first write was accepted; ok is false while none was.
func (l *Load) Accepted() (d time.Duration, ok bool) {
	at := l.accepted.Load()
	return time.Duration(at - l.mark.Load()), at != 0
}

// Probe sends one write until it is accepted, at short intervals: what Accepted measures then does
// not depend on when the clients come by.
func (l *Load) Probe(ctx context.Context) {
	s := l.send
	s.try = 250 * time.Millisecond
	op := history.Op{ID: fmt.Sprintf("probe-%d", l.probes.Add(1)), Kind: history.Adjust,
		SKU: HoldSKU, Qty: 1, Client: -2}
	op = s.do(ctx, 0, op, callOf(op))
	l.cfg.History.Add(op)
	if op.Outcome == history.Done {
		l.accepted.CompareAndSwap(0, op.Return)
	}
}

// do sends an operation, records it and returns it.
func (l *Load) do(ctx context.Context, start int, op history.Op) history.Op {
	op = l.send.do(ctx, start, op, callOf(op))
	l.cfg.History.Add(op)
	if op.Outcome == history.Done && !op.Kind.Reads() && !op.Replayed && op.Call >= l.mark.Load() {
		l.accepted.CompareAndSwap(0, op.Return)
	}
	return op
}

// again sends an old operation once more.
func (l *Load) again(ctx context.Context, start int, client int, id string, old history.Op) {
	op := history.Op{ID: id, Kind: history.Again, Of: old.ID, Client: client}
	op = l.send.do(ctx, start, op, callOf(old))
	l.cfg.History.Add(op)
}

// think waits a little.
func (l *Load) think(chance *rand.Rand) {
	mean := l.cfg.Think
	select {
	case <-time.After(mean/2 + time.Duration(chance.Int64N(int64(mean)+1))):
	case <-l.stop:
	}
}

// keepOld keeps some settled writes, the newest.
func (l *Load) keepOld(op history.Op) {
	const kept = 400
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.old = append(l.mu.old, op)
	if over := len(l.mu.old) - kept; over > 0 {
		l.mu.old = l.mu.old[over:]
	}
}

func (l *Load) pickOld(chance *rand.Rand) (history.Op, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.mu.old) == 0 {
		return history.Op{}, false
	}
	return l.mu.old[chance.IntN(len(l.mu.old))], true
}
