package shopify

import (
	"context"
	"errors"
	"slices"
	"strings"

	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

type (
	trackingInput struct {
		Company string `json:"company,omitempty"`
		Number  string `json:"number,omitempty"`
		URL     string `json:"url,omitempty"`
	}
	unitsInput struct {
		ID       gid   `json:"id"`
		Quantity int64 `json:"quantity"`
	}
	groupInput struct {
		Group gid          `json:"fulfillmentOrderId"`
		Lines []unitsInput `json:"fulfillmentOrderLineItems"`
	}
	fulfilInput struct {
		Groups   []groupInput   `json:"lineItemsByFulfillmentOrder"`
		Tracking *trackingInput `json:"trackingInfo,omitempty"`
		Notify   bool           `json:"notifyCustomer"`
	}
	fulfilVars struct {
		Fulfillment fulfilInput `json:"fulfillment"`
	}
)

// shipment is the package of an order that the task is about.
func (j *job) shipment(o *orders.Order) (*orders.Shipment, error) {
	var p struct {
		Shipment string `json:"shipment"`
	}
	if err := j.payload(&p); err != nil {
		return nil, err
	}
	if p.Shipment == "" {
		p.Shipment = j.part()
	}
	for i := range o.Shipments {
		if s := &o.Shipments[i]; s.Key == p.Shipment {
			return s, nil
		}
	}
	return nil, refused(codeGone, "order %s has no package %s", o.ID, cut(p.Shipment))
}

// hereAs is what the shop calls a package; empty when it does not know it.
func (j *job) hereAs(s *orders.Shipment) string {
	if s.By == j.id {
		return s.Key
	}
	for _, e := range s.IDs {
		if e.System == j.id {
			return e.ID
		}
	}
	return ""
}

// fulfil tells the shop that a package has left. Shopify does not deduplicate it: so what the shop
// has of the package is taken off first, by its tracking number, or by what nobody else has
// reported; the rest is sent, a call for each location.
//
// Dying between two calls leaves a package in two fulfilments, each known by its tracking; none
// twice.
func (j *job) fulfil(ctx context.Context) (outbox.Finish, error) {
	o, err := j.load(ctx)
	if err != nil {
		return outbox.Finish{}, err
	}
	pack, err := j.shipment(o)
	if err != nil {
		return outbox.Finish{}, err
	}
	if pack.Off || j.hereAs(pack) != "" {
		return outbox.Finish{}, &outbox.Needless{Why: "the shop knows the package, or it was taken back"}
	}
	id, err := j.there(o)
	if err != nil {
		return outbox.Finish{}, err
	}
	guarded := !j.home(o) && behaviour(o) == bypass
	at, err := j.opened(ctx, id, guarded)
	if err != nil {
		return outbox.Finish{}, err
	}
	lines, err := j.theirLines(ctx, o, id)
	if err != nil {
		return outbox.Finish{}, err
	}
	want := make(map[string]int64) // by their line
	for _, l := range pack.Lines {
		theirs, ok := lines[l.Ref]
		if !ok {
			return outbox.Finish{}, refused(codeState, "the shop's order has no line for %s", cut(l.Ref))
		}
		want[theirs] += l.Qty
	}
	done := j.sent(o, pack, at, want)
	var effects []effect
	calls, err := split(at, j.theirs(pack.Location), want)
	if err != nil {
		return outbox.Finish{}, err
	}
	for _, c := range calls {
		fid, err := j.sendPackage(ctx, c, pack)
		if err != nil {
			return outbox.Finish{}, err
		}
		done = append(done, fid)
		if guarded {
			effects = append(effects, c.effects()...)
		}
	}
	if guarded { // what is left is held again
		if err := j.guard(ctx, o, id); err != nil {
			return outbox.Finish{}, err
		}
	}
	a := orders.Attachment{}
	for _, fid := range done {
		a.Shipments = append(a.Shipments, orders.Shipment{Key: fid, By: j.id, Carrier: pack.Carrier,
			Tracking: pack.Tracking, Location: pack.Location, At: pack.At, Lines: pack.Lines})
	}
	if err := j.attach(ctx, o, a); err != nil {
		return outbox.Finish{}, err
	}
	return outbox.Finish{Result: map[string][]string{"fulfilments": done},
		Also: func(_ context.Context, tx *records.Tx) error {
			j.moved(tx, effects)
			return nil
		}}, nil
}

// sent takes off want what the shop has of a package already, and returns its fulfilments of it.
func (j *job) sent(o *orders.Order, pack *orders.Shipment, at *placesTree, want map[string]int64) (
	ids []string) {
	for i := range at.Packages {
		p := &at.Packages[i]
		if offStatus[lower(p.Status)] || !j.same(o, pack, p) {
			continue
		}
		for _, n := range p.Lines.Nodes {
			ref := n.Line.ID.tail()
			want[ref] = max(0, want[ref]-n.Quantity)
		}
		ids = append(ids, p.ID.tail())
	}
	return ids
}

// same reports whether a fulfilment is of a package. One without tracking may be only after a call
// of unknown outcome: then one that no package of the order is known as.
func (j *job) same(o *orders.Order, pack *orders.Shipment, p *packageTree) bool {
	for _, t := range p.Tracking {
		if t.Number != "" {
			return t.Number == pack.Tracking
		}
	}
	if pack.Tracking != "" || !j.t.Unknown {
		return false
	}
	return !slices.ContainsFunc(o.Shipments, func(s orders.Shipment) bool {
		return j.hereAs(&s) == p.ID.tail()
	})
}

// packing is one call: what leaves together from one place.
type packing struct {
	place string
	in    []groupInput
	taken []effect
}

func (p *packing) effects() []effect { return p.taken }

// split finds the fulfilment orders that the wanted units are in, those at the place of the package
// first. It fails when units are in none that can be fulfilled: then nothing is sent.
func split(at *placesTree, place string, want map[string]int64) (calls []packing, err error) {
	groups := slices.Clone(at.Groups.Nodes)
	slices.SortStableFunc(groups, func(a, b groupTree) int {
		return first(a.At.Location.tail() != place) - first(b.At.Location.tail() != place)
	})
	held := false
	for i := range groups {
		g := &groups[i]
		if !g.open() {
			continue
		}
		var in groupInput
		var taken []effect
		for _, l := range g.Lines.Nodes {
			n := min(want[l.Line.ID.tail()], l.Remaining)
			if n <= 0 {
				continue
			}
			if g.Status == "ON_HOLD" {
				held = true
				continue
			}
			want[l.Line.ID.tail()] -= n
			in.Lines = append(in.Lines, unitsInput{l.ID, n})
			taken = append(taken, effect{l.Item.number(), g.At.Location.tail(), -n})
		}
		if len(in.Lines) == 0 {
			continue
		}
		in.Group = g.ID
		where := g.At.Location.tail()
		k := slices.IndexFunc(calls, func(c packing) bool { return c.place == where })
		if k < 0 {
			k, calls = len(calls), append(calls, packing{place: where})
		}
		calls[k].in, calls[k].taken = append(calls[k].in, in), append(calls[k].taken, taken...)
	}
	for line, n := range want {
		if n > 0 && held {
			return nil, refused(codeState, "%d units of line %s are on hold in the shop", n, line)
		}
		if n > 0 {
			return nil, refused(codeState, "the shop has %d units of line %s fewer to fulfil", n, line)
		}
	}
	return calls, nil
}

// first is 0 for what goes first.
func first(later bool) int {
	if later {
		return 1
	}
	return 0
}

func (j *job) sendPackage(ctx context.Context, c packing, pack *orders.Shipment) (string, error) {
	in := fulfilInput{Groups: c.in}
	if pack.Tracking != "" {
		in.Tracking = &trackingInput{pack.Carrier, pack.Tracking, pack.URL}
	}
	var out struct {
		Root struct {
			Package *idTree     `json:"fulfillment"`
			Errors  []userError `json:"userErrors"`
		} `json:"fulfillmentCreate"`
	}
	if err := j.client.do(ctx, opFulfil, fulfilVars{in}, &out); err != nil {
		return "", err
	}
	if err := firstError(opFulfil, out.Root.Errors); err != nil {
		return "", err
	}
	if out.Root.Package == nil {
		return "", answerFault(opFulfil, errors.New("no fulfilment and no error"))
	}
	return out.Root.Package.ID.tail(), nil
}

// tracking writes the tracking of a package that the shop knows without.
func (j *job) tracking(ctx context.Context) (outbox.Finish, error) {
	o, err := j.load(ctx)
	if err != nil {
		return outbox.Finish{}, err
	}
	pack, err := j.shipment(o)
	if err != nil {
		return outbox.Finish{}, err
	}
	fid := j.hereAs(pack)
	if fid == "" {
		return outbox.Finish{}, &outbox.Later{Why: "the shop does not know the package yet"}
	}
	if pack.Tracking == "" {
		return outbox.Finish{}, &outbox.Needless{Why: "the package has no tracking"}
	}
	var out struct {
		Root struct {
			Errors []userError `json:"userErrors"`
		} `json:"fulfillmentTrackingInfoUpdate"`
	}
	vars := struct {
		ID       gid           `json:"id"`
		Tracking trackingInput `json:"tracking"`
	}{gidOfText(kindFulfilment, fid), trackingInput{pack.Carrier, pack.Tracking, pack.URL}}
	if err := j.client.do(ctx, opTracking, vars, &out); err != nil {
		return outbox.Finish{}, err
	}
	return outbox.Finish{}, firstError(opTracking, out.Root.Errors)
}

// ourHandle begins the handles of the holds that we place: one of each handle fits a fulfilment
// order, so that a second call places no second hold.
const ourHandle = "holdfast-"

type holdInput struct {
	Reason string `json:"reason"`
	Notes  string `json:"reasonNotes,omitempty"`
	Handle string `json:"handle"`
}

// stockReason is why an order is held whose units are short, and stockHandle that hold.
const (
	stockReason = "INVENTORY_OUT_OF_STOCK"
	stockHandle = ourHandle + "inventory-out-of-stock"
	buyerHandle = ourHandle + orders.HoldBuyer
)

// named is the hold that the task is about. One without a name is named by its reason, so that the
// event which ends it, and gives the same reason, finds it.
func (j *job) named() (holdInput, error) {
	var p struct {
		Handle string `json:"handle"`
		Reason string `json:"reason"`
	}
	if err := j.payload(&p); err != nil {
		return holdInput{}, err
	}
	if p.Reason == "" {
		p.Reason = stockReason
	}
	if p.Handle == "" {
		p.Handle = strings.ToLower(strings.ReplaceAll(p.Reason, "_", "-"))
	}
	return holdInput{Reason: p.Reason, Handle: ourHandle + strings.TrimPrefix(p.Handle, ourHandle)}, nil
}

// hold keeps the open part of an order from leaving. A task may come late: an order that has its
// units by then, or whose buyer was answered, is not held for that, because nothing would end that hold.
func (j *job) hold(ctx context.Context) (outbox.Finish, error) {
	in, err := j.named()
	if err != nil {
		return outbox.Finish{}, err
	}
	o, at, err := j.groups(ctx)
	if err != nil {
		return outbox.Finish{}, err
	}
	switch {
	case in.Handle == stockHandle && !o.Short:
		return outbox.Finish{}, &outbox.Needless{Why: "the order has its units"}
	case in.Handle == buyerHandle && !slices.Contains(o.Holds, orders.HoldBuyer):
		return outbox.Finish{}, &outbox.Needless{Why: "the buyer was answered"}
	}
	for i := range at.Groups.Nodes {
		g := &at.Groups.Nodes[i]
		if !g.open() || g.holdOf(in.Handle) != "" {
			continue
		}
		if err := j.holdGroup(ctx, g.ID, in); err != nil {
			return outbox.Finish{}, err
		}
	}
	return outbox.Finish{}, nil
}

// groups reads the task's order and its fulfilment orders.
func (j *job) groups(ctx context.Context) (*orders.Order, *placesTree, error) {
	o, err := j.load(ctx)
	if err != nil {
		return nil, nil, err
	}
	id, err := j.there(o)
	if err != nil {
		return nil, nil, err
	}
	at, err := j.readPlaces(ctx, id)
	return o, at, err
}

// holdOf is the hold of a handle that we placed.
func (g *groupTree) holdOf(handle string) gid {
	for _, h := range g.Holds {
		if h.Handle == handle && h.Ours {
			return h.ID
		}
	}
	return ""
}

// release takes one hold of ours away: the one that the task names, so that no other reason to wait
// ends with it, and nobody else's. What is not held is released. An order that is short again by
// then, or whose buyer asks again, stays held.
func (j *job) release(ctx context.Context) (outbox.Finish, error) {
	name, err := j.named()
	if err != nil {
		return outbox.Finish{}, err
	}
	o, at, err := j.groups(ctx)
	if err != nil {
		return outbox.Finish{}, err
	}
	switch {
	case name.Handle == stockHandle && o.Short:
		return outbox.Finish{}, &outbox.Needless{Why: "the order is short again"}
	case name.Handle == buyerHandle && slices.Contains(o.Holds, orders.HoldBuyer):
		return outbox.Finish{}, &outbox.Needless{Why: "the buyer asks again"}
	}
	return outbox.Finish{}, j.endHold(ctx, at, name.Handle)
}

// move has the shop assign units of a line to another location. It is looked where they are first:
// what stands there already was moved before.
//
// The shop raises its number at the source and lowers it at the target. Of an order that was born
// here, the book counts that when it is told the assignments as they are then; of a document of
// ours, the effects end with the task.
func (j *job) move(ctx context.Context) (outbox.Finish, error) {
	var p struct {
		Ref   string `json:"ref"`
		Qty   int64  `json:"qty"`
		From  string `json:"from"`
		To    string `json:"to"`
		Group string `json:"group"`
	}
	if err := j.payload(&p); err != nil {
		return outbox.Finish{}, err
	}
	place := j.theirs(p.To)
	if p.Ref == "" || place == "" {
		return outbox.Finish{}, refused(codePayload, "a move needs a line, and a location of the shop's")
	}
	o, err := j.load(ctx)
	if err != nil {
		return outbox.Finish{}, err
	}
	id, err := j.there(o)
	if err != nil {
		return outbox.Finish{}, err
	}
	lines, err := j.theirLines(ctx, o, id)
	if err != nil {
		return outbox.Finish{}, err
	}
	at, err := j.readPlaces(ctx, id)
	if err != nil {
		return outbox.Finish{}, err
	}
	effects, err := j.moveFrom(ctx, at, moveOrder{line: lines[p.Ref],
		from: j.theirs(p.From), place: place, group: p.Group, qty: p.Qty})
	if err != nil {
		return outbox.Finish{}, err
	}
	if j.home(o) {
		return outbox.Finish{}, j.assign(ctx, id, o.ID)
	}
	return outbox.Finish{Also: func(_ context.Context, tx *records.Tx) error {
		j.moved(tx, effects)
		return nil
	}}, nil
}

// moveOrder is units of a line to be moved to a place: from one, or from wherever they are.
type moveOrder struct {
	line, from, place, group string
	qty                      int64
}

func (j *job) moveFrom(ctx context.Context, at *placesTree, m moveOrder) (all []effect, err error) {
	for i := range at.Groups.Nodes {
		g := &at.Groups.Nodes[i]
		from := g.At.Location.tail()
		if !g.open() || from == m.place || m.group != "" && g.ID.tail() != m.group ||
			m.from != "" && from != m.from {
			continue
		}
		for _, l := range g.Lines.Nodes {
			n := min(m.qty, l.Remaining)
			if l.Line.ID.tail() != m.line || n <= 0 {
				continue
			}
			var out struct {
				Root struct {
					Errors []userError `json:"userErrors"`
				} `json:"fulfillmentOrderMove"`
			}
			vars := struct {
				ID    gid          `json:"id"`
				Place gid          `json:"place"`
				Items []unitsInput `json:"items"`
			}{g.ID, gidOfText(kindPlace, m.place), []unitsInput{{l.ID, n}}}
			if err := j.client.do(ctx, opMove, vars, &out); err != nil {
				return nil, err
			}
			if err := firstError(opMove, out.Root.Errors); err != nil {
				return nil, err
			}
			m.qty -= n
			all = append(all, effect{l.Item.number(), from, n}, effect{l.Item.number(), m.place, -n})
		}
	}
	return all, nil
}
