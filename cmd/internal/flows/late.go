package flows

import "holdfast/adapters/publish"

// late are outlets that are made after the publisher which asks them.
type late func() publish.Outlets

// Outlet is how a connection's numbers are changed.
func (l late) Outlet(connection string) (publish.Outlet, bool) { return l().Outlet(connection) }

// Closed says why nothing may be sent to a connection.
func (l late) Closed(connection string) string { return l().Closed(connection) }
