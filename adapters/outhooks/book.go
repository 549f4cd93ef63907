package outhooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/records"
	"holdfast/engine"
)

// Book keeps the endpoints in the records, and what they say in memory, where Run keeps it fresh. It is
// safe for concurrent use.
type Book struct {
	store records.Store
	now   func() time.Time
	held  struct {
		sync.RWMutex
		all []*Entry // by id; never changed, only replaced
	}
	loaded chan struct{}
	once   sync.Once
}

// The keys of the table Deliveries.
const (
	documentPrefix = "endpoint/"
	standingPrefix = "standing/"
)

// NewBook makes a Book; until Run has read the records it has no endpoints.
func NewBook(store records.Store, now func() time.Time) *Book {
	return &Book{store: store, now: now, loaded: make(chan struct{})}
}

// Run follows the records until ctx ends. Its error is ctx's, or that of the store: then what is in
// memory stays as it is, and grows old.
func (b *Book) Run(ctx context.Context) error {
	watch := b.store.Watch(records.Deliveries)
	defer watch.Close() // made before the first read, so that nothing falls in between
	for {
		// There are few endpoints, and they change seldom: all are read at every change.
		all, err := b.read(ctx)
		if err != nil {
			return err
		}
		b.held.Lock()
		b.held.all = all
		b.held.Unlock()
		b.once.Do(func() { close(b.loaded) })
		if _, _, err := watch.Next(ctx); err != nil {
			return err
		}
	}
}

// Loaded returns a channel that is closed once Run has read all for the first time.
func (b *Book) Loaded() <-chan struct{} { return b.loaded }

func (b *Book) read(ctx context.Context) ([]*Entry, error) {
	byID := make(map[string]*Entry)
	for after, more := "", true; more; {
		var rows []records.Record
		var err error
		rows, more, err = b.store.List(ctx, records.Deliveries, "", after, records.MaxList)
		if err != nil {
			return nil, fmt.Errorf("read the webhooks: %w", err)
		}
		for _, row := range rows {
			after = row.Key
			if id, ok := strings.CutPrefix(row.Key, documentPrefix); ok {
				doc, err := records.Decode[Endpoint](row)
				if err != nil {
					return nil, err
				}
				byID[id] = &Entry{Endpoint: doc, Version: row.Version}
			} else if id, ok := strings.CutPrefix(row.Key, standingPrefix); ok && byID[id] != nil {
				// "standing/" comes after "endpoint/", so the document is there.
				if byID[id].Standing, err = records.Decode[Standing](row); err != nil {
					return nil, err
				}
			}
		}
	}
	return slices.SortedFunc(maps.Values(byID), func(a, b *Entry) int {
		return cmp.Compare(a.ID, b.ID)
	}), nil
}

// entries are all endpoints from memory. They must not be changed.
func (b *Book) entries() []*Entry {
	b.held.RLock()
	defer b.held.RUnlock()
	return b.held.all
}

// entry is an endpoint from memory, or nil.
func (b *Book) entry(id string) *Entry {
	for _, e := range b.entries() {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// Error is a no to whoever asked. It is understood by its Code, and names the field At.
type Error struct{ code, at, detail string }

// Error returns the detail.
func (e *Error) Error() string { return e.detail }

// Code is the stable name: "unknown-webhook", "wrong-state", "invalid".
func (e *Error) Code() string { return e.code }

// At is the member of the body that is to blame, or "".
func (e *Error) At() string { return e.at }

func unknown(id string) error {
	return &Error{code: "unknown-webhook", detail: "there is no webhook " + id}
}

// Save puts a document in the place of the one of its id. It also enables an endpoint that was disabled:
// whoever saves it has looked. It fails with *engine.FieldError, joined, for a document that is not
// valid, or with the store's error.
func (b *Book) Save(ctx context.Context, doc Endpoint) (Entry, error) {
	silent := doc.Mode == ""
	if silent {
		doc.Mode = On
	}
	if err := doc.Validate(); err != nil {
		return Entry{}, err
	}
	var saved Entry
	o, err := records.Retry(ctx, b.store, func(tx *records.Tx) error {
		old, err := b.Read(ctx, doc.ID)
		var none *Error
		switch {
		case errors.As(err, &none):
			if err := b.full(ctx); err != nil {
				return err
			}
		case err != nil:
			return err
		case silent: // nobody starts a paused one by leaving out a word
			doc.Mode = old.Mode
		}
		tx.Replace(records.Record{Table: records.Deliveries, Key: documentPrefix + doc.ID,
			Body: tx.Encode(doc)}, old.Version)
		saved = Entry{Endpoint: doc, Standing: old.Standing}
		if !old.Standing.DisabledAt.IsZero() {
			s := &saved.Standing
			s.DisabledAt, s.Why, s.FailingSince = time.Time{}, "", time.Time{}
			tx.Put(records.Record{Table: records.Deliveries, Key: standingPrefix + doc.ID,
				Body: tx.Encode(s)})
		}
		return exceptions.Clear(ctx, b.store, tx, disabledTrace(doc.ID), b.now())
	})
	if err != nil {
		return Entry{}, fmt.Errorf("save webhook %s: %w", doc.ID, err)
	}
	saved.Version = o.Index
	return saved, nil
}

func (b *Book) full(ctx context.Context) error {
	rows, _, err := b.store.List(ctx, records.Deliveries, documentPrefix, "", maxEndpoints)
	if err == nil && len(rows) >= maxEndpoints {
		return &engine.FieldError{Field: "id",
			Reason: fmt.Sprintf("would be one more than %d webhooks", maxEndpoints)}
	}
	return err
}

// Delete removes an endpoint. What is queued for it is dropped when it is due. It fails with the Code
// unknown-webhook, or with the store's error.
func (b *Book) Delete(ctx context.Context, id string) (index uint64, err error) {
	o, err := records.Retry(ctx, b.store, func(tx *records.Tx) error {
		old, err := b.Read(ctx, id)
		if err != nil {
			return err
		}
		tx.Drop(records.Deliveries, documentPrefix+id, old.Version)
		tx.Drop(records.Deliveries, standingPrefix+id, 0)
		for _, trace := range []string{disabledTrace(id), fullTrace(id)} {
			if err := exceptions.Clear(ctx, b.store, tx, trace, b.now()); err != nil {
				return err
			}
		}
		return nil
	})
	return o.Index, err
}

// Read reads one endpoint from the records. It fails with the Code unknown-webhook, or with the store's
// error.
func (b *Book) Read(ctx context.Context, id string) (Entry, error) {
	row, ok, err := b.store.Get(ctx, records.Deliveries, documentPrefix+id)
	if err != nil {
		return Entry{}, fmt.Errorf("read webhook %s: %w", id, err)
	}
	if !ok {
		return Entry{}, unknown(id)
	}
	e := Entry{Version: row.Version}
	if e.Endpoint, err = records.Decode[Endpoint](row); err != nil {
		return e, err
	}
	row, ok, err = b.store.Get(ctx, records.Deliveries, standingPrefix+id)
	if err == nil && ok {
		e.Standing, err = records.Decode[Standing](row)
	}
	return e, err
}

// List reads all endpoints from the records, in the order of their ids. It fails with the store's error.
func (b *Book) List(ctx context.Context) ([]Entry, error) {
	all, err := b.read(ctx)
	list := make([]Entry, len(all))
	for i, e := range all {
		list[i] = *e
	}
	return list, err
}

// What an exception of an endpoint is called by.
func disabledTrace(id string) string { return "webhook:" + id + ":disabled" }
func fullTrace(id string) string     { return "webhook:" + id + ":full" }
