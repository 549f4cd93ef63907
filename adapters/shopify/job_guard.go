package shopify

import (
	"context"
	"slices"
	"time"

	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
)

// What becomes here of orders that Amazon fulfils from its own warehouses, by settings.fba_orders.
const (
	fbaHold  = "hold"          // made at once, and held: the default
	fbaAfter = "after_shipped" // made when Amazon has sent something
	fbaSkip  = "skip"          // never made
)

// fbaHandle is the hold of an order that Amazon sends, and fbaTag its tag.
const (
	fbaHandle = ourHandle + "fba"
	fbaTag    = "FBA"
)

// afterLook is how often it is looked whether Amazon has sent an order.
const afterLook = 30 * time.Minute

// fbaPlace is the location of the shop that stands for Amazon's stock of a connection; empty: none does.
func (a *account) fbaPlace(connection string) string {
	if ours := a.settings.FBAOf[connection]; ours != "" {
		return a.theirs(ours)
	}
	for _, ours := range a.settings.FBALocations {
		if place := a.theirs(ours); place != "" {
			return place
		}
	}
	return ""
}

// wanted says, by its error, that an order that Amazon sends is not to be made here, or not yet.
func (j *job) wanted(o *orders.Order) error {
	if behaviour(o) != bypass {
		return nil
	}
	switch j.settings.FBAOrders {
	case fbaSkip:
		return &outbox.Needless{Why: "orders that Amazon fulfils are not made in this shop"}
	case fbaAfter:
		if len(o.Shipments) == 0 && o.CancelledAt.IsZero() {
			return &outbox.Later{After: j.every(afterLook), Why: "Amazon has sent nothing of the order yet"}
		}
		if len(o.Shipments) == 0 {
			return &outbox.Needless{Why: "the order was cancelled before anything left"}
		}
	}
	return nil
}

// guard keeps what is open of an order that Amazon sends from being sent by anybody else: it is held, and
// stands at the location of Amazon's stock. Held first, because somebody may look at it in between; what the
// move has made anew is held behind it. It looks before each call, so that it can be done again.
//
// An order that has claimed nothing changes no number by being moved.
func (j *job) guard(ctx context.Context, o *orders.Order, id gid) error {
	place := j.fbaPlace(o.Home.System)
	for range 2 {
		at, err := j.readPlaces(ctx, id)
		if err != nil {
			return err
		}
		moved := false
		for i := range at.Groups.Nodes {
			g := &at.Groups.Nodes[i]
			if !g.open() {
				continue
			}
			if g.holdOf(fbaHandle) == "" {
				in := holdInput{Reason: "OTHER", Notes: "Amazon sends this order", Handle: fbaHandle}
				if err := j.holdGroup(ctx, g.ID, in); err != nil {
					return err
				}
			}
			if place == "" || g.At.Location.tail() == place {
				continue
			}
			if err := j.moveGroup(ctx, g, place); err != nil {
				return err
			}
			moved = true
		}
		if !moved {
			return nil
		}
	}
	return nil
}

// opened reads where an order leaves from. One that is guarded is let go of first: what Amazon has sent of it
// cannot be told while it is held. When the process dies before it is held again, the task comes again and
// ends with that.
func (j *job) opened(ctx context.Context, id gid, guarded bool) (*placesTree, error) {
	at, err := j.readPlaces(ctx, id)
	if err != nil || !guarded {
		return at, err
	}
	if err := j.endHold(ctx, at, fbaHandle); err != nil {
		return nil, err
	}
	return j.readPlaces(ctx, id)
}

// holdGroup places a hold; one that is there already is no fault.
func (j *job) holdGroup(ctx context.Context, id gid, in holdInput) error {
	var out struct {
		Root struct {
			Errors []userError `json:"userErrors"`
		} `json:"fulfillmentOrderHold"`
	}
	vars := struct {
		ID   gid       `json:"id"`
		Hold holdInput `json:"hold"`
	}{id, in}
	if err := j.client.do(ctx, opHold, vars, &out); err != nil {
		return err
	}
	return firstError(opHold, slices.DeleteFunc(out.Root.Errors, func(e userError) bool {
		return e.Code == "DUPLICATE_FULFILLMENT_HOLD_HANDLE" || e.Code == "TAKEN"
	}))
}

// moveGroup moves all that is left of a group to a place, in one call.
func (j *job) moveGroup(ctx context.Context, g *groupTree, place string) error {
	var out struct {
		Root struct {
			Errors []userError `json:"userErrors"`
		} `json:"fulfillmentOrderMove"`
	}
	vars := struct {
		ID    gid          `json:"id"`
		Place gid          `json:"place"`
		Items []unitsInput `json:"items"`
	}{ID: g.ID, Place: gidOfText(kindPlace, place)}
	for _, l := range g.Lines.Nodes {
		if l.Remaining > 0 {
			vars.Items = append(vars.Items, unitsInput{l.ID, l.Remaining})
		}
	}
	if err := j.client.do(ctx, opMove, vars, &out); err != nil {
		return err
	}
	return firstError(opMove, out.Root.Errors)
}

// endHold ends the hold of ours with a handle, wherever the order has it.
func (j *job) endHold(ctx context.Context, at *placesTree, handle string) error {
	for i := range at.Groups.Nodes {
		g := &at.Groups.Nodes[i]
		var holds []gid
		for _, h := range g.Holds {
			if h.Ours && h.Handle == handle {
				holds = append(holds, h.ID)
			}
		}
		if len(holds) == 0 {
			continue
		}
		var out struct {
			Root struct {
				Errors []userError `json:"userErrors"`
			} `json:"fulfillmentOrderReleaseHold"`
		}
		vars := struct {
			ID    gid   `json:"id"`
			Holds []gid `json:"holds"`
		}{g.ID, holds}
		if err := j.client.do(ctx, opRelease, vars, &out); err != nil {
			return err
		}
		if err := firstError(opRelease, out.Root.Errors); err != nil {
			return err
		}
	}
	return nil
}
