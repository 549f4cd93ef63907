package netsuite

import (
	"context"
	"fmt"
	"time"

	"holdfast/adapters/connections"
	"holdfast/adapters/records"
)

// Kind makes the adapters of NetSuite accounts.
type Kind struct{ Accounts *Accounts }

// The flows of an account.
const (
	FlowCatalogue = "catalogue" // all items are read
	FlowCheck     = "check"     // login, permissions, locations
)

// Check checks what is of the kind in a document. It fails with *engine.FieldError, joined.
func (k Kind) Check(c connections.Connection) error { return checkSettings(c) }

// Flows lists the flows of an account.
func (k Kind) Flows() []string { return []string{FlowCatalogue, FlowCheck} }

// Connect makes the adapter of a connection. It fails when the document cannot be worked with.
func (k Kind) Connect(l connections.Link) (connections.Adapter, error) {
	if err := checkSettings(l.Connection); err != nil {
		return nil, err
	}
	return &adapter{all: k.Accounts, id: l.Connection.ID, health: l.Health}, nil
}

var _ connections.Kind = Kind{}

// adapter is one account while this node leads.
type adapter struct {
	all    *Accounts
	id     string
	health *connections.Reporter
}

// checkEvery is how often it is looked whether the login and the locations are as they should be. A
// certificate ends and a sandbox is refreshed without a word to us.
const checkEvery = 6 * time.Hour

// OpenOrders is empty: no order is born in the account that we would sell from. What it has promised by
// itself is a number of its positions. Its error is nil.
func (a *adapter) OpenOrders(context.Context, string) (connections.Page, error) {
	return connections.Page{}, nil
}

// Levels is empty: the account keeps no number of a channel. Its error is nil.
func (a *adapter) Levels(context.Context, string) (connections.Page, error) {
	return connections.Page{}, nil
}

// Run checks the account until ctx ends. It fails with ctx's error, or when the connection is gone: what
// a check finds is reported, and looked at again when it is due.
func (a *adapter) Run(ctx context.Context) error {
	for {
		b, err := a.all.book(a.id)
		if err != nil {
			return err
		}
		err = a.check(ctx, b)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a.tell(b, FlowCheck, err)
		if err := b.client.cfg.Pause(ctx, b.every(checkEvery)); err != nil {
			return err
		}
	}
}

// tell reports how a flow ended, and what is left of the account's limit.
func (a *adapter) tell(b *book, name string, err error) {
	if err != nil {
		a.all.cfg.Logger.Warn("a flow of an account failed", "connection", a.id, "flow", name,
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
	c := b.client.Concurrency()
	a.health.Limit("calls", connections.Limit{Left: int64(max(c.Allowed-c.InFlight, 0)),
		Of: int64(c.Most)})
}

// RunFlow runs a flow once. It fails with the error of the flow.
func (a *adapter) RunFlow(ctx context.Context, r connections.Run) error {
	b, err := a.all.book(a.id)
	if err != nil {
		return err
	}
	switch r.Flow {
	case FlowCheck:
		err := a.check(ctx, b)
		a.tell(b, FlowCheck, err)
		return err
	case FlowCatalogue:
		return a.wholeCatalogue(ctx)
	}
	return fmt.Errorf("an account has no flow %q", r.Flow)
}

// wholeCatalogue reads the catalogue page by page, as a start does.
func (a *adapter) wholeCatalogue(ctx context.Context) error {
	for cursor := ""; ; {
		page, err := a.Catalogue(ctx, cursor)
		if err != nil {
			return err
		}
		if page.Write != nil {
			_, err := records.Retry(ctx, a.all.cfg.Store, func(tx *records.Tx) error {
				return page.Write(ctx, tx)
			})
			if err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

// every divides an interval by the speed of a simulator.
func (a *account) every(d time.Duration) time.Duration {
	return max(d/time.Duration(max(a.settings.Speed, 1)), time.Millisecond)
}
