package apikeys

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// State says what a node knows of keys.
type State uint8

// The states.
const (
	// Unsure: a key may have been made that this node has not heard of. It begins so, and stays so until
	// it has found a key, or has everything that was agreed before and found none.
	Unsure State = iota
	None         // none was ever made
	Some         // one was made; it may be revoked by now. There is no way back
)

// Config is what an Index works with. Store and Current are required.
type Config struct {
	Store records.Store
	// Current returns once this node has everything that was agreed before the call, and says by
	// [EverMade] whether a key was made in it. While there is no leader it fails or waits.
	Current func(ctx context.Context) (ever bool, err error)
	// Logger is told when following the records fails. Default: discards.
	Logger *slog.Logger
	// Registry takes the metric of what keys are used for. Default: one of its own.
	Registry prometheus.Registerer
	// Pause is between two tries of what failed. 200 ms: a node that has just found a leader serves soon.
	Pause time.Duration
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	if c.Pause <= 0 {
		c.Pause = 200 * time.Millisecond
	}
	return c
}

// Index is the live keys in memory, which Run keeps equal to the records. Its methods are safe for
// concurrent use; State, Check and Local take no lock and allocate nothing.
type Index struct {
	cfg  Config
	now  atomic.Pointer[view]
	uses *prometheus.CounterVec

	// changes is of the one that writes views, and of those that wait for one.
	changes struct {
		sync.Mutex
		next chan struct{} // closed and replaced with each view
	}
	nobody [sha256.Size]byte // stands for a key that is not there
}

// view is what is known at one moment. It is never changed: the next one takes its place.
type view struct {
	callers map[string]*Caller // the live keys, by id
	local   *Caller
	loaded  bool // callers were read
	ever    bool // a key was made
	current bool // what is missing here is not there: see Config.Current
}

// NewIndex makes an Index that is Unsure until Run has read the records. It fails when the registry has
// a metric of the same name.
func NewIndex(cfg Config) (*Index, error) {
	x := &Index{cfg: cfg.WithDefaults()}
	x.changes.next = make(chan struct{})
	x.now.Store(&view{local: NewLocal()})
	x.uses = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "holdfast_api_key_requests_total",
		Help: "Requests that came with a live API key, by its id, on this node since it began.",
	}, []string{"key"})
	if err := x.cfg.Registry.Register(x.uses); err != nil {
		return nil, fmt.Errorf("API keys: register metrics: %w", err)
	}
	return x, nil
}

// State says what this node knows of keys now.
func (x *Index) State() State { return x.now.Load().state() }

func (v *view) state() State {
	switch {
	case v.ever && v.loaded:
		return Some
	case !v.ever && v.current:
		return None
	}
	return Unsure
}

// Local is who calls without a key, for a server that serves such callers. It is Gone once there is a
// key.
func (x *Index) Local() *Caller { return x.now.Load().local }

// Check returns the caller that a token stands for, or nil. It takes as long for a key that is not
// there as for a wrong secret.
func (x *Index) Check(token []byte) *Caller {
	id, ok := idOf(token)
	if !ok {
		return nil
	}
	caller := x.now.Load().callers[string(id)]
	want := &x.nobody
	if caller != nil {
		want = &caller.digest
	}
	digest := sha256.Sum256(token)
	if subtle.ConstantTimeCompare(digest[:], want[:]) == 0 || caller == nil {
		return nil
	}
	return caller
}

// Run follows the records until ctx ends. While they cannot be read what is known stays as it is, and
// grows old.
func (x *Index) Run(ctx context.Context) {
	for said := ""; ctx.Err() == nil; {
		if err := x.follow(ctx); err != nil && ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			x.cfg.Logger.Warn("following the API keys failed, and is tried until it works", "error", err)
		}
		x.pause(ctx)
	}
}

func (x *Index) pause(ctx context.Context) {
	t := time.NewTimer(x.cfg.Pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// follow returns with the first error.
func (x *Index) follow(ctx context.Context) error {
	watch := x.cfg.Store.Watch(records.APIKeys)
	defer watch.Close() // made before the first read, so that nothing falls in between
	if err := x.load(ctx, false); err != nil {
		return errors.Join(err, x.glance(ctx))
	}
	if x.State() == Unsure {
		if _, err := x.cfg.Current(ctx); err != nil {
			if ctx.Err() == nil {
				x.cfg.Logger.Debug("whether API keys exist is not known yet", "error", err)
			}
			return nil // to be tried again: nobody leads, which others report
		}
		if err := x.load(ctx, true); err != nil {
			return err
		}
	}
	for {
		changes, lost, err := watch.Next(ctx)
		switch {
		case err != nil:
			return err
		case lost:
			err = x.load(ctx, false)
		default:
			err = x.take(changes)
		}
		if err != nil {
			return err
		}
	}
}

// glance learns from the ledger's memory alone whether a key was ever made. A node that starts on a full
// disk can read no record; while there is no key it serves its own machine all the same. A key made
// meanwhile is heard of at the next try, not with its entry.
func (x *Index) glance(ctx context.Context) error {
	next := *x.now.Load()
	if next.loaded {
		return nil
	}
	var err error
	if next.ever, err = x.cfg.Current(ctx); err != nil {
		return err
	}
	next.current = true
	x.show(&next)
	return nil
}

// EverMade reports whether a ledger knows of a key that was ever made. It needs no disk.
func EverMade(l *engine.Ledger) bool {
	_, ok := l.Record(uint8(records.APIKeys), countKey)
	return ok
}

// load reads all keys; current says that none is missing.
func (x *Index) load(ctx context.Context, current bool) error {
	old := x.now.Load()
	next := &view{callers: make(map[string]*Caller), local: old.local, loaded: true,
		ever: old.ever, current: current || old.current}
	for after, more := "", true; more; {
		var rows []records.Record
		var err error
		rows, more, err = x.cfg.Store.List(ctx, records.APIKeys, "", after, records.MaxList)
		if err != nil {
			return fmt.Errorf("read the API keys: %w", err)
		}
		for _, r := range rows {
			after = r.Key
			if err := x.put(next, old, r); err != nil {
				return err
			}
		}
		more = more && len(rows) > 0
	}
	x.show(next)
	return nil
}

// take makes the next view of what has changed.
func (x *Index) take(changes []records.Change) error {
	old := x.now.Load()
	next := &view{callers: maps.Clone(old.callers), local: old.local, loaded: true, ever: old.ever,
		current: old.current}
	if next.callers == nil {
		next.callers = make(map[string]*Caller)
	}
	for _, c := range changes {
		if c.Gone {
			delete(next.callers, c.Key)
			continue
		}
		if err := x.put(next, old, c.Record); err != nil {
			return err
		}
	}
	x.show(next)
	return nil
}

// put notes a record in a view. A caller that is known stays the same value.
func (x *Index) put(next, old *view, r records.Record) error {
	next.ever = true // the count is written with the first key, and stays
	if r.Key == countKey {
		return nil
	}
	d, err := records.Decode[document](r)
	if err != nil {
		return err
	}
	k, err := d.key(r.Key, r.Version)
	if err != nil {
		return err
	}
	if !k.Live() {
		delete(next.callers, k.ID)
		return nil
	}
	if known := old.callers[k.ID]; known != nil && known.version == r.Version {
		next.callers[k.ID] = known
		return nil
	}
	c := &Caller{principal: "key:" + k.ID, role: k.Role, digest: [sha256.Size]byte(d.Digest),
		version: r.Version, uses: x.uses.WithLabelValues(k.ID)}
	if k.PerSecond > 0 {
		c.step = time.Second / time.Duration(k.PerSecond)
	}
	next.callers[k.ID] = c
	return nil
}

// show makes a view the one that counts, and ends the callers that it does not have: first the view,
// so that nobody finds a caller that will never end.
func (x *Index) show(next *view) {
	old := x.now.Swap(next)
	for id, c := range old.callers {
		if next.callers[id] == c {
			continue
		}
		c.gone.Store(true)
		if next.callers[id] == nil {
			x.uses.DeleteLabelValues(id)
		}
	}
	if next.ever {
		next.local.gone.Store(true)
	}
	x.changes.Lock()
	defer x.changes.Unlock()
	close(x.changes.next)
	x.changes.next = make(chan struct{})
}

// wait returns once done says so of what is known, or with ctx's error.
func (x *Index) wait(ctx context.Context, done func(*view) bool) error {
	for {
		x.changes.Lock()
		next := x.changes.next
		x.changes.Unlock()
		if done(x.now.Load()) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-next:
		}
	}
}

// Known waits until the State is no longer Unsure. It fails with ctx's error.
func (x *Index) Known(ctx context.Context) error {
	return x.wait(ctx, func(v *view) bool { return v.state() != Unsure })
}
