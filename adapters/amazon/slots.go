package amazon

import (
	"context"
	"slices"
	"strings"
	"time"

	"holdfast/adapters/mapping"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
)

// An account keeps one number of units for each seller SKU of its own stock, whatever marketplaces list
// it. Which of them are slots follows from the rows that map the seller SKU and from the document of the
// connection: SlotKeeper follows those two, and what it writes demands that both are still as it read
// them. A listing whose row says that Amazon holds the stock has no slot, and nothing is ever sent for
// it; whether Amazon says so too is asked before anything is sent (guard.go).

// SlotID is the id of the slot of a seller SKU.
func SlotID(connection, sellerSKU string) string {
	return connection + "/" + partOf(connection, sellerSKU)
}

// partOf is the seller SKU as it stands in keys: the same in that of its slot and in those of its rows.
func partOf(connection, sellerSKU string) string {
	key := mapping.SellerRef(connection, "", sellerSKU).Key()
	return strings.TrimSuffix(strings.TrimPrefix(key, mapping.Listings(connection)), "/")
}

// slotOf is the slot that a seller SKU should have; ok is false when it should have none: nothing maps
// it, Amazon holds its stock, or its rows say that it is two SKUs of ours, which no number can show.
func (a *account) slotOf(sellerSKU string, rowIn func(marketplace string) (mapping.Row, bool)) (
	s publish.Slot, ok bool) {
	if a.settings.Fulfilment == byAmazon {
		return s, false
	}
	s = publish.Slot{ID: SlotID(a.id, sellerSKU), Connection: a.id, SellerSKU: sellerSKU}
	for _, m := range a.conn.Marketplaces {
		row, found := rowIn(m)
		if !found {
			continue
		}
		channel := first(a.channel(m, byMerchant), a.conn.Channel)
		if row.Fulfilment == mapping.Amazon || s.SKU != "" && s.SKU != row.SKU || channel == "" {
			return s, false
		}
		switch {
		case s.SKU == "":
			s.SKU, s.Row, s.Channel = row.SKU, row.Key(), channel
		case channel != s.Channel && !slices.Contains(s.Also, channel):
			s.Also = append(s.Also, channel)
		}
	}
	return s, s.SKU != ""
}

// wanted is the slot that a seller SKU should have, by the mapping in memory.
func (s *Sellers) wanted(a *account, sellerSKU string) (publish.Slot, bool) {
	return a.slotOf(sellerSKU, func(m string) (mapping.Row, bool) {
		return s.cfg.Mapping.BySellerSKU(a.id, m, sellerSKU)
	})
}

// Stands reports whether a slot is still what the mapping and the connection's document say, as this
// node knows them. What is of no seller stands.
func (s *Sellers) Stands(slot *publish.Slot) bool {
	at, err := s.seller(slot.Connection)
	if err != nil || s.cfg.Mapping == nil {
		return true // nothing is sent there anyway
	}
	want, ok := s.wanted(at.account, slot.SellerSKU)
	return ok && want.Is(slot)
}

// slotting writes slots of one connection.
type slotting struct {
	all  *Sellers
	id   string
	at   *seller // nil: there is no such connection, and no slot of it is wanted
	wait map[string]bool
}

// write adds to tx what makes the slots of some seller SKUs, by their parts of keys, as they should be.
// Those of which a push may still arrive stay as they are, and are noted in wait. It may be called again
// for another tx. It fails with the store's error.
func (b *slotting) write(ctx context.Context, tx *records.Tx, parts []string) error {
	b.wait = map[string]bool{}
	before := len(tx.Writes)
	for _, part := range parts {
		if err := b.one(ctx, tx, part); err != nil {
			return err
		}
	}
	if len(tx.Writes) == before {
		return nil
	}
	version := uint64(0)
	if b.at != nil {
		version = b.at.version
	}
	tx.Look(records.Connections, b.id, version)
	return nil
}

// one adds what is to be done with one seller SKU.
func (b *slotting) one(ctx context.Context, tx *records.Tx, part string) error {
	store := b.all.cfg.Store
	rows, _, err := store.List(ctx, records.Mappings, mapping.Listings(b.id)+part+"/", "", records.MaxList)
	if err != nil {
		return err
	}
	old, err := b.filed(ctx, part)
	if err != nil {
		return err
	}
	want, ok, err := b.want(rows)
	if err != nil || old != nil && ok && old.Slot.Is(&want) || old == nil && !ok {
		return err
	}
	if old != nil {
		if b.all.cfg.Now().Before(old.Slot.Arrives()) || old.Slot.Bulk != nil {
			b.wait[part] = true
			return nil
		}
		if b.all.cfg.Ended != nil {
			if err := b.all.cfg.Ended(ctx, tx, old.Slot.ID); err != nil {
				return err
			}
		}
	}
	for i := range rows {
		tx.Look(records.Mappings, rows[i].Key, rows[i].Version)
	}
	if !ok {
		return publish.Retire(ctx, store, tx, *old)
	}
	return publish.Make(ctx, store, tx, want, old)
}

// want is the slot that rows ask for.
func (b *slotting) want(rows []records.Record) (s publish.Slot, ok bool, err error) {
	by := make(map[string]mapping.Row, len(rows)) // by marketplace
	sellerSKU := ""
	for _, r := range rows {
		row, err := records.Decode[mapping.Row](r)
		if err != nil {
			return s, false, err
		}
		by[row.Marketplace], sellerSKU = row, row.SellerSKU
	}
	if b.at == nil || len(rows) == 0 {
		return s, false, nil
	}
	s, ok = b.at.slotOf(sellerSKU, func(m string) (mapping.Row, bool) {
		row, found := by[m]
		if !found {
			row, found = by[""]
		}
		return row, found
	})
	return s, ok, nil
}

func (b *slotting) filed(ctx context.Context, part string) (*publish.Filed, error) {
	row, ok, err := b.all.cfg.Store.Get(ctx, records.Slots, b.id+"/"+part)
	if err != nil || !ok {
		return nil, err
	}
	slot, err := records.Decode[publish.Slot](row)
	if err != nil {
		return nil, err
	}
	return &publish.Filed{Slot: slot, Version: row.Version}, nil
}

// The bounds of the keeper.
const (
	// keepPage is how many seller SKUs one Tx of the keeper has.
	keepPage = 100
	// keepAgain is how often it is looked whether a push has ended that keeps a slot what it was, and
	// for how long a connection is left alone of which the slots could not be written.
	keepAgain = time.Second
)
