package flows

import (
	"sync"
	"time"

	"holdfast/adapters/connections"
	"holdfast/adapters/orders"
)

// accounts shows connections as the orders need them. A document is read once for each of its
// versions: webhooks ask for it thousands of times a second.
type accounts struct {
	registry *connections.Registry
	mu       struct {
		sync.RWMutex
		read map[string]readAccount
		all  []orders.Account // nobody changes it
		then <-chan struct{}  // closes when all is old
	}
}

type readAccount struct {
	version uint64
	account orders.Account
}

// orderSettings are the settings of a connection, of any kind, that say how its orders are taken.
type orderSettings struct {
	TestOrders   bool     `json:"test_orders"`
	NotStock     []string `json:"not_stock"`
	Placement    string   `json:"placement"`
	Into         []string `json:"into"`
	ArchiveAfter int64    `json:"archive_after_ms"`
}

func (a *accounts) Account(id string) (orders.Account, bool) {
	entry, ok := a.registry.Entry(id)
	if !ok {
		return orders.Account{}, false
	}
	return a.of(&entry), true
}

// Accounts lists all; the list is everybody's, to read.
func (a *accounts) Accounts() []orders.Account {
	a.mu.RLock()
	all, then := a.mu.all, a.mu.then
	a.mu.RUnlock()
	if then != nil {
		select {
		case <-then:
		default:
			return all
		}
	}
	then, all = a.registry.Changed(), nil // what changes while all is read closes then
	for _, entry := range a.registry.Entries() {
		all = append(all, a.of(&entry))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.all, a.mu.then = all, then
	return all
}

func (a *accounts) of(entry *connections.Entry) orders.Account {
	a.mu.RLock()
	known, ok := a.mu.read[entry.ID]
	a.mu.RUnlock()
	var began time.Time // not in the document, and so no part of its version
	if entry.Progress != nil {
		began = entry.Progress.StartedAt
	}
	if ok && known.version == entry.Version {
		known.account.Began = began
		return known.account
	}
	s := settingsOf[orderSettings](entry.Connection)
	now := orders.Account{
		ID: entry.ID, Kind: entry.Kind, Mode: entry.Mode, Channel: entry.Channel,
		Version: entry.Version, OrdersFrom: entry.OrdersFrom, Began: began,
		TestOrders: s.TestOrders, NotStock: s.NotStock,
		Placement: orders.Placement(s.Placement), Into: s.Into,
		Closed: time.Duration(s.ArchiveAfter) * time.Millisecond, Places: len(entry.Locations),
	}
	if entry.Kind == "amazon" {
		now.Places = 0 // its locations are Amazon's: one number stands for all of the merchant's
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.read == nil {
		a.mu.read = map[string]readAccount{}
	}
	a.mu.read[entry.ID] = readAccount{entry.Version, now}
	return now
}
