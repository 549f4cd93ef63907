package shopify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"holdfast/adapters/connections"
	"holdfast/adapters/mapping"
	"holdfast/adapters/outbox"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
)

// Config is what the shops work with. Store, Registry, Book and Now are required.
type Config struct {
	Store    records.Store
	Registry Registry
	Book     Book
	Mapping  mapping.Lookup
	Environ  func(string) (string, bool) // of the secrets; nil is the process's
	Vault    *connections.Vault          // where the secrets may be; nil is anywhere
	HTTP     *http.Client                // nil: one for each shop
	Now      func() time.Time
	Pause    func(ctx context.Context, d time.Duration) error // nil: a timer
	Logger   *slog.Logger
	// Ended adds to the Tx that ends a slot, or makes it another number, what else ends with it. nil:
	// nothing does.
	Ended func(ctx context.Context, tx *records.Tx, slot string) error
}

// Shops is every connection of the kind shopify: their clients, and what is done over them. Each
// shop has one budget, shared by all that calls it. It is safe for concurrent use.
type Shops struct {
	cfg Config
	mu  struct {
		sync.Mutex
		all map[string]*shop
		// crowd has since when an order has waited for room where it is to leave from; a new leader
		// begins anew. An order is in it only while its task is not done.
		crowd map[string]time.Time
	}
}

// crowded returns how long an order has waited for room; it begins to wait with the first call.
func (s *Shops) crowded(order string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	since, ok := s.mu.crowd[order]
	if !ok {
		s.mu.crowd[order], since = now, now
	}
	return now.Sub(since)
}

func (s *Shops) uncrowded(order string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.crowd, order)
}

// shop is one connection under one version of its document.
type shop struct {
	*account
	client  *Client
	version uint64
}

// New returns the shops of a node. It fails when something that is required is missing.
func New(cfg Config) (*Shops, error) {
	if cfg.Store == nil || cfg.Registry == nil || cfg.Book == nil || cfg.Now == nil {
		return nil, errors.New("shopify: a port is missing")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Shops{cfg: cfg}
	s.mu.all, s.mu.crowd = make(map[string]*shop), make(map[string]time.Time)
	return s, nil
}

// noShop is the fault of a task whose connection is not there.
func noShop(id string) error {
	return refused("no-connection", "there is no connection %s of a shop", id)
}

// shop returns a connection's shop as its document is now.
func (s *Shops) shop(id string) (*shop, error) {
	entry, ok := s.cfg.Registry.Entry(id)
	if !ok || entry.Kind != kindName {
		return nil, noShop(id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.mu.all[id]
	if old != nil && old.version == entry.Version {
		return old, nil
	}
	acc, err := newAccount(entry.Connection)
	if err != nil {
		return nil, refused(codePayload, "the document of connection %s: %v", id, err)
	}
	client, err := s.connect(entry.Connection, acc)
	if err != nil {
		return nil, refused(codePayload, "the document of connection %s: %v", id, err)
	}
	if old != nil && old.conn.Endpoint == acc.conn.Endpoint {
		client.budget = old.client.budget // the shop's bucket did not change
		if acc.app == 0 {
			acc.app = old.app
		}
	}
	now := &shop{account: acc, client: client, version: entry.Version}
	s.mu.all[id] = now
	return now, nil
}

func (s *Shops) connect(c connections.Connection, acc *account) (*Client, error) {
	secrets := s.cfg.Vault.Of(c, s.cfg.Environ)
	cfg := ClientConfig{Endpoint: c.Endpoint, Version: acc.settings.APIVersion, HTTP: s.cfg.HTTP,
		Now: s.cfg.Now, Pause: s.cfg.Pause, Fresh: func(name string) (Secret, error) {
			v, err := secrets.Read(name)
			return Secret(v.Reveal()), err
		}}
	if secrets.Has("token") {
		cfg.Token = pending
	} else {
		cfg.ClientID, cfg.ClientSecret = string(pending), pending
	}
	return NewClient(cfg)
}

// executors maps each kind of task to what does it.
var executors = map[string]func(*job, context.Context) (outbox.Finish, error){
	taskOrder: (*job).order, taskFulfil: (*job).fulfil, taskTracking: (*job).tracking,
	taskCancel: (*job).cancel, taskReturn: (*job).returned, taskReceipt: (*job).receipt,
	taskRefund: (*job).refund, taskHold: (*job).hold, taskRelease: (*job).release,
	taskMove: (*job).move, taskClose: (*job).close, taskPlaces: (*job).places,
	taskRead: (*job).read, taskReturns: (*job).returns, taskOwner: (*job).owner,
	taskProduct: (*job).product, taskCheck: (*job).check,
}

// job is one task under way.
type job struct {
	*shop
	all *Shops
	t   outbox.Task
}

// Do does a task of any of [TaskKinds]. It fails with a Fault, with *outbox.Later or
// *outbox.Needless, or with the store's error.
func (s *Shops) Do(ctx context.Context, t outbox.Task) (outbox.Finish, error) {
	do, ok := executors[t.Kind]
	if !ok {
		return outbox.Finish{}, refused(codePayload, "%s is no task of a shop", t.Kind)
	}
	at, err := s.shop(t.Connection)
	if err != nil {
		return outbox.Finish{}, err
	}
	return do(&job{shop: at, all: s, t: t}, ctx)
}

// Pusher is how the slots of a connection are changed and read. It fails when there is no such
// shop.
func (s *Shops) Pusher(connection string) (publish.Pusher, error) {
	if _, err := s.shop(connection); err != nil {
		return nil, fmt.Errorf("pusher of %s: %w", connection, err)
	}
	return &pusher{all: s, id: connection}, nil
}

var _ outbox.Executor = (*Shops)(nil)
