package publish

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/adapters/records"
)

// Book is the slots, rules, stop cords, watermarks and wanted reads in memory, as the records have
// them. It is safe for concurrent use; every node may have one.
type Book struct {
	store   records.Store
	changed func(Changes) // called without the lock
	read    chan struct{} // closed once all was read
	once    sync.Once

	// turn is taken by one Load, or one set of changes, at a time: a Load that ends behind a change which
	// it has not read would undo it.
	turn chan struct{}

	mu     sync.RWMutex
	loaded bool
	slots  map[string]*entry
	bySKU  map[string][]string // slot ids in order
	rules  map[string]Rule
	made   *Rulebook // of rules; nil when they have changed since
	marks  map[string]time.Time
	looks  map[string]look
}

type entry struct {
	slot    *Slot // never changed
	version uint64
}

// look says that a slot is to be read once the watermark has passed a moment.
type look struct {
	after   time.Time
	version uint64
}

// Changes is what a Book has just learnt.
type Changes struct {
	All         bool     // anything may have changed
	Slots       []string // ids
	Connections []string // whose watermark has moved
}

// NewBook returns an empty Book; Run or Load fills it. changed may be nil.
func NewBook(store records.Store, changed func(Changes)) *Book {
	if changed == nil {
		changed = func(Changes) {}
	}
	b := &Book{store: store, changed: changed, read: make(chan struct{}),
		turn: make(chan struct{}, 1)}
	b.clear()
	return b
}

// Loaded returns a channel that is closed once all was read for the first time.
func (b *Book) Loaded() <-chan struct{} { return b.read }

func (b *Book) clear() {
	b.slots, b.bySKU = map[string]*entry{}, map[string][]string{}
	b.rules, b.made = map[string]Rule{}, nil
	b.marks, b.looks = map[string]time.Time{}, map[string]look{}
}

// Run follows the records until ctx ends, and then returns nil. It fails when the store is closed or
// a record cannot be read.
func (b *Book) Run(ctx context.Context) error {
	w := b.store.Watch(records.Slots, records.Rules, records.Cursors)
	defer w.Close()
	if err := b.Load(ctx); err != nil {
		return endOf(ctx, err)
	}
	for {
		if err := b.follow(ctx, w); err != nil {
			return endOf(ctx, err)
		}
	}
}

// endOf is nil when a part was told to end.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// follow takes what one wait for the watch brings.
func (b *Book) follow(ctx context.Context, w records.Watch) error {
	changes, lost, err := w.Next(ctx)
	if err != nil {
		return err
	}
	if lost {
		return b.Load(ctx) // what the changes say is read again, too
	}
	told, err := b.take(changes)
	if err == nil && (told.All || len(told.Slots) > 0 || len(told.Connections) > 0) {
		b.changed(told)
	}
	return err
}

// take waits for a Load that is under way: what it has read may be older.
func (b *Book) take(changes []records.Change) (told Changes, err error) {
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range changes {
		err = errors.Join(err, b.takeLocked(c, &told))
	}
	return told, err
}

// Load reads all records anew. It fails with the store's error, and when a record cannot be read; the
// Book is then as it was.
func (b *Book) Load(ctx context.Context) error {
	if err := b.load(ctx); err != nil {
		return err
	}
	b.once.Do(func() { close(b.read) })
	b.changed(Changes{All: true})
	return nil
}

func (b *Book) load(ctx context.Context) error {
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	fresh := NewBook(b.store, nil)
	for _, t := range []records.Table{records.Slots, records.Rules, records.Cursors} {
		for after, more := "", true; more; {
			rows, next, err := b.store.List(ctx, t, "", after, records.MaxList)
			if err != nil {
				return err
			}
			for _, r := range rows {
				if err := fresh.takeLocked(records.Change{Record: r}, &Changes{}); err != nil {
					return err
				}
				after = r.Key
			}
			more = next
		}
	}
	b.mu.Lock()
	b.slots, b.bySKU, b.rules, b.made = fresh.slots, fresh.bySKU, fresh.rules, nil
	b.marks, b.looks, b.loaded = fresh.marks, fresh.looks, true
	b.mu.Unlock()
	return nil
}

// takeLocked takes one change of a record; an older one than what it knows changes nothing.
func (b *Book) takeLocked(c records.Change, told *Changes) error {
	switch c.Table {
	case records.Slots:
		if known := b.slots[c.Key]; known != nil && known.version > c.Version {
			return nil
		}
		told.Slots = append(told.Slots, c.Key)
		return b.takeSlotLocked(c)
	case records.Rules:
		b.made, told.All = nil, true
		if c.Gone {
			delete(b.rules, c.Key)
			return nil
		}
		rule, err := records.Decode[Rule](c.Record)
		b.rules[c.Key] = rule
		return err
	case records.Cursors:
		b.takeCursorLocked(c, told)
	}
	return nil
}

func (b *Book) takeSlotLocked(c records.Change) error {
	if old := b.slots[c.Key]; old != nil {
		ids := b.bySKU[old.slot.SKU]
		if i, ok := slices.BinarySearch(ids, c.Key); ok {
			ids = slices.Delete(slices.Clone(ids), i, i+1)
		}
		if b.bySKU[old.slot.SKU] = ids; len(ids) == 0 {
			delete(b.bySKU, old.slot.SKU)
		}
		delete(b.slots, c.Key)
	}
	if c.Gone {
		return nil
	}
	slot, err := records.Decode[Slot](c.Record)
	if err != nil {
		return err
	}
	b.slots[c.Key] = &entry{slot: &slot, version: c.Version}
	ids := b.bySKU[slot.SKU]
	i, _ := slices.BinarySearch(ids, c.Key)
	b.bySKU[slot.SKU] = slices.Insert(slices.Clone(ids), i, c.Key)
	return nil
}

func (b *Book) takeCursorLocked(c records.Change, told *Changes) {
	if connection, ok := strings.CutSuffix(c.Key, watermarkFeed); ok {
		delete(b.marks, connection)
		if !c.Gone {
			b.marks[connection] = time.UnixMilli(c.Value)
		}
		told.Connections = append(told.Connections, connection)
		return
	}
	connection, rest, ok := strings.Cut(c.Key, lookFeed)
	if !ok {
		return
	}
	id := connection + "/" + rest
	delete(b.looks, id)
	if !c.Gone {
		b.looks[id] = look{after: time.UnixMilli(c.Value), version: c.Version}
		told.Slots = append(told.Slots, id)
	}
}

// The feeds in the table of cursors that are ours.
const (
	watermarkFeed = "/watermark"
	lookFeed      = "/look/"
)

// Watermark is the moment up to which every sale of a connection is in the ledger; zero while nothing
// is proven.
func (b *Book) Watermark(connection string) time.Time {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.marks[connection]
}

// Watermarks returns all of them by connection.
func (b *Book) Watermarks() map[string]time.Time {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return maps.Clone(b.marks)
}

// Slot returns a slot by its id. What it points to is never changed.
func (b *Book) Slot(id string) (s *Slot, ok bool) {
	s, _ = b.slot(id)
	return s, s != nil
}

func (b *Book) slot(id string) (s *Slot, version uint64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if e := b.slots[id]; e != nil {
		return e.slot, e.version
	}
	return nil, 0
}

// Of lists the slots of a SKU in order of id.
func (b *Book) Of(sku string) []*Slot {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]*Slot, 0, len(b.bySKU[sku]))
	for _, id := range b.bySKU[sku] {
		list = append(list, b.slots[id].slot)
	}
	return list
}

// Slots lists up to limit slots that fit, in order of id after after; empty filters fit all.
func (b *Book) Slots(f Filter, after string, limit int) (list []*Slot, more bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if f.SKU != "" {
		for _, id := range b.bySKU[f.SKU] {
			if s := b.slots[id].slot; id > after && f.fits(s) {
				list = append(list, s)
			}
		}
	} else {
		for id, e := range b.slots {
			if id > after && f.fits(e.slot) {
				list = append(list, e.slot)
			}
		}
		slices.SortFunc(list, func(x, y *Slot) int { return cmp.Compare(x.ID, y.ID) })
	}
	if len(list) > limit {
		return list[:limit], true
	}
	return list, false
}

// Filter picks slots; an empty field fits all.
type Filter struct {
	Channel, SKU, Connection string
	Drifted                  bool // only those with a difference that is, or was, unexplained
}

func (f *Filter) fits(s *Slot) bool {
	return (f.Channel == "" || f.Channel == s.Channel) && (f.SKU == "" || f.SKU == s.SKU) &&
		(f.Connection == "" || f.Connection == s.Connection) && (!f.Drifted || s.Drift != nil)
}

// SKUs lists the SKUs that have slots.
func (b *Book) SKUs() []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.Collect(maps.Keys(b.bySKU))
}

// Rulebook is all rules and stop cords, ready to be asked.
func (b *Book) Rulebook() *Rulebook {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.made == nil {
		all := make([]Rule, 0, len(b.rules))
		for _, r := range b.rules {
			all = append(all, r)
		}
		b.made = NewRulebook(all)
	}
	return b.made
}

func (b *Book) look(id string) (l look, ok bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	l, ok = b.looks[id]
	return l, ok
}
