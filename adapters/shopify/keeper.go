package shopify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/adapters/connections"
	"holdfast/adapters/mapping"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
	"holdfast/engine"
)

// KeeperConfig is what a SlotKeeper works with. All is required but Learn.
type KeeperConfig struct {
	Shops     *Shops
	Documents Documents
	// Learn adds to the rows of items what only the catalogue knows, such as the inventory item of a
	// variant that was mapped without it. nil: rows stay as they are.
	Learn func(ctx context.Context, items []mapping.Item) (changed int, err error)
}

// Documents are the connections; *connections.Registry has them, in memory.
type Documents interface {
	Entries() []connections.Entry
	Changed() <-chan struct{}
}

var _ Documents = (*connections.Registry)(nil)

// SlotKeeper keeps the slots of all shops as the mapping, the catalogue and the connections' documents say,
// from the end of a connection's start until it is removed, also while it is paused. It calls no shop.
//
// It goes by what is true, and not only by what it heard: it looks at all slots of a connection when it
// begins, when the document or the start has changed, and when it has missed something; in between it
// looks at what has changed. It remembers nothing that the next leader must know, and what it writes
// demands all that it was decided by, so two at once do no harm.
type SlotKeeper struct{ cfg KeeperConfig }

// NewSlotKeeper returns a SlotKeeper; Run works. It fails when something that is required is missing.
func NewSlotKeeper(cfg KeeperConfig) (*SlotKeeper, error) {
	if cfg.Shops == nil || cfg.Shops.cfg.Mapping == nil || cfg.Documents == nil {
		return nil, errors.New("shopify: a port of the keeper of slots is missing")
	}
	return &SlotKeeper{cfg: cfg}, nil
}

// heard is what a watch has returned.
type heard struct {
	changes []records.Change
	lost    bool
}

// Run works until ctx ends, or fails as the store's watch does. What of one connection cannot be written
// is tried again, and holds up no other.
func (k *SlotKeeper) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	news, done := make(chan heard), make(chan struct{})
	go func() {
		defer close(done)
		cancel(k.watch(ctx, news))
	}()
	defer func() { cancel(nil); <-done }()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-news: // the first one says that all is to be looked at, which begin does
	}
	l, err := k.begin(ctx)
	if err != nil {
		return err
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		changed := k.cfg.Documents.Changed() // before the look, so that no change falls in between
		wait := l.turn(ctx)
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		case n := <-news:
			l.hear(n)
		case <-timer.C:
		}
	}
}

func (k *SlotKeeper) watch(ctx context.Context, news chan<- heard) error {
	w := k.cfg.Shops.cfg.Store.Watch(records.Mappings, records.Catalogue)
	defer w.Close()
	for {
		changes, lost, err := w.Next(ctx)
		if err != nil {
			return fmt.Errorf("follow what slots are made of: %w", err)
		}
		select {
		case news <- heard{changes, lost}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// keeping is what a keeper knows while it runs. One goroutine uses it.
type keeping struct {
	*SlotKeeper
	of map[string]*kept // by connection, also of those that are removed and have slots left
}

// kept is one connection.
type kept struct {
	id      string
	version uint64    // of the document; 0: it was removed
	started time.Time // of the start that came to its end; zero: none has, and nothing is kept yet
	all     bool      // look at all
	changed map[thing]bool
	wait    map[thing]bool // for a push to end
	after   time.Time      // nothing is tried before
}

// begin looks at all, and first at which connections have slots.
func (k *SlotKeeper) begin(ctx context.Context) (*keeping, error) {
	l := &keeping{SlotKeeper: k, of: map[string]*kept{}}
	for after := ""; ; {
		rows, _, err := k.cfg.Shops.cfg.Store.List(ctx, records.Slots, "", after, 1)
		if err != nil || len(rows) == 0 {
			return l, err
		}
		id, _, _ := strings.Cut(rows[0].Key, "/")
		l.kept(id)
		after = id + "0" // behind all that begin with id and a slash
	}
}

func (l *keeping) kept(id string) *kept {
	c := l.of[id]
	if c == nil {
		c = &kept{id: id, all: true, changed: map[thing]bool{}, wait: map[thing]bool{}}
		l.of[id] = c
	}
	return c
}

// hear notes what is to be looked at.
func (l *keeping) hear(n heard) {
	for _, c := range l.of {
		c.all = c.all || n.lost
		prefix := mapping.Variants(c.id)
		for i := range n.changes {
			if key := n.changes[i].Key; strings.HasPrefix(key, prefix) {
				c.changed[thing{key: key}] = true
			}
		}
	}
}

// turn does what is to be done, and returns for how long nothing will be by itself.
func (l *keeping) turn(ctx context.Context) time.Duration {
	l.documents()
	wait := time.Hour
	for _, c := range l.of {
		if !c.after.IsZero() && l.now().Before(c.after) {
			wait = min(wait, max(c.after.Sub(l.now()), time.Millisecond))
			continue
		}
		if c.version != 0 && c.started.IsZero() {
			continue // its start makes the slots
		}
		if !c.all && len(c.changed)+len(c.wait) == 0 {
			continue
		}
		if err := l.keep(ctx, c); err != nil {
			c.all, c.after = true, l.now().Add(keepAgain)
			if ctx.Err() == nil {
				l.cfg.Shops.cfg.Logger.Warn("slots are not as the mapping says", "connection", c.id,
					"error", err)
			}
		}
		switch {
		case len(c.wait) > 0:
			c.after = l.now().Add(keepAgain)
		case c.version == 0 && !c.all: // nothing of it is left
			delete(l.of, c.id)
		}
		if !c.after.IsZero() {
			wait = min(wait, keepAgain)
		}
	}
	return wait
}

func (l *keeping) now() time.Time { return l.cfg.Shops.cfg.Now() }

// documents takes over what the connections are now. Those that are no shops are nothing to it.
func (l *keeping) documents() {
	there := map[string]bool{}
	for _, e := range l.cfg.Documents.Entries() {
		if there[e.ID] = true; e.Kind != kindName {
			delete(l.of, e.ID)
			continue
		}
		c, started := l.kept(e.ID), time.Time{}
		if e.Progress != nil && e.Progress.Step == connections.StepDone {
			started = e.Progress.StartedAt
		}
		if c.version != e.Version || !c.started.Equal(started) {
			c.version, c.started, c.all = e.Version, started, true
		}
	}
	for id, c := range l.of {
		if !there[id] && c.version != 0 {
			c.version, c.started, c.all = 0, time.Time{}, true
		}
	}
}

// keep makes the slots of a connection those that it should have. It fails with the store's error; what
// was to be looked at still is.
func (l *keeping) keep(ctx context.Context, c *kept) error {
	c.after = time.Time{}
	b := &slotting{all: l.cfg.Shops, id: c.id}
	if c.version != 0 {
		s, err := l.cfg.Shops.shop(c.id)
		if err != nil {
			return err
		}
		b.shop = s
	}
	todo := c.changed
	for t := range c.wait {
		todo[t] = true
	}
	c.changed, c.wait = map[thing]bool{}, map[thing]bool{}
	for range 2 { // what the first look has lost the second one finds
		if c.all {
			if err := l.differs(ctx, b, todo); err != nil {
				return err
			}
			c.all = false
		}
		if err := l.write(ctx, b, c, todo); err != nil {
			return err
		}
		if !c.all {
			return nil
		}
		clear(todo)
	}
	c.all = false
	return nil
}

// write writes the slots of things, a page at a time. When the process dies between two pages, the next
// leader finds what is left.
func (l *keeping) write(ctx context.Context, b *slotting, c *kept, todo map[thing]bool) error {
	list := make([]thing, 0, len(todo))
	for t := range todo {
		list = append(list, t)
	}
	slices.SortFunc(list, func(x, y thing) int { return strings.Compare(x.key, y.key) })
	for page := range slices.Chunk(list, keepPage) {
		if err := l.learn(ctx, page); err != nil {
			return err
		}
		lost := false
		o, err := records.Retry(ctx, l.cfg.Shops.cfg.Store, func(tx *records.Tx) error {
			err := b.write(ctx, tx, page)
			lost = b.lost
			return err
		})
		if err != nil {
			return err
		}
		if o.Refusal != engine.Accepted {
			return fmt.Errorf("the ledger refused what follows: %s", o.Refusal)
		}
		for t := range b.wait {
			c.wait[t] = true
		}
		c.all = c.all || lost
	}
	return nil
}

// learn completes the rows of things that were mapped without their inventory item. What it writes is
// heard, and the thing is then looked at again.
func (l *keeping) learn(ctx context.Context, things []thing) error {
	if l.cfg.Learn == nil {
		return nil
	}
	var items []mapping.Item
	for _, t := range things {
		if t.key == "" {
			continue
		}
		m, err := mappedOf(ctx, l.cfg.Shops.cfg.Store, t.key)
		if err != nil {
			return err
		}
		if m.rowAt != 0 && m.itemAt != 0 && m.row.InventoryItemID == 0 && m.item.InventoryItemID != 0 {
			items = append(items, m.item)
		}
	}
	if len(items) == 0 {
		return nil
	}
	_, err := l.cfg.Learn(ctx, items)
	return err
}

// differs adds to todo what is not as it should be, as far as this node knows the mapping: one walk over the
// slots of the connection, and one over its catalogue.
func (l *keeping) differs(ctx context.Context, b *slotting, todo map[thing]bool) error {
	right := map[int64]int{} // by item: how many slots of it are as the mapping and the document say
	err := l.each(ctx, records.Slots, b.id+"/", func(r records.Record) error {
		slot, err := records.Decode[publish.Slot](r)
		if err != nil {
			return err
		}
		if b.shop != nil && b.all.standsAt(b.shop, &slot) {
			right[slot.Item]++
		} else {
			todo[thing{key: slot.Row, item: slot.Item}] = true
		}
		return nil
	})
	if err != nil || b.shop == nil {
		return err
	}
	err = l.each(ctx, records.Catalogue, mapping.Variants(b.id), func(r records.Record) error {
		item, err := records.Decode[mapping.Item](r)
		if err != nil {
			return err
		}
		row, ok := b.all.cfg.Mapping.ByVariant(b.id, item.VariantID)
		want := 0
		if ok && slotted(&row, &item) {
			want = len(b.shop.locations)
		}
		if right[item.InventoryItemID] != want || ok && row.InventoryItemID == 0 {
			todo[thing{key: r.Key, item: item.InventoryItemID}] = true
		}
		delete(right, item.InventoryItemID)
		return nil
	})
	for item := range right { // what the catalogue has no more
		row, _ := b.all.cfg.Mapping.ByInventoryItem(b.id, item)
		todo[thing{key: row.Key(), item: item}] = true
	}
	return err
}

// each visits all records of a prefix. It fails with visit's error, or the store's.
func (l *keeping) each(ctx context.Context, t records.Table, prefix string,
	visit func(records.Record) error) error {
	for after, more := "", true; more; {
		rows, next, err := l.cfg.Shops.cfg.Store.List(ctx, t, prefix, after, records.MaxList)
		if err != nil {
			return err
		}
		for _, r := range rows {
			after = r.Key
			if err := visit(r); err != nil {
				return err
			}
		}
		more = next
	}
	return nil
}
