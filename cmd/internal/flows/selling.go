package flows

import (
	"context"
	"runtime/debug"
	"time"

	"holdfast/adapters/connections"
	"holdfast/adapters/publish"
)

// flowPublish is a full pass over the slots of a connection.
const flowPublish = "publish"

// selling is a kind of connection that sells: what its slots and its orders need of us is added to
// what its adapter does.
type selling struct {
	connections.Kind
	publisher *publish.Publisher
	orders    announcer
	passes    *passes
	now       func() time.Time
}

// announcer tells the others of orders; orders.Book does.
type announcer interface {
	Announce(ctx context.Context, connection string) error
}

// Flows are the kind's, and publish.
func (s selling) Flows() []string { return append(s.Kind.Flows(), flowPublish) }

// Connect makes the kind's adapter. It fails as that does.
func (s selling) Connect(l connections.Link) (connections.Adapter, error) {
	a, err := s.Kind.Connect(l)
	if err != nil {
		return nil, err
	}
	return seller{a, s, l.Connection, l.Health}, nil
}

type seller struct {
	connections.Adapter
	kind   selling
	conn   connections.Connection
	health *connections.Reporter
}

// Run does what never ends, and beside it tells the others of the orders that were taken in while the
// connection was only observed. An order that nobody can be told of holds up nothing: it is shown, and
// tried again after longer and longer pauses, as long as the connection runs. It fails as the adapter
// does; done again it tells nobody twice.
func (s seller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	told := make(chan struct{})
	go func() {
		defer close(told)
		if s.conn.Mode == connections.On {
			s.announce(ctx)
		}
	}()
	defer func() {
		cancel()
		<-told
	}()
	return s.Adapter.Run(ctx)
}

// The pauses between two tries to tell: the first is short beside anything that waits for it, and the
// last is rare enough that reading all orders of a shop again is no load.
const firstPause, lastPause = time.Second, 5 * time.Minute

// announce tells until all are told of, or ctx ends.
func (s seller) announce(ctx context.Context) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := s.announceOnce(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		s.health.Failed("announce", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// announceOnce fails with what the orders say, or with the panic that one of them caused: it must not
// end the process, which would only meet it again.
func (s seller) announceOnce(ctx context.Context) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = &connections.PanicError{Fault: fault, Stack: debug.Stack()}
		}
	}()
	return s.kind.orders.Announce(ctx, s.conn.ID)
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
