package amazon

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/connections"
	"holdfast/adapters/mapping"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

// Config is what the sellers work with. Store, Registry, Book and Now are required.
type Config struct {
	Store    records.Store
	Registry Registry
	Book     Book
	Mapping  mapping.Lookup              // of the numbers that are kept there, and of Amazon's levels
	Vault    *connections.Vault          // where the secrets may be; nil is anywhere
	Environ  func(string) (string, bool) // of the secrets; nil is the process's
	HTTP     *http.Client                // nil: one for each account
	Now      func() time.Time
	Pause    func(ctx context.Context, d time.Duration) error // nil: a timer
	Logger   *slog.Logger
	Metrics  prometheus.Registerer // nil: none
	// Ended adds to the Tx that ends a slot, or makes it another number, what else ends with it. nil:
	// nothing does.
	Ended func(ctx context.Context, tx *records.Tx, slot string) error
}

// Sellers is every connection of the kind amazon: their clients, and what is done over them. Each
// account has its own limits in its region, shared by all that calls it. It is safe for concurrent
// use.
type Sellers struct {
	cfg  Config
	seen *prometheus.CounterVec
	sent sync.Mutex // from a look at an order's packages to the book's having what was made of them
	mu   struct {
		sync.Mutex
		all map[string]*seller
	}
}

// seller is one connection under one version of its document.
type seller struct {
	*account
	client  *spapi.Client
	secrets connections.Secrets
	version uint64
	roles   *roles
	guard   *guard
}

// New returns the sellers of a node. It fails when something that is required is missing,
// or a metric of its name is registered already.
func New(cfg Config) (*Sellers, error) {
	if cfg.Store == nil || cfg.Registry == nil || cfg.Book == nil || cfg.Now == nil {
		return nil, errors.New("amazon: a port is missing")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sellers{cfg: cfg, seen: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "holdfast_amazon_messages_total",
		Help: "Messages of Amazon's queues by connection and by what became of them.",
	}, []string{"connection", "outcome"})}
	s.mu.all = make(map[string]*seller)
	if cfg.Metrics == nil {
		return s, nil
	}
	return s, cfg.Metrics.Register(s.seen)
}

// seller returns a connection's seller as its document is now.
func (s *Sellers) seller(id string) (*seller, error) {
	entry, ok := s.cfg.Registry.Entry(id)
	if !ok || entry.Kind != kindName {
		return nil, spapi.Refused("no-connection", "there is no connection %s of a seller", id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.mu.all[id]
	if old != nil && old.version == entry.Version {
		return old, nil
	}
	acc, err := newAccount(entry.Connection)
	if err != nil {
		return nil, spapi.Refused(spapi.CodePayload, "the document of connection %s: %v", id, err)
	}
	now := &seller{account: acc, version: entry.Version, roles: new(roles),
		guard:   newGuard(),
		secrets: s.cfg.Vault.Of(entry.Connection, s.cfg.Environ)}
	now.client, err = spapi.NewClient(spapi.Config{Endpoint: acc.conn.Endpoint,
		TokenEndpoint: acc.settings.TokenEndpoint, Secret: now.secrets.Read, HTTP: s.cfg.HTTP,
		Speed: acc.settings.Speed, Now: s.cfg.Now, Pause: s.cfg.Pause, Logger: s.cfg.Logger})
	if err != nil {
		return nil, spapi.Refused(spapi.CodePayload, "the document of connection %s: %v", id, err)
	}
	if old != nil && old.account.conn.Endpoint == acc.conn.Endpoint && old.account.seller == acc.seller {
		now.client.Use(old.client.Budgets()) // Amazon does not forget what was used
		now.guard = old.guard
	}
	s.mu.all[id] = now
	return now, nil
}

// job is one task under way.
type job struct {
	*seller
	all *Sellers
	t   outbox.Task
}

// executors maps each kind of task to what does it.
var executors = map[string]func(*job, context.Context) (outbox.Finish, error){
	taskRead:     (*job).read,
	taskShipment: (*job).shipment,
	taskCancel:   (*job).acknowledgement,
	taskDecline:  (*job).declineCancel,
}

// Do does a task of any of [TaskKinds]. It fails with a spapi.Fault, with *outbox.Later or
// *outbox.Needless, or with the store's error.
func (s *Sellers) Do(ctx context.Context, t outbox.Task) (outbox.Finish, error) {
	do, ok := executors[t.Kind]
	if !ok {
		return outbox.Finish{}, spapi.Refused(spapi.CodePayload, "%s is no task of a seller", t.Kind)
	}
	at, err := s.seller(t.Connection)
	if err != nil {
		return outbox.Finish{}, err
	}
	return do(&job{seller: at, all: s, t: t}, ctx)
}

var _ outbox.Executor = (*Sellers)(nil)
