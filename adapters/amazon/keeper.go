package amazon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/adapters/connections"
	"holdfast/adapters/mapping"
	"holdfast/adapters/records"
	"holdfast/engine"
)

// Documents are the connections; *connections.Registry has them, in memory.
type Documents interface {
	Entries() []connections.Entry
	Changed() <-chan struct{}
}

var _ Documents = (*connections.Registry)(nil)

// SlotKeeper keeps the slots of all sellers as the mapping and the connections' documents say, from the
// time that a connection is there until it is removed, also while it is paused. It calls nobody.
//
// It looks at all of a connection when it begins, when the document has changed, and when it has missed
// something; in between at what has changed. It remembers nothing that the next leader must know, and
// what it writes demands all that it was decided by, so two at once do no harm.
type SlotKeeper struct {
	sellers   *Sellers
	documents Documents
}

// NewSlotKeeper returns a SlotKeeper; Run works. It fails when something that is required is missing.
func NewSlotKeeper(sellers *Sellers, documents Documents) (*SlotKeeper, error) {
	if sellers == nil || sellers.cfg.Mapping == nil || documents == nil {
		return nil, errors.New("amazon: a port of the keeper of slots is missing")
	}
	return &SlotKeeper{sellers, documents}, nil
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
	news, done := make(chan heard), make(chan struct{})
	go func() {
		defer close(done)
		cancel(k.watch(ctx, news))
	}()
	defer func() { cancel(nil); <-done }()
	l := &keeping{SlotKeeper: k, of: map[string]*kept{}}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-news: // the first one says that all is to be looked at, which begin does
	}
	if err := l.begin(ctx); err != nil {
		return err
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		changed := k.documents.Changed() // before the look, so that no change falls in between
		timer.Reset(l.turn(ctx))
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
	w := k.sellers.cfg.Store.Watch(records.Mappings)
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
	version uint64 // of the document; 0: it was removed
	all     bool   // look at all
	parts   map[string]bool
	after   time.Time // nothing is tried before
}

// begin finds the slots of connections that are no more.
func (l *keeping) begin(ctx context.Context) error {
	kinds := map[string]string{}
	for _, e := range l.documents.Entries() {
		kinds[e.ID] = e.Kind
	}
	for after := ""; ; {
		rows, _, err := l.sellers.cfg.Store.List(ctx, records.Slots, "", after, 1)
		if err != nil || len(rows) == 0 {
			return err
		}
		id, part, _ := strings.Cut(rows[0].Key, "/")
		if _, there := kinds[id]; !there && !strings.Contains(part, "/") {
			l.kept(id)
		}
		after = id + "0" // behind all that begin with id and a slash
	}
}

func (l *keeping) kept(id string) *kept {
	c := l.of[id]
	if c == nil {
		c = &kept{id: id, all: true, parts: map[string]bool{}}
		l.of[id] = c
	}
	return c
}

// hear notes what is to be looked at.
func (l *keeping) hear(n heard) {
	for _, c := range l.of {
		c.all = c.all || n.lost
		for i := range n.changes {
			if rest, ok := strings.CutPrefix(n.changes[i].Key, mapping.Listings(c.id)); ok {
				part, _, _ := strings.Cut(rest, "/")
				c.parts[part] = true
			}
		}
	}
}

// turn does what is to be done, and returns for how long nothing will be by itself.
func (l *keeping) turn(ctx context.Context) time.Duration {
	l.follow()
	wait, now := time.Hour, l.sellers.cfg.Now()
	for id, c := range l.of {
		if c.after.After(now) {
			wait = min(wait, max(c.after.Sub(now), time.Millisecond))
			continue
		}
		if !c.all && len(c.parts) == 0 {
			continue
		}
		if err := l.keep(ctx, c); err != nil {
			c.all, c.after = true, now.Add(keepAgain)
			if ctx.Err() == nil {
				l.sellers.cfg.Logger.Warn("slots are not as the mapping says", "connection", id, "error", err)
			}
		}
		switch {
		case c.all || len(c.parts) > 0:
			c.after = now.Add(keepAgain)
			wait = min(wait, keepAgain)
		case c.version == 0:
			delete(l.of, id) // nothing of it is left
		}
	}
	return wait
}

// follow takes over what the connections are now.
func (l *keeping) follow() {
	there := map[string]bool{}
	for _, e := range l.documents.Entries() {
		if there[e.ID] = true; e.Kind != kindName {
			delete(l.of, e.ID)
			continue
		}
		if c := l.kept(e.ID); c.version != e.Version {
			c.version, c.all = e.Version, true
		}
	}
	for id, c := range l.of {
		if !there[id] && c.version != 0 {
			c.version, c.all = 0, true
		}
	}
}

// keep makes the slots of a connection those that it should have. What cannot be yet stays to be looked
// at. It fails with the store's error. When the process dies between two pages, the next leader finds
// what is left.
func (l *keeping) keep(ctx context.Context, c *kept) error {
	b := &slotting{all: l.sellers, id: c.id}
	if c.version != 0 {
		at, err := l.sellers.seller(c.id)
		if err != nil {
			return err
		}
		b.at = at
	}
	parts := c.parts
	if c.all {
		if err := l.everything(ctx, c.id, parts); err != nil {
			return err
		}
	}
	c.all, c.parts, c.after = false, map[string]bool{}, time.Time{}
	for page := range slices.Chunk(slices.Sorted(maps.Keys(parts)), keepPage) {
		o, err := records.Retry(ctx, l.sellers.cfg.Store, func(tx *records.Tx) error {
			return b.write(ctx, tx, page)
		})
		if err != nil {
			return err
		}
		if o.Refusal != engine.Accepted {
			return fmt.Errorf("the ledger refused what follows: %s", o.Refusal)
		}
		maps.Copy(c.parts, b.wait)
	}
	return nil
}

// everything adds all seller SKUs of a connection that are mapped, or have a slot.
func (l *keeping) everything(ctx context.Context, id string, parts map[string]bool) error {
	for table, prefix := range map[records.Table]string{records.Slots: id + "/",
		records.Mappings: mapping.Listings(id)} {
		for after, more := "", true; more; {
			rows, next, err := l.sellers.cfg.Store.List(ctx, table, prefix, after, records.MaxList)
			if err != nil {
				return err
			}
			for _, r := range rows {
				after = r.Key
				part, _, _ := strings.Cut(strings.TrimPrefix(r.Key, prefix), "/")
				parts[part] = true
			}
			more = next
		}
	}
	return nil
}
