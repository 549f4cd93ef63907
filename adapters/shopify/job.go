package shopify

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
)

// load reads the order that the task is about. It fails when it is not there.
func (j *job) load(ctx context.Context) (*orders.Order, error) {
	o, err := j.all.cfg.Book.Get(ctx, j.t.Key)
	if isUnknownOrder(err) {
		return nil, refused(codeGone, "there is no order %s", j.t.Key)
	}
	return &o, err
}

// home reports whether an order was born in this shop.
func (j *job) home(o *orders.Order) bool { return o.Home.System == j.id }

// known is the order's id in this shop; empty when it has none yet.
func (j *job) known(o *orders.Order) gid {
	if j.home(o) {
		return gidOfText(kindOrder, o.Home.ID)
	}
	for _, e := range o.Externals {
		if e.System == j.id && e.Kind == "order" {
			return gidOfText(kindOrder, e.ID)
		}
	}
	return ""
}

// there is known, or an error that has the task wait for the order to be made; one that never will be needs
// nothing.
func (j *job) there(o *orders.Order) (gid, error) {
	if g := j.known(o); g != "" {
		return g, nil
	}
	var never *outbox.Needless
	if err := j.wanted(o); errors.As(err, &never) {
		return "", err
	}
	return "", &outbox.Later{After: time.Minute, Why: "the order is not in the shop yet"}
}

// part is what the task is about within the order: its Part without the connection.
func (j *job) part() string {
	_, part, _ := strings.Cut(j.t.Part, "/")
	return part
}

// payload reads what the task was told. It fails with a Fault of the code payload.
func (j *job) payload(into any) error {
	if len(j.t.Payload) == 0 {
		return nil
	}
	if err := json.Unmarshal(j.t.Payload, into); err != nil {
		return refused(codePayload, "the payload of %s: %v", j.t.Kind, err)
	}
	return nil
}

// effect is units that a call of ours has moved in the shop's own numbers.
type effect struct {
	Item  int64  `json:"item"`
	Place string `json:"place"`
	Delta int64  `json:"delta"`
}

// moved adds effects to the Tx that ends the task, so that the publisher does not take them for a
// merchant's edit, and never counts one twice.
func (j *job) moved(tx *records.Tx, all []effect) {
	for _, e := range all {
		if e.Item != 0 && e.Place != "" {
			publish.Moved(tx, SlotID(j.id, e.Item, e.Place), e.Delta)
		}
	}
}

// placesTree is where an order leaves from, as the API gives it.
type placesTree struct {
	Updated   time.Time  `json:"updatedAt"`
	Cancelled *time.Time `json:"cancelledAt"`
	Closed    *time.Time `json:"closedAt"`
	Groups    struct {
		Page  pageInfo    `json:"pageInfo"`
		Nodes []groupTree `json:"nodes"`
	} `json:"fulfillmentOrders"`
	Packages []packageTree `json:"fulfillments"`
}

// groupTree is a fulfilment order: units of one order at one location.
type groupTree struct {
	ID      gid                       `json:"id"`
	Order   gid                       `json:"orderId"`
	Status  string                    `json:"status"`
	Actions []struct{ Action string } `json:"supportedActions"`
	At      struct {
		Location *idTree `json:"location"`
	} `json:"assignedLocation"`
	Holds []struct {
		ID     gid    `json:"id"`
		Handle string `json:"handle"`
		Reason string `json:"reason"`
		Ours   bool   `json:"heldByRequestingApp"`
	} `json:"fulfillmentHolds"`
	Lines struct {
		Page  pageInfo    `json:"pageInfo"`
		Nodes []groupLine `json:"nodes"`
	} `json:"lineItems"`
}

type groupLine struct {
	ID        gid    `json:"id"`
	Total     int64  `json:"totalQuantity"`
	Remaining int64  `json:"remainingQuantity"`
	Item      gid    `json:"inventoryItemId"`
	Line      idTree `json:"lineItem"`
}

// open reports whether units of the group are still to leave.
func (g *groupTree) open() bool {
	switch g.Status {
	case "CLOSED", "CANCELLED", "INCOMPLETE":
		return false
	}
	return true
}

type idVars struct {
	ID gid `json:"id"`
}

// readPlaces reads where an order leaves from. It fails with a Fault of the code not-found when the
// order is not there.
func (s *shop) readPlaces(ctx context.Context, id gid) (*placesTree, error) {
	var out struct {
		Order *placesTree `json:"order"`
	}
	if err := s.client.do(ctx, opFulfilments, idVars{id}, &out); err != nil {
		return nil, err
	}
	if out.Order == nil {
		return nil, refused(codeGone, "the shop has no order %s", id.tail())
	}
	return out.Order, nil
}

// theirLines maps the lines of an order to those of the shop's document, by the shop's numbers. Of
// an order that was born here they are the same; of another one they are found by what they sell,
// in their order, because that is how the document was made.
func (j *job) theirLines(ctx context.Context, o *orders.Order, id gid) (map[string]string, error) {
	lines := make(map[string]string, len(o.Lines))
	if j.home(o) {
		for i := range o.Lines {
			lines[o.Lines[i].Ref] = o.Lines[i].Ref
		}
		return lines, nil
	}
	tree, err := j.readTree(ctx, id)
	if err != nil {
		return nil, err
	}
	free := make(map[int64][]string)
	for i := range tree.Lines.Nodes {
		l := &tree.Lines.Nodes[i]
		if l.Variant != nil {
			v := l.Variant.ID.number()
			free[v] = append(free[v], l.ID.tail())
		}
	}
	for i := range o.Lines {
		row, ok := j.rowOf(o, &o.Lines[i])
		if rest := free[row.VariantID]; ok && len(rest) > 0 {
			lines[o.Lines[i].Ref], free[row.VariantID] = rest[0], rest[1:]
		}
	}
	return lines, nil
}

// made is what is kept of an order that we made in a shop: what its making took out of the numbers
// there. It is the record CONNECTION/order/ORDER of the table Documents.
type made struct {
	ID     string   `json:"id"`
	Claims []effect `json:"claims,omitempty"`
}

func (j *job) madeKey() string { return j.id + "/order/" + j.t.Key }

func (j *job) readMade(ctx context.Context) (m made, version uint64, err error) {
	row, ok, err := j.all.cfg.Store.Get(ctx, records.Documents, j.madeKey())
	if err != nil || !ok {
		return m, 0, err
	}
	m, err = records.Decode[made](row)
	return m, row.Version, err
}

// attach tells the order what it is called here, and which packages it has here. Doing it twice
// writes nothing new, so it may come before the end of the task.
func (j *job) attach(ctx context.Context, o *orders.Order, a orders.Attachment) error {
	a.System = j.id
	_, err := j.all.cfg.Book.Attach(ctx, o.ID, a)
	return err
}
