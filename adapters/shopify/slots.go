package shopify

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"holdfast/adapters/mapping"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
)

// Which slots there are follows from three records: the row that maps a variant, the variant in the
// catalogue, and the document of the connection, which says what is sold there and from where. The start
// of a connection and the keeper, which follows those records from then on, write slots by the same code:
// slotting.write. It demands, of all that it decided by, that it is still so: whoever writes with an old
// view, such as a leader that was deposed, writes nothing.

// thing is a variant, of which the slots are to be as they should.
type thing struct {
	key  string // of its row, and of its item in the catalogue
	item int64  // of which there may be slots, whatever those two say; 0: none
}

// slotting writes slots of one connection.
type slotting struct {
	all  *Shops
	id   string
	shop *shop                    // nil: there is no such connection, and no slot of it is wanted
	seen map[string]*publish.Seen // by slot: what was just read of them
	look bool                     // have those looked at that are there already

	// What the last write found:
	wait map[thing]bool // a push must end first, so they stay as they are for now
	lost bool           // nothing says any more whose slots a thing had: look at all
}

// write adds to tx what makes the slots of some things as they should be: those that are not there are
// made, those that are another number by now are made anew, and those of which nothing is left end. It
// may be called again for another tx. Where all is as it should be, it adds nothing. It fails with the
// store's error.
func (b *slotting) write(ctx context.Context, tx *records.Tx, things []thing) error {
	b.wait, b.lost = map[thing]bool{}, false
	before := len(tx.Writes)
	for _, t := range things {
		if err := b.one(ctx, tx, t); err != nil {
			return err
		}
	}
	if len(tx.Writes) == before {
		return nil
	}
	version := uint64(0)
	if b.shop != nil {
		version = b.shop.version
	}
	tx.Look(records.Connections, b.id, version)
	return nil
}

// mapped is what the records say of a thing.
type mapped struct {
	row           mapping.Row
	item          mapping.Item
	rowAt, itemAt uint64 // versions; 0: there is none
}

// mappedOf reads it. It fails with the store's error, or for a record that cannot be read.
func mappedOf(ctx context.Context, r records.Reader, key string) (m mapped, err error) {
	if key == "" {
		return m, nil
	}
	row, ok, err := r.Get(ctx, records.Mappings, key)
	if err != nil {
		return m, err
	}
	if ok {
		if m.row, err = records.Decode[mapping.Row](row); err != nil {
			return m, err
		}
		m.rowAt = row.Version
	}
	item, ok, err := r.Get(ctx, records.Catalogue, key)
	if err != nil || !ok {
		return m, err
	}
	m.item, err = records.Decode[mapping.Item](item)
	m.itemAt = item.Version
	return m, err
}

// slotted reports whether an item has slots under a row. A row that does not know its item yet has none:
// the sales of it would be counted nowhere.
func slotted(row *mapping.Row, item *mapping.Item) bool {
	return row.InventoryItemID != 0 && row.InventoryItemID == item.InventoryItemID &&
		row.VariantID == item.VariantID && !item.Bundle && item.NotStock == ""
}

// one adds what is to be done with one thing.
func (b *slotting) one(ctx context.Context, tx *records.Tx, t thing) error {
	m, err := mappedOf(ctx, b.all.cfg.Store, t.key)
	if err != nil {
		return err
	}
	if m.rowAt == 0 && m.itemAt == 0 && t.item == 0 {
		b.lost = true
		return nil
	}
	have, err := b.have(ctx, t, &m)
	if err != nil {
		return err
	}
	var want []publish.Slot
	if b.shop != nil && m.rowAt != 0 && m.itemAt != 0 && slotted(&m.row, &m.item) {
		want = b.shop.slots(m.row.SKU, &m.item)
	}
	before := len(tx.Writes)
	for _, slot := range want {
		old := have[slot.ID]
		delete(have, slot.ID)
		if err := b.make(ctx, tx, t, slot, old); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(have)) {
		if old := have[id]; old.Slot.Row == t.key && !b.waits(t, old) {
			if err := b.retire(ctx, tx, old); err != nil {
				return err
			}
		}
	}
	if len(tx.Writes) > before && t.key != "" {
		tx.Look(records.Mappings, t.key, m.rowAt)
		tx.Look(records.Catalogue, t.key, m.itemAt)
	}
	return nil
}

// have are the slots that there are of all items that a thing may have.
func (b *slotting) have(ctx context.Context, t thing, m *mapped) (map[string]*publish.Filed, error) {
	have := map[string]*publish.Filed{}
	items := []int64{t.item, m.row.InventoryItemID, m.item.InventoryItemID}
	slices.Sort(items)
	for _, item := range slices.Compact(items) {
		if item == 0 {
			continue
		}
		list, err := publish.FiledSlots(ctx, b.all.cfg.Store, slotPrefix(b.id, item))
		if err != nil {
			return nil, err
		}
		for i := range list {
			have[list[i].Slot.ID] = &list[i]
		}
	}
	return have, nil
}

// make makes a slot, or leaves the one that is there, if it is the same, or cannot become another yet.
func (b *slotting) make(ctx context.Context, tx *records.Tx, t thing, want publish.Slot,
	old *publish.Filed) error {
	if old != nil {
		if old.Slot.Is(&want) {
			b.lookAt(tx, want.ID)
			return nil
		}
		if b.waits(t, old) {
			return nil
		}
		if err := b.ended(ctx, tx, want.ID); err != nil {
			return err
		}
	}
	want.Seen = b.seen[want.ID]
	return publish.Make(ctx, b.all.cfg.Store, tx, want, old)
}

// lookAt has a slot read that stays.
func (b *slotting) lookAt(tx *records.Tx, id string) {
	if !b.look {
		return
	}
	at := b.all.cfg.Now().UTC()
	if seen := b.seen[id]; seen != nil {
		at = seen.UpdatedAt
	}
	publish.Look(tx, id, at)
}

func (b *slotting) retire(ctx context.Context, tx *records.Tx, old *publish.Filed) error {
	if err := b.ended(ctx, tx, old.Slot.ID); err != nil {
		return err
	}
	return publish.Retire(ctx, b.all.cfg.Store, tx, *old)
}

func (b *slotting) ended(ctx context.Context, tx *records.Tx, id string) error {
	if b.all.cfg.Ended == nil {
		return nil
	}
	return b.all.cfg.Ended(ctx, tx, id)
}

// waits reports, and notes, that a slot must stay what it is while a push of it may still arrive. Nothing
// new is pushed meanwhile, because it does not stand any more.
func (b *slotting) waits(t thing, old *publish.Filed) bool {
	if b.all.cfg.Now().After(old.Slot.Arrives()) {
		return false
	}
	b.wait[t] = true
	return true
}

// slots are those of an item, one for each place that is a location of ours, in order of id.
func (s *shop) slots(sku string, item *mapping.Item) (all []publish.Slot) {
	if item.InventoryItemID == 0 {
		return nil
	}
	ref := item.Ref()
	for place, ours := range s.locations {
		all = append(all, publish.Slot{ID: SlotID(s.id, item.InventoryItemID, place), SKU: sku,
			Channel: s.conn.Channel, Connection: s.id, Location: ours, Place: place,
			Item: item.InventoryItemID, Row: ref.Key()})
	}
	slices.SortFunc(all, func(x, y publish.Slot) int { return cmp.Compare(x.ID, y.ID) })
	return all
}

// slotPrefix is how the ids of all slots of an item begin.
func slotPrefix(connection string, item int64) string {
	return connection + "/" + strconv.FormatInt(item, 10) + "/"
}

// Stands reports whether a slot is still what the mapping and the connection's document say, as this node
// knows them. What is of no shop stands.
func (s *Shops) Stands(slot *publish.Slot) bool {
	at, err := s.shop(slot.Connection)
	if err != nil || s.cfg.Mapping == nil {
		return true // nothing is sent there anyway
	}
	return s.standsAt(at, slot)
}

func (s *Shops) standsAt(at *shop, slot *publish.Slot) bool {
	row, ok := s.cfg.Mapping.ByInventoryItem(slot.Connection, slot.Item)
	return ok && row.SKU == slot.SKU && row.Key() == slot.Row &&
		at.locations[slot.Place] == slot.Location && at.conn.Channel == slot.Channel
}

// levelsPage is how many items a page of a start has: with ten places a Tx has a thousand slots.
const levelsPage = 100

// keepPage is how many things one Tx of the keeper has.
const keepPage = 50

// keepAgain is how often it is looked whether a push has ended that keeps a slot what it was, and for how
// long a connection is left alone of which the slots could not be written.
const keepAgain = time.Second
