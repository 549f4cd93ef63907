package amazon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/connections"
	"holdfast/adapters/publish"
)

// Kind makes the adapters of sellers.
type Kind struct{ Sellers *Sellers }

// The flows of a seller.
const (
	FlowOrders = "orders" // what is new and what changed is taken in
	FlowCheck  = "check"  // marketplaces and subscriptions
	// FlowReports is what Amazon has sent, what came back, and refunds.
	FlowReports = "reports"
	FlowLevels  = "levels" // what Amazon has in its warehouses
)

// Check checks what is of the kind in a document. It fails with *engine.FieldError, joined.
func (k Kind) Check(c connections.Connection) error { return checkSettings(c) }

// Flows lists the flows of a seller.
func (k Kind) Flows() []string {
	return []string{FlowOrders, FlowCheck, FlowReports, FlowLevels}
}

// Connect makes the adapter of a connection. It fails when the document cannot be worked with.
func (k Kind) Connect(l connections.Link) (connections.Adapter, error) {
	if err := checkSettings(l.Connection); err != nil {
		return nil, err
	}
	return &adapter{all: k.Sellers, id: l.Connection.ID, health: l.Health}, nil
}

var _ connections.Kind = Kind{}

// adapter is one seller while this node leads.
type adapter struct {
	all    *Sellers
	id     string
	health *connections.Reporter

	// turn says which sweep is next; one goroutine has it.
	turn int
	// report is that of the listings; the goroutine of the stock has it.
	report listingsReport
}

const (
	// sweepEvery is how often one of the two sweeps is made: Amazon lets one search in each 180 s,
	// and the burst is kept for what is far behind.
	sweepEvery = 3 * time.Minute
	// checkEvery is how often marketplaces and subscriptions are looked at.
	checkEvery = 6 * time.Hour
)

// chore is what is done again and again.
type chore struct {
	name  string
	every time.Duration
	do    func(context.Context, *seller) error
	due   time.Time
}

// Run listens to the queue, sweeps, and checks, until ctx ends. It fails with ctx's error, or when
// the queue cannot be listened to at all; what goes wrong otherwise is reported, and tried again
// when it is due.
func (a *adapter) Run(ctx context.Context) error {
	s, err := a.all.seller(a.id)
	if err != nil {
		return err
	}
	reader, err := a.all.consumer(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listened := make(chan error, 1)
	go func() {
		defer cancel() // either of the two ends the other
		if reader == nil {
			<-ctx.Done()
			listened <- ctx.Err()
			return
		}
		listened <- reader.Run(ctx)
	}()
	stocked := make(chan error, 1)
	go func() {
		defer cancel()
		stocked <- a.work(ctx, a.stockChores())
	}()
	err = a.work(ctx, a.orderChores())
	cancel()
	return errors.Join(err, <-listened, <-stocked)
}

// orderChores are about orders; those about stock do not wait for them, nor they for those.
func (a *adapter) orderChores() []*chore {
	return []*chore{{name: FlowCheck, every: checkEvery, do: a.check},
		{name: FlowOrders, every: sweepEvery, do: a.sweep},
		{name: FlowReports, every: reportsEvery, do: a.reports}}
}

// work does chores when they are due.
func (a *adapter) work(ctx context.Context, chores []*chore) error {
	for {
		s, err := a.all.seller(a.id)
		if err != nil {
			return err
		}
		next := a.all.cfg.Now().Add(s.every(sweepEvery))
		for _, c := range chores {
			if !a.all.cfg.Now().Before(c.due) {
				err := c.do(ctx, s)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				c.due = a.all.cfg.Now().Add(max(s.every(c.every), waitOf(err)))
				a.tell(s, c.name, err)
			}
			if c.due.Before(next) {
				next = c.due
			}
		}
		if err := a.all.pause(ctx, max(next.Sub(a.all.cfg.Now()), time.Millisecond)); err != nil {
			return err
		}
	}
}

// waitOf is how long an error asks to wait.
func waitOf(err error) time.Duration {
	var f *spapi.Fault
	if errors.As(err, &f) {
		return f.RetryAfter()
	}
	return 0
}

// pause waits for d, or fails with ctx's error.
func (s *Sellers) pause(ctx context.Context, d time.Duration) error {
	if s.cfg.Pause != nil {
		return s.cfg.Pause(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tell reports how a chore ended, and what is left of the account's limits.
func (a *adapter) tell(s *seller, name string, err error) {
	if err != nil {
		a.all.cfg.Logger.Warn("a chore of a seller failed", "connection", a.id, "chore", name,
			"error", err)
	}
	if a.health == nil {
		return
	}
	if err != nil {
		a.health.Failed(name, err)
	} else {
		a.health.Succeeded()
	}
	for _, l := range s.client.Budgets().Limits() {
		a.health.Limit(l.Operation, connections.Limit{Left: l.Left, Of: l.Of})
	}
}

// sweep makes one of the two sweeps, in turn, and reports up to when every sale is known.
func (a *adapter) sweep(ctx context.Context, s *seller) error {
	feeds := [...]feed{byCreation, byChange}
	f := feeds[a.turn%len(feeds)]
	a.turn++
	if err := s.sweep(ctx, a.all, f); err != nil {
		return err
	}
	at, err := publish.Proven(ctx, a.all.cfg.Store, a.id)
	if err == nil && a.health != nil && !at.IsZero() {
		a.health.Watermark(at)
	}
	return err
}

// RunFlow runs a flow once. It fails with the error of the flow.
func (a *adapter) RunFlow(ctx context.Context, r connections.Run) error {
	s, err := a.all.seller(a.id)
	if err != nil {
		return err
	}
	switch r.Flow {
	case FlowOrders:
		return s.run(ctx, a.all, r)
	case FlowCheck:
		return a.check(ctx, s)
	case FlowReports:
		return a.reports(ctx, s)
	case FlowLevels:
		return s.sweepLevels(ctx, a.all, true)
	}
	return fmt.Errorf("a seller has no flow %q", r.Flow)
}
