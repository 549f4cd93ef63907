package amazon

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/mapping"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
	"holdfast/engine"
)

// Amazon says how many units lie in its warehouses, and how many of them are promised to its buyers. Both
// are taken over whole: on hand is what can be sent and what is promised, and the promise is one mirrored
// allocation. What an order of Amazon's takes is in there, so that no such order takes anything from the
// ledger by itself. Reports are taken in the order of what they are true of, whatever way they come.

// level is what Amazon last said of one seller SKU in a pool. It is the record
// CONNECTION/fba/READER/SKU of the table Documents.
type level struct {
	SellerSKU     string    `json:"seller_sku"`
	FNSKU         string    `json:"fnsku,omitempty"`
	SKU           string    `json:"sku,omitempty"` // ours, for which it counts; empty: it is not mapped
	At            time.Time `json:"at"`            // of which it is true
	Fulfillable   int64     `json:"fulfillable"`
	Ordered       int64     `json:"ordered"` // promised to buyers
	Transfer      int64     `json:"transfer"`
	Processing    int64     `json:"processing"`
	Unfulfillable int64     `json:"unfulfillable"`
	Researching   int64     `json:"researching"`
	Working       int64     `json:"inbound_working"`
	Shipped       int64     `json:"inbound_shipped"`
	Receiving     int64     `json:"inbound_receiving"`
}

func levelPrefix(connection, reader string) string { return connection + "/fba/" + reader + "/" }

// source is under which name Amazon says how many units are at a location.
func (a *account) source() string { return kindName + ":" + a.id }

// stockNews takes in what a message says of stock and listings. It fails with the store's error; doing it
// twice adds nothing.
func (s *seller) stockNews(ctx context.Context, all *Sellers, n *spapi.Notification) error {
	switch {
	case n.Level != nil:
		return s.levelNews(ctx, all, n)
	case n.Quantity != nil:
		return s.quantityNews(ctx, all, n)
	case n.Listing != nil:
		s.guard.forget(n.Listing.SellerSKU) // who fulfils it may be what has changed
	}
	return nil
}

// quantityNews has a slot read of which Amazon tells another number than is expected there, or for which
// somebody waits to see a quantity in effect.
func (s *seller) quantityNews(ctx context.Context, all *Sellers, n *spapi.Notification) error {
	if n.Quantity.Channel != spapi.DefaultChannel || n.Quantity.Quantity.Bad {
		s.guard.forget(n.Quantity.SellerSKU)
		return nil
	}
	id := SlotID(s.id, n.Quantity.SellerSKU)
	row, ok, err := all.cfg.Store.Get(ctx, records.Slots, id)
	if err != nil || !ok {
		return err
	}
	slot, err := records.Decode[publish.Slot](row)
	if err != nil {
		return err
	}
	tally, _, err := all.cfg.Store.Get(ctx, records.Tallies, id)
	if err != nil || slot.Hold == "" && n.Quantity.Quantity.Value == slot.Expected(tally.Value) {
		return err
	}
	var tx records.Tx
	publish.Look(&tx, id, n.At)
	_, err = all.cfg.Store.Submit(ctx, &tx)
	return err
}

// levelNews takes over what a message says of the reader's view of each pool.
func (s *seller) levelNews(ctx context.Context, all *Sellers, n *spapi.Notification) error {
	for _, p := range s.pools() {
		for i := range n.Level.Levels {
			m := &n.Level.Levels[i]
			if m.MarketplaceID != p.reader || p.location == "" {
				continue
			}
			l := level{SellerSKU: n.Level.SellerSKU, FNSKU: n.Level.FNSKU, At: n.At,
				Fulfillable: m.Fulfillable.Value, Ordered: m.Ordered.Value, Transfer: m.Transfer.Value,
				Processing: m.Processing.Value, Unfulfillable: m.Unfulfillable.Value,
				Researching: m.Researching.Value, Working: m.InWorking.Value, Shipped: m.InShipped.Value,
				Receiving: m.InArrive.Value}
			if m.Fulfillable.Bad || m.Ordered.Bad {
				continue // the sweep reads it
			}
			if err := s.takeLevels(ctx, all, &p, []level{l}); err != nil {
				return err
			}
		}
	}
	return nil
}

// levelOf is a level of a sweep. What it says is true of its own time; but what was seen a while ago is
// believed to be true of then at the earliest, so that a sweep puts right what a message got wrong.
func levelOf(l *spapi.Level, asked time.Time) level {
	at := asked.Add(-levelSettles)
	if l.Updated.After(at) {
		at = l.Updated.Time
	}
	d := &l.Details
	return level{SellerSKU: l.SellerSKU, FNSKU: l.FNSKU, At: at, Fulfillable: d.Fulfillable.Value,
		Ordered: d.Reserved.Ordered.Value, Transfer: d.Reserved.Transfer.Value,
		Processing: d.Reserved.Processing.Value, Unfulfillable: d.Unfulfillable.Total.Value,
		Researching: d.Researching.Total.Value, Working: d.Working.Value, Shipped: d.Shipped.Value,
		Receiving: d.Receiving.Value}
}

// takeLevels takes levels of a pool over. What the ledger refuses of one of them becomes an exception and
// holds up no other. It fails with the store's error.
func (s *seller) takeLevels(ctx context.Context, all *Sellers, p *pool, list []level) error {
	o, err := records.Retry(ctx, all.cfg.Store, func(tx *records.Tx) error {
		return s.writeLevels(ctx, all, tx, p, list)
	})
	if err != nil {
		return err
	}
	if o.Refusal == engine.Accepted {
		return s.levelsTaken(ctx, all, list)
	}
	if len(list) == 1 {
		return s.levelRefused(ctx, all, &list[0], o.Refusal)
	}
	for i := range list {
		if err := s.takeLevels(ctx, all, p, list[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (s *seller) levelTrace(sellerSKU string) string {
	return "level:" + s.id + ":" + partOf(s.id, sellerSKU)
}

// levelsTaken clears what was raised of levels that are taken over now.
func (s *seller) levelsTaken(ctx context.Context, all *Sellers, list []level) error {
	for i := range list {
		trace := s.levelTrace(list[i].SellerSKU)
		_, known, err := all.cfg.Store.Get(ctx, records.Exceptions, exceptions.ID(trace))
		if err != nil {
			return err
		}
		if !known {
			continue
		}
		if _, err := records.Retry(ctx, all.cfg.Store, func(tx *records.Tx) error {
			return exceptions.Clear(ctx, all.cfg.Store, tx, trace, all.cfg.Now().UTC())
		}); err != nil {
			return err
		}
	}
	return nil
}

func (s *seller) levelRefused(ctx context.Context, all *Sellers, l *level, why engine.Refusal) error {
	_, err := records.Retry(ctx, all.cfg.Store, func(tx *records.Tx) error {
		return exceptions.Raise(ctx, all.cfg.Store, tx, exceptions.Exception{
			Trace: s.levelTrace(l.SellerSKU), Class: exceptions.Data, Code: "level-refused",
			Flow: "F7", Connection: s.id, Key: l.SellerSKU, LastAt: all.cfg.Now().UTC(),
			Detail: fmt.Sprintf("What Amazon has of %q cannot be taken over: %s.", l.SellerSKU, why)})
	})
	return err
}

// leveling is the writing of levels of one pool in one Tx.
type leveling struct {
	*seller
	all   *Sellers
	pool  *pool
	fresh map[string]level // by part of key
}

// writeLevels adds the records of levels that are newer than what is known, and what follows in the
// ledger for every SKU of ours that they count for, or counted for.
func (s *seller) writeLevels(ctx context.Context, all *Sellers, tx *records.Tx, p *pool, list []level) error {
	w := leveling{s, all, p, map[string]level{}}
	touched := map[string]bool{}
	for _, l := range list {
		part := partOf(s.id, l.SellerSKU)
		old, version, err := w.known(ctx, part)
		if err != nil {
			return err
		}
		if l.SKU = w.ours(l.SellerSKU); version == 0 {
			s.guard.forget(l.SellerSKU) // Amazon has begun to hold its stock
		}
		if l.SellerSKU == "" || version != 0 && !l.At.After(old.At) && (old.At.After(l.At) || old.same(&l)) {
			continue
		}
		w.fresh[part] = l
		tx.Replace(records.Record{Table: records.Documents, Key: levelPrefix(s.id, p.reader) + part,
			Body: tx.Encode(l)}, version)
		if version == 0 || !old.same(&l) {
			touched[old.SKU], touched[l.SKU] = true, true
		}
	}
	delete(touched, "")
	for _, sku := range slices.Sorted(maps.Keys(touched)) {
		if err := w.count(ctx, tx, sku); err != nil {
			return err
		}
	}
	return nil
}

// same reports whether two levels say the same, of whatever times.
func (l *level) same(o *level) bool {
	a, b := *l, *o
	a.At, b.At = time.Time{}, time.Time{}
	return a == b
}

func (w *leveling) known(ctx context.Context, part string) (l level, version uint64, err error) {
	row, ok, err := w.all.cfg.Store.Get(ctx, records.Documents, levelPrefix(w.id, w.pool.reader)+part)
	if err != nil || !ok {
		return l, 0, err
	}
	l, err = records.Decode[level](row)
	return l, row.Version, err
}

// ours is the SKU of ours that a seller SKU is in the pool; empty: none.
func (w *leveling) ours(sellerSKU string) string {
	for _, m := range append([]string{w.pool.reader}, w.pool.markets...) {
		row, ok := w.all.cfg.Mapping.BySellerSKU(w.id, m, sellerSKU)
		if ok && row.Fulfilment != mapping.Merchant {
			return row.SKU
		}
	}
	return ""
}

// count adds what the ledger is to have of a SKU of ours: the units of all seller SKUs that are it, each
// of Amazon's own numbers once.
func (w *leveling) count(ctx context.Context, tx *records.Tx, sku string) error {
	var here, ordered int64
	seen := map[string]bool{}
	for _, row := range w.all.cfg.Mapping.Of(sku) {
		part := partOf(w.id, row.SellerSKU)
		if row.Connection != w.id || row.SellerSKU == "" || w.ours(row.SellerSKU) != sku || seen["/"+part] {
			continue
		}
		seen["/"+part] = true
		l, ok := w.fresh[part]
		if !ok {
			var version uint64
			var err error
			if l, version, err = w.known(ctx, part); err != nil {
				return err
			}
			if version == 0 || l.SKU != sku {
				continue
			}
			tx.Look(records.Documents, levelPrefix(w.id, w.pool.reader)+part, version)
		}
		if l.FNSKU != "" && seen[l.FNSKU] {
			continue // the same units under another name
		}
		seen[l.FNSKU] = true
		here, ordered = here+l.Fulfillable, ordered+l.Ordered
	}
	return w.ledger(ctx, tx, sku, here, ordered)
}

// ledger adds the two numbers of a SKU. Without a channel for the promise only what can be sold is there.
func (w *leveling) ledger(ctx context.Context, tx *records.Tx, sku string, here, ordered int64) error {
	set := engine.Set{SKU: engine.Name(sku), Location: engine.Name(w.pool.location), Value: here,
		Source: w.source()}
	if w.pool.channel == "" {
		tx.Do(&set)
		return nil
	}
	set.Value += ordered
	id := mirrorID(w.id, w.pool.location, sku)
	exists := false
	if _, err := w.all.cfg.Store.Ledger(ctx, func(l *engine.Ledger) bool {
		_, exists = l.Reservation(id)
		return false
	}); err != nil {
		return err
	}
	mirror := engine.Mirror{ID: id, Channel: engine.Name(w.pool.channel)}
	if ordered > 0 {
		mirror.Lines = []engine.Line{{SKU: set.SKU, Location: set.Location, Qty: ordered}}
	}
	switch {
	case ordered == 0 && !exists:
		tx.Do(&set)
	case ordered == 0: // units that are no longer promised are offered only with the new number
		tx.Do(&set, &mirror)
	default:
		tx.Do(&mirror, &set)
	}
	return nil
}

// mirrorID names the promise of a SKU to Amazon's buyers.
func mirrorID(connection, location, sku string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{connection, location, sku}, "\x00")))
	return "fba:" + base32.HexEncoding.EncodeToString(sum[:15])
}
