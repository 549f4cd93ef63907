package connections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/adapters/records"
)

// Config is what a Supervisor works with. All but Logger and Environ are required.
type Config struct {
	Store    records.Store
	Registry *Registry
	Kinds    Kinds
	Core     Core
	Board    *Board
	Now      func() time.Time
	// Environ looks up a variable that a secret names. Default: the process's.
	Environ func(string) (string, bool)
	// Vault says where secrets may be. Default: anywhere.
	Vault *Vault
	// Logger gets one line for each connection that begins, fails or ends. Default: discards.
	Logger *slog.Logger
}

// Supervisor runs the connections of a leader, each by itself: its start, its loops and its flows.
type Supervisor struct{ cfg Config }

// NewSupervisor checks the configuration. It fails with every part that is missing.
func NewSupervisor(cfg Config) (*Supervisor, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	var faults []error
	for name, missing := range map[string]bool{"Store": cfg.Store == nil, "Core": cfg.Core == nil,
		"Registry": cfg.Registry == nil, "Board": cfg.Board == nil, "Now": cfg.Now == nil} {
		if missing {
			faults = append(faults, fmt.Errorf("connections: %s is required", name))
		}
	}
	return &Supervisor{cfg: cfg}, errors.Join(faults...)
}

// unit is one connection that is run, with one version of its document.
type unit struct {
	version uint64
	removed bool // its connection is gone; it is forgotten when its loops have ended
	cancel  context.CancelFunc
	done    chan struct{}
}

// Run runs every connection that is not paused, until ctx ends, and returns ctx's error when all
// that it has begun has ended. Call it while this node leads, with the term of that.
//
// A connection whose document changes is ended and begun anew; one that fails is begun anew after a
// pause that grows from a second to two minutes. Neither waits for any other.
func (s *Supervisor) Run(ctx context.Context, term uint64) error {
	units := make(map[string]*unit)
	var flushed sync.WaitGroup
	defer func() {
		for id, u := range units {
			u.cancel()
			<-u.done
			s.cfg.Board.forget(id)
		}
		flushed.Wait()
	}()
	flushed.Go(func() { s.showHealth(ctx) })
	for {
		changed := s.cfg.Registry.Changed()
		s.reconcile(ctx, term, units)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// reconcile makes what runs what the registry says.
func (s *Supervisor) reconcile(ctx context.Context, term uint64, units map[string]*unit) {
	wanted := make(map[string]bool)
	for _, e := range s.cfg.Registry.Entries() {
		wanted[e.ID] = true
		old := units[e.ID]
		if old != nil && old.version == e.Version && !old.removed {
			continue
		}
		u := &unit{version: e.Version, done: make(chan struct{})}
		var own context.Context
		own, u.cancel = context.WithCancel(ctx)
		units[e.ID] = u
		go func() {
			defer close(u.done)
			if old != nil { // only this connection waits for its loops to end
				old.cancel()
				<-old.done
			}
			s.keep(own, e, term)
		}()
	}
	for id, u := range units {
		if wanted[id] {
			continue
		}
		u.cancel()
		u.removed = true
		select {
		case <-u.done: // nobody waits here for loops that do not end
			delete(units, id)
			s.cfg.Board.forget(id)
		default:
		}
	}
}

// keep runs a connection, and again when it has failed.
func (s *Supervisor) keep(ctx context.Context, e Entry, term uint64) {
	health := s.cfg.Board.Reporter(e.ID)
	log := s.cfg.Logger.With("connection", e.ID, "kind", e.Kind)
	if e.Mode == Paused {
		health.state(StatePaused, 0)
		<-ctx.Done()
		return
	}
	log.Info("connection begins", "mode", e.Mode, "term", term)
	failures, pause := 0, time.Duration(0)
	for ctx.Err() == nil {
		began := s.cfg.Now()
		state := func(state string) { health.state(state, failures) }
		err := guard(func() error { return s.once(ctx, s.link(e, term, health, log), state) })
		switch {
		case ctx.Err() != nil:
			log.Info("connection ends")
			return
		case errors.Is(err, errAgain):
			continue
		case s.cfg.Now().Sub(began) > soundAfter:
			failures, pause = 0, 0
		}
		failures++
		pause = backoff(pause)
		health.Failed("connection", err)
		health.state(StateFailing, failures)
		var fault *PanicError
		if errors.As(err, &fault) {
			log.Error("connection panicked", "error", err, "stack", string(fault.Stack))
		}
		log.Warn("connection failed", "error", err, "again_in", pause)
		sleep(ctx, pause)
	}
}

// soundAfter is how long a connection must run for its failure to count as the first one again.
const soundAfter = 5 * time.Minute

func (s *Supervisor) link(e Entry, term uint64, health *Reporter, log *slog.Logger) Link {
	return Link{Connection: e.Connection, Secrets: s.cfg.Vault.Of(e.Connection, s.cfg.Environ), Term: term,
		Health: health, Logger: log}
}

// once connects, does what is left of the start, and then runs the loops and the flows.
func (s *Supervisor) once(ctx context.Context, l Link, state func(string)) error {
	conn := l.Connection
	kind := s.cfg.Kinds[conn.Kind]
	if kind == nil {
		return fmt.Errorf("this build knows no connections of kind %s", conn.Kind)
	}
	state(StateStarting)
	adapter, err := kind.Connect(l)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	begin := start{store: s.cfg.Store, adapter: adapter, core: s.cfg.Core, conn: conn,
		term: l.Term, now: s.cfg.Now}
	if err := begin.run(ctx); err != nil {
		return err
	}
	state(StateRunning)
	flows := &runner{store: s.cfg.Store, registry: s.cfg.Registry, adapter: adapter,
		conn: conn, term: l.Term, now: s.cfg.Now, health: l.Health}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return guard(func() error { return flows.run(ctx) }) })
	group.Go(func() error {
		err := guard(func() error { return adapter.Run(ctx) })
		if err == nil && ctx.Err() == nil {
			err = errors.New("its loops ended by themselves")
		}
		return err
	})
	return group.Wait()
}

// showHealth writes how the connections do into the records, so that every node can show it.
func (s *Supervisor) showHealth(ctx context.Context) {
	shown := make(map[string]time.Time)
	for sleep(ctx, healthEvery) {
		for _, e := range s.cfg.Registry.Entries() {
			h := s.cfg.Board.Health(e.ID)
			if h.ReportedAt.Equal(shown[e.ID]) {
				continue
			}
			var tx records.Tx
			tx.Put(records.Record{Table: records.Cursors, Key: e.ID + healthSuffix, Body: tx.Encode(h)})
			tx.Look(records.Connections, e.ID, e.Version) // one that was removed leaves nothing
			if _, err := s.cfg.Store.Submit(ctx, &tx); err == nil {
				shown[e.ID] = h.ReportedAt
			}
		}
	}
}

// healthEvery is how old what a follower shows may be; shorter is more writes, and no one looks so
// fast.
const healthEvery = 10 * time.Second

// HealthOf returns how a connection does: as this node sees it if it runs it, or else as the leader
// has written it last. It fails with the store's error.
func HealthOf(ctx context.Context, b *Board, r records.Reader, id string) (Health, error) {
	if h := b.Health(id); !h.ReportedAt.IsZero() {
		return h, nil
	}
	row, ok, err := r.Get(ctx, records.Cursors, id+healthSuffix)
	if err != nil {
		return Health{}, fmt.Errorf("read the health of connection %s: %w", id, err)
	}
	if !ok {
		return Health{State: StateIdle}, nil
	}
	return records.Decode[Health](row)
}

// PanicError is a panic of an adapter, as an error of its connection alone.
type PanicError struct {
	Fault any
	Stack []byte
}

// Error names the fault; the stack is for the log.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Fault) }

// guard turns a panic of f into an error.
func guard(f func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = &PanicError{Fault: fault, Stack: debug.Stack()}
		}
	}()
	return f()
}

// backoff is the pause that follows a pause: doubled, from 1 s to 2 min, and a fifth more or less,
// so that what failed together does not come back together.
func backoff(last time.Duration) time.Duration {
	next := min(max(time.Second, 2*last), 2*time.Minute)
	return next*4/5 + rand.N(next*2/5)
}

// sleep is false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
