package flows

import (
	"context"
	"fmt"
	"time"

	"holdfast/adapters/connections"
	"holdfast/adapters/orders"
	"holdfast/adapters/publish"
)

// flowPublish is a full pass over the slots of a connection.
const flowPublish = "publish"

// selling is a kind of connection that sells: what its slots and its orders need of us is added to
// what its adapter does.
type selling struct {
	connections.Kind
	publisher *publish.Publisher
	orders    *orders.Book
	passes    *passes
	now       func() time.Time
}

// Flows are the kind's, and publish.
func (s selling) Flows() []string { return append(s.Kind.Flows(), flowPublish) }

// Connect makes the kind's adapter. It fails as that does.
func (s selling) Connect(l connections.Link) (connections.Adapter, error) {
	a, err := s.Kind.Connect(l)
	if err != nil {
		return nil, err
	}
	return seller{a, s, l.Connection}, nil
}

type seller struct {
	connections.Adapter
	kind selling
	conn connections.Connection
}

// Run tells the others of the orders that were taken in while the connection was only observed, and
// then does what never ends. It fails as the adapter does, or with the store's error; done again it
// tells nobody twice.
func (s seller) Run(ctx context.Context) error {
	if s.conn.Mode == connections.On {
		if err := s.kind.orders.Announce(ctx, s.conn.ID); err != nil {
			return fmt.Errorf("tell of the orders of %s: %w", s.conn.ID, err)
		}
	}
	return s.Adapter.Run(ctx)
}

// RunFlow asks the publisher for a pass, or does what the adapter does. It fails as that does.
func (s seller) RunFlow(ctx context.Context, r connections.Run) error {
	if r.Flow != flowPublish {
		return s.Adapter.RunFlow(ctx, r)
	}
	s.kind.passes.begin(s.conn.ID, s.kind.now())
	s.kind.publisher.Pass(s.conn.ID)
	return nil
}
