package shopify

import (
	"context"
	"time"

	"holdfast/adapters/connections"
	"holdfast/adapters/orders"
)

// Book is what this package needs of the orders; *orders.Book has it.
type Book interface {
	// Get returns an order whole; it fails with an error whose Code() is "unknown-order", or with the
	// store's. A record alone does not do: that of a large order is folded.
	Get(ctx context.Context, id string) (orders.Order, error)
	Receive(ctx context.Context, v orders.Delivery, s orders.Snapshot) (orders.Receipt, error)
	Attach(ctx context.Context, id string, a orders.Attachment) (orders.Order, error)
	Assign(ctx context.Context, id string, all []orders.Assigned, firm bool) (orders.Order, error)
	Hold(ctx context.Context, id, why string, on bool) (orders.Order, error)
}

// Registry is what this package needs of the connections; *connections.Registry has it. It answers
// from memory.
type Registry interface {
	Entry(id string) (connections.Entry, bool)
	SetMode(ctx context.Context, id, mode string) (connections.Entry, error)
}

// SeenFor is how long a delivery is remembered. Shopify sends one again for 4 hours; some have seen
// days.
const SeenFor = orders.SeenFor

// hookTime bounds the handling of a webhook: Shopify waits 5 s, and a 503 must still reach it.
const hookTime = 3500 * time.Millisecond

var (
	_ Book     = (*orders.Book)(nil)
	_ Registry = (*connections.Registry)(nil)
)
