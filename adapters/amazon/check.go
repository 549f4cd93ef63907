package amazon

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/connections"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/records"
)

// destinationName is what our destination is called at Amazon.
const destinationName = "holdfast"

// check looks whether the account may sell where the connection says so, and whether Amazon tells
// the queue of what happens. What is wrong is raised, and cleared when it no longer is.
func (a *adapter) check(ctx context.Context, s *seller) error {
	found, err := s.client.As(spapi.Background).Participations(ctx)
	if err != nil {
		return err
	}
	var missing []string
	for _, id := range s.conn.Marketplaces {
		if !slices.ContainsFunc(found, func(p spapi.Participation) bool {
			return p.Marketplace.ID == id && p.State.Participating
		}) {
			missing = append(missing, id)
		}
	}
	trace, now := "marketplaces:"+s.id, a.all.cfg.Now().UTC()
	_, err = records.Retry(ctx, a.all.cfg.Store, func(tx *records.Tx) error {
		if len(missing) == 0 {
			return exceptions.Clear(ctx, a.all.cfg.Store, tx, trace, now)
		}
		return exceptions.Raise(ctx, a.all.cfg.Store, tx, exceptions.Exception{Trace: trace,
			Class: exceptions.Auth, Code: "not-participating", Flow: "F11", Connection: s.id, Key: s.id,
			LastAt: now, Detail: fmt.Sprintf("The seller does not sell in %s of the connection's "+
				"marketplaces.", strings.Join(missing, ", "))})
	})
	if err != nil || s.settings.QueueARN == "" || s.conn.Mode != connections.On {
		return err // observing changes nothing over there
	}
	return s.subscribe(ctx)
}

// subscribe has Amazon send to the queue what it can send there by itself. A subscription that goes
// elsewhere is left alone: it is another application's way, and an account has one of each type.
func (s *seller) subscribe(ctx context.Context) error {
	client := s.client.As(spapi.Background)
	at, err := client.QueueDestination(ctx, destinationName, s.settings.QueueARN)
	if err != nil {
		return err
	}
	for kind, version := range spapi.QueueTypes {
		have, err := client.Subscription(ctx, kind, version)
		switch {
		case err == nil && have.Destination == at.ID:
			continue
		case err == nil:
			return spapi.Refused("subscribed-elsewhere",
				"notifications %s go to the destination %s, which is not the queue", kind, have.Destination)
		case spapi.CodeOf(err) != spapi.CodeGone:
			return err
		}
		_, err = client.Subscribe(ctx, kind, version, at.ID)
		if err != nil && spapi.CodeOf(err) != spapi.CodeConflict {
			return err
		}
	}
	return nil
}
