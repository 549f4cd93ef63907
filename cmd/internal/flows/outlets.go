package flows

import (
	"holdfast/adapters/connections"
	"holdfast/adapters/publish"
	"holdfast/adapters/shopify"
)

// outlets are the ways to the numbers that outside systems keep.
type outlets struct {
	registry *connections.Registry
	shops    *shopify.Shops
}

// Outlet is how a connection's numbers are changed; ok is false when it keeps none, or is not known.
func (o outlets) Outlet(connection string) (publish.Outlet, bool) {
	entry, ok := o.registry.Entry(connection)
	if !ok || entry.Kind != "shopify" {
		return publish.Outlet{}, false
	}
	pusher, err := o.shops.Pusher(connection)
	if err != nil {
		return publish.Outlet{}, false
	}
	return publish.Outlet{
		Pusher: pusher, Style: publish.Delta, Master: entry.Kind + ":" + entry.ID,
	}, true
}

// Closed says why nothing may be sent to a connection.
func (o outlets) Closed(connection string) string { return o.registry.Blocked(connection) }
