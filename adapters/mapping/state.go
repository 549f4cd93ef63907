package mapping

import (
	"iter"

	"holdfast/adapters/records"
)

// state is a set of rows with the ways to find them. One writer, or many readers, at a time.
//
// A row is a slot of a list and the maps hold numbers of slots, so that 500,000 rows are a handful of
// large allocations for the garbage collector and not millions.
type state struct {
	slots  []slot
	free   []uint32
	byKey  map[string]uint32
	byItem map[stockKey]uint32 // Shopify inventory items
	bySKU  map[string]uint32   // the first of a chain through nextSKU
	seller map[sellerKey]uint32
	words  map[string]string // one copy of what repeats: connections, marketplaces
}

// slot is one row. Slot 0 is never used: 0 ends a chain.
type slot struct {
	row        Row
	key        string // empty: the slot is free
	version    uint64
	nextSKU    uint32
	nextSeller uint32
}

type stockKey struct {
	connection string
	item       int64
}

type sellerKey struct{ connection, sellerSKU string }

func newState() *state {
	return &state{slots: make([]slot, 1), byKey: map[string]uint32{},
		byItem: map[stockKey]uint32{}, bySKU: map[string]uint32{},
		seller: map[sellerKey]uint32{}, words: map[string]string{}}
}

// put makes a row be under a key as of a version; it reports whether it is news.
func (s *state) put(key string, row Row, version uint64) bool {
	if n, ok := s.byKey[key]; ok {
		if version < s.slots[n].version {
			return false
		}
		s.unlink(n)
		s.slots[n].row, s.slots[n].version = s.compact(row), version
		s.link(n)
		return true
	}
	n := uint32(len(s.slots))
	if last := len(s.free) - 1; last >= 0 {
		n, s.free = s.free[last], s.free[:last]
	} else {
		s.slots = append(s.slots, slot{})
	}
	s.slots[n] = slot{row: s.compact(row), key: key, version: version}
	s.byKey[key] = n
	s.link(n)
	return true
}

// drop forgets what is under a key, unless it is newer than version.
func (s *state) drop(key string, version uint64) (Row, bool) {
	n, ok := s.byKey[key]
	if !ok || version < s.slots[n].version {
		return Row{}, false
	}
	row := s.slots[n].row
	s.unlink(n)
	delete(s.byKey, key)
	s.slots[n] = slot{}
	s.free = append(s.free, n)
	return row, true
}

func (s *state) compact(r Row) Row {
	for _, word := range []*string{&r.Connection, &r.Marketplace, &r.Fulfilment, &r.Content} {
		kept, ok := s.words[*word]
		if !ok {
			kept = *word
			s.words[kept] = kept
		}
		*word = kept
	}
	return r
}

func (s *state) link(n uint32) {
	at := &s.slots[n]
	at.nextSKU = s.bySKU[at.row.SKU]
	s.bySKU[at.row.SKU] = n
	if at.row.InventoryItemID != 0 {
		s.byItem[stockKey{at.row.Connection, at.row.InventoryItemID}] = n
	}
	if at.row.SellerSKU != "" {
		k := sellerKey{at.row.Connection, at.row.SellerSKU}
		at.nextSeller = s.seller[k]
		s.seller[k] = n
	}
}

func (s *state) unlink(n uint32) {
	at := &s.slots[n]
	cut(s.bySKU, at.row.SKU, n, func(i uint32) *uint32 { return &s.slots[i].nextSKU })
	if k := (stockKey{at.row.Connection, at.row.InventoryItemID}); s.byItem[k] == n {
		delete(s.byItem, k)
	}
	if at.row.SellerSKU != "" {
		cut(s.seller, sellerKey{at.row.Connection, at.row.SellerSKU}, n,
			func(i uint32) *uint32 { return &s.slots[i].nextSeller })
	}
}

// cut takes n out of a chain.
func cut[K comparable](first map[K]uint32, k K, n uint32, next func(uint32) *uint32) {
	after := *next(n)
	if first[k] == n {
		if after == 0 {
			delete(first, k)
			return
		}
		first[k] = after
		return
	}
	for i := first[k]; i != 0; i = *next(i) {
		if *next(i) == n {
			*next(i) = after
			return
		}
	}
}

// apply takes one change of the records. It returns an error for a body that is not a row.
func (s *state) apply(c records.Change) error {
	if !isRow(c.Key) {
		return nil
	}
	if c.Gone {
		s.drop(c.Key, c.Version)
		return nil
	}
	row, err := records.Decode[Row](c.Record)
	if err == nil {
		s.put(c.Key, row, c.Version)
	}
	return err
}

func (s *state) find(f Ref) (slot, bool) {
	var b [192]byte
	n, ok := s.byKey[string(f.appendKey(b[:0]))]
	if !ok && f.Side == Seller && f.Marketplace != "" {
		f.Marketplace = ""
		n, ok = s.byKey[string(f.appendKey(b[:0]))]
	}
	return s.slots[n], ok
}

func (s *state) inventoryItem(connection string, item int64) (slot, bool) {
	n, ok := s.byItem[stockKey{connection, item}]
	return s.slots[n], ok
}

// ofSKU yields the slots of a SKU, the newest first.
func (s *state) ofSKU(sku string) iter.Seq[*slot] {
	return func(yield func(*slot) bool) {
		for n := s.bySKU[sku]; n != 0 && yield(&s.slots[n]); n = s.slots[n].nextSKU {
		}
	}
}

// ofSeller yields the slots of a seller SKU in all marketplaces of a connection.
func (s *state) ofSeller(connection, sellerSKU string) iter.Seq[*slot] {
	return func(yield func(*slot) bool) {
		n := s.seller[sellerKey{connection, sellerSKU}]
		for ; n != 0 && yield(&s.slots[n]); n = s.slots[n].nextSeller {
		}
	}
}
