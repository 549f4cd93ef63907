package amazon

import (
	"context"

	"holdfast/adapters/connections"
	"holdfast/adapters/orders"
)

// Book is what this package needs of the orders; *orders.Book has it.
type Book interface {
	// Get returns an order whole; it fails with an error whose Code() is "unknown-order", or with
	// the store's.
	Get(ctx context.Context, id string) (orders.Order, error)
	Receive(ctx context.Context, v orders.Delivery, s orders.Snapshot) (orders.Receipt, error)
	Cancel(ctx context.Context, id string, r orders.CancelRequest) (orders.Order, error)
	Ship(ctx context.Context, id string, s orders.Shipment) (orders.Order, error)
	Return(ctx context.Context, id string, r orders.Return) (orders.Order, error)
	Refund(ctx context.Context, id string, r orders.Refund) (orders.Order, error)
}

// Registry is what this package needs of the connections; *connections.Registry has it. It answers
// from memory.
type Registry interface {
	Entry(id string) (connections.Entry, bool)
}

var (
	_ Book     = (*orders.Book)(nil)
	_ Registry = (*connections.Registry)(nil)
)
