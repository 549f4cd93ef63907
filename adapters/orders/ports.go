package orders

import (
	"context"
	"errors"
	"time"

	"holdfast/adapters/mapping"
	"holdfast/adapters/records"
	"holdfast/adapters/routing"
	"holdfast/engine"
)

// Accounts knows the outside systems. It is safe for concurrent use and answers from memory.
type Accounts interface {
	Account(id string) (Account, bool)
	// Accounts lists all, in the order of their ids.
	Accounts() []Account
}

// Account is what orders need to know of a connection.
type Account struct {
	ID         string
	Kind       string // shopify, amazon, netsuite, erp
	Mode       string // observe, on, paused
	Channel    string
	Version    uint64        // of its document; 0: it has none
	OrdersFrom time.Time     // orders made before are known here, and nobody is told of them
	Began      time.Time     // when its start began; zero: not known
	TestOrders bool          // take orders that are marked as a test
	NotStock   []string      // patterns of path.Match for SKUs of theirs that are no stock
	Placement  Placement     // who decides from where its orders leave
	Places     int           // locations of its own that are ours too
	Into       []string      // connections that get its orders as their own
	Closed     time.Duration // how long a closed order stays in memory; 0: DefaultArchiveAfter
}

// on reports whether the account may be sent anything.
func (a *Account) on() bool { return a.Mode == "on" || a.Mode == "paused" }

// master is the name under which the account counts stock.
func (a *Account) master() string { return a.Kind + ":" + a.ID }

// counts reports whether the system of the account lowers its own numbers when it sells.
func (a *Account) counts() bool { return a.Kind == "shopify" || a.Kind == "amazon" }

// Placement says who decides from where an order leaves, when its home has an opinion.
type Placement string

// The placements.
const (
	Follow Placement = "follow" // the allocation goes to where the home has assigned it; the default
	Lead   Placement = "lead"   // the home is told to assign it to where the allocation is
)

// Rows asks the store for a mapping that memory does not have yet.
type Rows interface {
	Find(ctx context.Context, f mapping.Ref) (mapping.Row, bool, error)
}

// Router decides from where an order is served; *routing.Book does.
type Router interface {
	Decide(ctx context.Context, o routing.Order) (routing.Decision, error)
}

// Numbers keeps what outside systems show. It is safe for concurrent use.
type Numbers interface {
	// Moved adds to the Tx that a system changed by delta, of its own accord, what it shows of a
	// mapped SKU at a location of ours.
	Moved(tx *records.Tx, row mapping.Row, location string, delta int64)
	// Draw finds up to qty units in the standing holds of a channel, at a location or, when that is
	// empty, at any. It is empty for a channel that has none.
	Draw(ctx context.Context, channel, sku, location string, qty int64) (Drawn, error)
	// Restock adds to the Tx that units which the order has released go to the channel's standing
	// hold there, if it has one: the system offers them again already.
	Restock(ctx context.Context, tx *records.Tx, row mapping.Row, location string, qty int64) error
}

// Drawn is units that a channel had set aside: Ops let go of them, then the sale takes them where
// they are.
type Drawn struct {
	Ops    []engine.Command
	Placed []Placed
}

// Feed is what happened in the ledger, oldest first.
type Feed interface {
	// Events fails with an error whose Code() is "events-gone" when after is behind what is kept.
	Events(after uint64, limit int) ([]engine.Event, error)
	EventsChanged() <-chan struct{}
}

// Listeners are told of what happens, beside the connections of the rules.
type Listeners interface {
	// Tell adds to the Tx what tells them. It fails as the store does.
	Tell(ctx context.Context, tx *records.Tx, h Happening) error
}

// Happening is one event of one order.
type Happening struct {
	Event   Event
	Order   string
	Channel string
	By      string // the system that caused it
	Part    string // the package, the return, the refund
	More    map[string]any
	At      time.Time
	Version uint64 // of the order before it; with Nth it makes the happening one of a kind
	Nth     int
}

// Ports are what a Book works with. All but Listeners are required.
type Ports struct {
	Store    records.Store
	Mapping  mapping.Lookup
	Rows     Rows
	Accounts Accounts
	Router   Router
	Numbers  Numbers
	Now      func() time.Time

	Listeners Listeners // nil: none
}

func (p *Ports) validate() error {
	if p.Store == nil || p.Mapping == nil || p.Rows == nil || p.Accounts == nil ||
		p.Router == nil || p.Numbers == nil || p.Now == nil {
		return errors.New("orders: a port is missing")
	}
	return nil
}
