package netsuite

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"holdfast/adapters/connections"
	"holdfast/adapters/records"
)

// Registry is what this package needs of the connections; *connections.Registry has it. It answers
// from memory.
type Registry interface {
	Entry(id string) (connections.Entry, bool)
}

var _ Registry = (*connections.Registry)(nil)

// Config is what the accounts work with. Store, Registry and Now are required.
type Config struct {
	Store    records.Store
	Registry Registry
	Vault    *connections.Vault          // where the secrets may be; nil is anywhere
	Environ  func(string) (string, bool) // of the secrets; nil is the process's
	HTTP     *http.Client                // nil: one for each account
	Now      func() time.Time
	Pause    func(ctx context.Context, d time.Duration) error // nil: a timer
	Jitter   func() float64                                   // nil: half
	Logger   *slog.Logger
}

// Accounts is every connection of the kind netsuite, and their clients. Connections to one account
// share its limit, for NetSuite counts their calls together. It is safe for concurrent use.
type Accounts struct {
	cfg Config
	mu  struct {
		sync.Mutex
		all    map[string]*book  // by connection
		limits map[string]*limit // by realm
	}
}

// book is one connection under one version of its document.
type book struct {
	*account
	client  *Client
	version uint64
}

// NewAccounts returns the accounts of a node. It fails when something that is required is missing.
func NewAccounts(cfg Config) (*Accounts, error) {
	if cfg.Store == nil || cfg.Registry == nil || cfg.Now == nil {
		return nil, errors.New("netsuite: a port is missing")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Accounts{cfg: cfg}
	a.mu.all, a.mu.limits = make(map[string]*book), make(map[string]*limit)
	return a, nil
}

// book returns a connection as its document is now. It fails with a Fault.
func (a *Accounts) book(id string) (*book, error) {
	entry, ok := a.cfg.Registry.Entry(id)
	if !ok || entry.Kind != kindName {
		return nil, refused(codeConnection, "there is no connection %s of a NetSuite account", id)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.mu.all[id]
	if old != nil && old.version == entry.Version {
		return old, nil
	}
	acc, err := newAccount(entry.Connection)
	if err != nil {
		return nil, refused(codePayload, "the document of connection %s: %v", id, err)
	}
	client, err := a.connectLocked(acc)
	if err != nil {
		return nil, refused(codePayload, "the document of connection %s: %v", id, err)
	}
	now := &book{account: acc, client: client, version: entry.Version}
	a.mu.all[id] = now
	return now, nil
}

func (a *Accounts) connectLocked(acc *account) (*Client, error) {
	secrets := a.cfg.Vault.Of(acc.conn, a.cfg.Environ)
	account := AccountID(acc.conn.Account)
	shared := a.mu.limits[account.Realm()]
	if shared == nil {
		shared = newLimit(acc.settings.Concurrency, a.cfg.Now)
		a.mu.limits[account.Realm()] = shared
	}
	shared.bound(acc.settings.Concurrency)
	return NewClient(ClientConfig{Account: account, Endpoint: acc.conn.Endpoint,
		Auth: acc.settings.Auth, HTTP: a.cfg.HTTP, Now: a.cfg.Now, Pause: a.cfg.Pause,
		Jitter: a.cfg.Jitter, Logger: a.cfg.Logger.With("connection", acc.id), limit: shared,
		Secret: func(name string) (Secret, error) {
			v, err := secrets.Read(name)
			return Secret(v.Reveal()), err
		}})
}
