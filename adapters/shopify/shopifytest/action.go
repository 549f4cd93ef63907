package shopifytest

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// action is one thing that somebody does: a call of the API, a sale, an edit, a job. It carries the
// cause of all stock changes and collects the webhooks, which leave when it ends. It lives under
// the lock of its shop.
type action struct {
	shop    *shop
	cause   string
	at      time.Time // whole seconds, as Shopify's times are
	exact   time.Time
	request uint64
	app     *app
	fault   string
	event   string
	held    time.Duration // how long a fault holds the answer back
	refused []string      // codes of user errors, for the journal
	notes   []note
	orders  []*order // touched: their updated_at moves
	items   []*item
}

// note is a webhook to be sent: a topic in its REST form and what it is about.
type note struct {
	topic string
	about any
}

// begin opens an action. The caller holds the lock of the shop and calls finish.
func (s *shop) begin(cause string) *action {
	now := s.srv.clock.Now()
	return &action{shop: s, cause: cause, at: now.Truncate(time.Second), exact: now}
}

// tell notes a webhook, once per action, topic and object.
func (a *action) tell(topic string, about any) {
	for _, n := range a.notes {
		if n.topic == topic && n.about == about {
			return
		}
	}
	a.notes = append(a.notes, note{topic, about})
}

// touch marks an order as changed: it gets a new updated_at and an orders/updated webhook.
func (a *action) touch(o *order) {
	for _, x := range a.orders {
		if x == o {
			return
		}
	}
	a.orders = append(a.orders, o)
}

// finish puts new times on what changed, indexes it and hands the webhooks over.
func (s *shop) finish(a *action) {
	for _, o := range a.orders {
		o.updated = a.at
		s.byUpdate.add(o, a.at, a.exact)
		a.tell("orders/updated", o)
	}
	for _, i := range a.items {
		i.variant.product.updated = a.at
	}
	if len(a.notes) == 0 {
		return
	}
	a.event = s.uuid("event")
	for _, n := range a.notes {
		s.notify(a, n)
	}
}

// uuid makes an id in the form of a UUID that the seed decides.
func (s *shop) uuid(kind string) string {
	b := append([]byte(kind), byte(len(s.cfg.Name)))
	b = append(b, s.cfg.Name...)
	b = strconv.AppendUint(b, s.srv.cfg.Seed, 10)
	b = strconv.AppendInt(append(b, '/'), s.srv.newID(), 10)
	sum := sha256.Sum256(b)
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:32]
}

func (a *action) log(e Entry) {
	e.Shop, e.Cause, e.Request, e.Fault = a.shop.cfg.Name, a.cause, a.request, a.fault
	if a.app != nil {
		e.App = a.app.cfg.Name
	}
	a.shop.srv.journal.add(e)
}

// logOrder writes what happened to an order into the journal.
func (a *action) logOrder(o *order, op string) {
	a.log(Entry{Kind: "order", Op: op, Order: gid{"Order", o.id}.String(), OrderName: o.name})
}
