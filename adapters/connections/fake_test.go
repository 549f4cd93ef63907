package connections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/engine"
)

// world is a store with a registry that follows it, and what adapters were asked.
type world struct {
	t        *testing.T
	store    *recordstest.Store
	registry *Registry
	flows    *Flows
	board    *Board
	kind     *fakeKind
	live     []Obstacle // what stands in the way now
	others   Kinds
}

// newWorld makes a world; call it inside a synctest bubble.
func newWorld(t *testing.T) *world {
	w := &world{t: t, store: recordstest.New(recordstest.Options{}), board: NewBoard(time.Now)}
	w.kind = &fakeKind{store: w.store, pages: 3}
	w.registry = NewRegistry(w.store, Checks{Document: w.kind.Check,
		Obstacles: func(context.Context, Connection) ([]Obstacle, error) { return w.live, nil }})
	w.flows = NewFlows(w.store, w.registry, func(string) []string { return w.kind.Flows() }, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.registry.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
	return w
}

func (w *world) save(c Connection) Entry {
	w.t.Helper()
	e, err := w.registry.Save(w.t.Context(), c)
	require.NoError(w.t, err)
	synctest.Wait() // the registry has seen it
	return e
}

// lead runs a supervisor as the leader of a term; the returned function deposes it.
func (w *world) lead(term uint64) (depose func()) {
	w.t.Helper()
	kinds := Kinds{"shopify": w.kind}
	maps.Copy(kinds, w.others)
	s, err := NewSupervisor(Config{Store: w.store, Registry: w.registry, Board: w.board,
		Kinds: kinds, Core: w.kind, Now: time.Now})
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, term) }()
	synctest.Wait()
	var once sync.Once
	depose = func() {
		once.Do(func() {
			cancel()
			require.ErrorIs(w.t, <-ended, context.Canceled)
		})
	}
	w.t.Cleanup(depose)
	return depose
}

// progress is that of connection shop.
func (w *world) progress() *Progress {
	w.t.Helper()
	p, err := readProgress(w.t.Context(), w.store, "shop")
	require.NoError(w.t, err)
	return p
}

// fakeKind makes adapters of pages pages a step, each of which leaves a record behind.
type fakeKind struct {
	store *recordstest.Store
	pages int

	mu     sync.Mutex
	asked  []string // in order: step and cursor of pages, names of loops and flows
	found  map[Step][]Obstacle
	page   func(c Connection, step Step, cursor string) error
	loop   func(ctx context.Context, c Connection) error
	flow   func(ctx context.Context, r Run) error
	opened int
}

func (k *fakeKind) Check(c Connection) error {
	if c.Account == "refused" {
		return &engine.FieldError{Field: "account", Reason: "is refused"}
	}
	return nil
}

func (k *fakeKind) Flows() []string { return []string{"publish", "sweep"} }

func (k *fakeKind) Connect(l Link) (Adapter, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.opened++
	return &fakeAdapter{k: k, link: l}, nil
}

func (k *fakeKind) note(format string, args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, fmt.Sprintf(format, args...))
}

// take returns what was asked since the last take.
func (k *fakeKind) take() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	got := k.asked
	k.asked = nil
	return got
}

// one makes a page: it writes a record of its own that must not be there yet, so that a page that
// is written twice is seen.
func (k *fakeKind) one(c Connection, step Step, cursor string) (Page, error) {
	k.note("%s %s", step, cursor)
	k.mu.Lock()
	page, found := k.page, k.found[step]
	k.mu.Unlock()
	if page != nil {
		if err := page(c, step, cursor); err != nil {
			return Page{}, err
		}
	}
	at := 1
	if cursor != "" {
		if _, err := fmt.Sscan(cursor, &at); err != nil {
			return Page{}, err
		}
	}
	p := Page{Rows: 10, Write: func(_ context.Context, tx *records.Tx) error {
		tx.Create(records.Record{Table: records.Catalogue,
			Key: fmt.Sprintf("%s/%s/%d", c.ID, step, at), Body: []byte("{}")})
		return nil
	}}
	if at < k.pages {
		p.Next = fmt.Sprint(at + 1)
	} else {
		p.Found = found
	}
	return p, nil
}

func (k *fakeKind) Mapping(_ context.Context, c Connection, cursor string) (Page, error) {
	return k.one(c, StepMapping, cursor)
}

func (k *fakeKind) Audit(_ context.Context, c Connection, cursor string) (Page, error) {
	return k.one(c, StepAudit, cursor)
}

func (k *fakeKind) Drift(_ context.Context, c Connection, cursor string) (Page, error) {
	return k.one(c, StepDrift, cursor)
}

type fakeAdapter struct {
	k    *fakeKind
	link Link
}

func (a *fakeAdapter) Catalogue(_ context.Context, cursor string) (Page, error) {
	return a.k.one(a.link.Connection, StepCatalogue, cursor)
}

func (a *fakeAdapter) OpenOrders(_ context.Context, cursor string) (Page, error) {
	return a.k.one(a.link.Connection, StepOrders, cursor)
}

func (a *fakeAdapter) Levels(_ context.Context, cursor string) (Page, error) {
	return a.k.one(a.link.Connection, StepLevels, cursor)
}

func (a *fakeAdapter) Run(ctx context.Context) error {
	a.k.note("run %s", a.link.Connection.ID)
	if a.k.loop != nil {
		return a.k.loop(ctx, a.link.Connection)
	}
	<-ctx.Done()
	return ctx.Err()
}

func (a *fakeAdapter) RunFlow(ctx context.Context, r Run) error {
	a.k.note("flow %s of %s", r.Flow, r.Connection)
	if a.k.flow != nil {
		return a.k.flow(ctx, r)
	}
	return nil
}

var errVendor = errors.New("the vendor is out of order")
