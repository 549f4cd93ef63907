package routing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// key is that of the one record that the list is.
const key = "rules"

// ConflictError says that the list is no longer the one that the writer had read; nothing was
// saved.
type ConflictError struct{ Version uint64 }

// Error names the version that stands.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("the rules were changed meanwhile; their version is %d now", e.Version)
}

// Code returns the wire name of the conflict.
func (e *ConflictError) Code() string { return "version-conflict" }

// Book keeps the list in the records, and a copy in memory that Run keeps fresh. It is safe for
// concurrent use.
type Book struct {
	store records.Store
	held  struct {
		sync.RWMutex
		list    List
		version uint64
	}
	loaded chan struct{} // closed once the list was read
	once   sync.Once
}

// NewBook makes a Book; until Run has read the records its list in memory is empty.
func NewBook(store records.Store) *Book {
	return &Book{store: store, loaded: make(chan struct{})}
}

// Loaded returns a channel that is closed once Run has read the list for the first time.
func (b *Book) Loaded() <-chan struct{} { return b.loaded }

// Run follows the records until ctx ends. Its error is ctx's, or that of the store: then the copy
// in memory stays as it is, and grows old.
func (b *Book) Run(ctx context.Context) error {
	watch := b.store.Watch(records.Routing)
	defer watch.Close()
	for {
		// Any change, and any loss, is answered by reading the one record again.
		if _, _, err := b.Read(ctx); err != nil {
			return err
		}
		b.once.Do(func() { close(b.loaded) })
		if _, _, err := watch.Next(ctx); err != nil {
			return err
		}
	}
}

// Rules returns the list in memory and its version, 0 while none was ever saved. It never blocks.
func (b *Book) Rules() (List, uint64) {
	b.held.RLock()
	defer b.held.RUnlock()
	return b.held.list, b.held.version
}

// Decide decides by the list in memory and, where one of its rules asks for them, by the stock and
// the tags of the SKUs as they are now. It fails with the store's error; without such a rule it
// never does, and never blocks.
func (b *Book) Decide(ctx context.Context, o Order) (Decision, error) {
	list, version := b.Rules()
	d, _, err := b.decide(ctx, list, o)
	d.Version = version
	return d, err
}

func (b *Book) decide(ctx context.Context, list List, o Order) (Decision, uint64, error) {
	if !list.asksLedger() {
		return Decide(list, o, nil), 0, nil
	}
	stock, index, err := readShelf(ctx, b.store, o.Lines)
	if err != nil {
		return Decision{}, 0, err
	}
	o.Lines = slices.Clone(o.Lines)
	for i := range o.Lines {
		if l := &o.Lines[i]; len(l.Tags) == 0 {
			l.Tags = stock.tags(l.SKU)
		}
	}
	return Decide(list, o, stock), index, nil
}

// Read reads the list from the records. It fails with the store's error, or with the fault of a
// body that is no list.
func (b *Book) Read(ctx context.Context) (List, uint64, error) {
	r, ok, err := b.store.Get(ctx, records.Routing, key)
	if err != nil {
		return List{}, 0, fmt.Errorf("read the routing rules: %w", err)
	}
	list := List{Rules: []Rule{}}
	if ok {
		if list, err = records.Decode[List](r); err != nil {
			return List{}, 0, err
		}
	}
	b.hold(list, r.Version)
	return list, r.Version, nil
}

// hold keeps the newest list; reads may overtake each other.
func (b *Book) hold(list List, version uint64) {
	b.held.Lock()
	defer b.held.Unlock()
	if version >= b.held.version {
		b.held.list, b.held.version = list, version
	}
}

// Save puts a whole list in the place of the one that has the version old, and returns the new
// version; old 0: there was none. It fails with *engine.FieldError, joined, when the list is not
// valid or names what the ledger does not know; with *ConflictError; or with the store's error,
// which says by its Code whether it may have happened.
func (b *Book) Save(ctx context.Context, list List, old uint64) (uint64, error) {
	if err := list.Validate(); err != nil {
		return 0, err
	}
	var unknown error
	at := 0 // a rule a step: one has at most some hundred names
	if _, err := b.store.Ledger(ctx, func(l *engine.Ledger) bool {
		if at < len(list.Rules) {
			unknown = errors.Join(unknown, list.check(at, ledgerNames{l}))
			at++
		}
		return at < len(list.Rules)
	}); err != nil {
		return 0, fmt.Errorf("check the routing rules: %w", err)
	}
	if unknown != nil {
		return 0, unknown
	}
	body, err := json.Marshal(list)
	if err != nil {
		return 0, fmt.Errorf("encode the routing rules: %w", err)
	}
	if len(body) > records.MaxBody {
		return 0, &engine.FieldError{Field: "rules",
			Reason: fmt.Sprintf("are %d bytes together; at most %d", len(body), records.MaxBody)}
	}
	var tx records.Tx
	tx.Replace(records.Record{Table: records.Routing, Key: key, Body: body}, old)
	out, err := b.store.Submit(ctx, &tx)
	switch {
	case err != nil:
		return 0, fmt.Errorf("save the routing rules: %w", err)
	case out.Conflict:
		_, now, err := b.Read(ctx)
		if err != nil {
			return 0, err
		}
		return 0, &ConflictError{Version: now}
	}
	b.hold(list, out.Index)
	return out.Index, nil
}

// UnknownChannelError says that the ledger has no channel of a name: nothing would ever be sold there.
type UnknownChannelError struct{ Channel string }

// Error names the channel.
func (e *UnknownChannelError) Error() string { return "there is no channel " + e.Channel }

// Code returns the wire name.
func (e *UnknownChannelError) Code() string { return engine.UnknownChannel.String() }

// At names the member of the order.
func (e *UnknownChannelError) At() string { return "channel" }

// Try decides a hypothetical order by the list and the stock as they are now; index is that of the
// stock, 0 where no rule asked for it. It fails with *UnknownChannelError, because no rule would say
// anything of such an order, or with the store's error.
func (b *Book) Try(ctx context.Context, o Order) (d Decision, index uint64, err error) {
	if known := o.Channel == ""; !known {
		if _, err := b.store.Ledger(ctx, func(l *engine.Ledger) bool {
			_, known = l.Channel(o.Channel)
			return false
		}); err != nil {
			return Decision{}, 0, err
		}
		if !known {
			return Decision{}, 0, &UnknownChannelError{o.Channel}
		}
	}
	list, version, err := b.Read(ctx)
	if err != nil {
		return Decision{}, 0, err
	}
	d, index, err = b.decide(ctx, list, o)
	d.Version = version
	return d, index, err
}
