package apikeys

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// countKey is the key of the record that counts the live keys. Every change of a key writes it, so that
// of two changes at once one sees the other: there is always an admin's key. Its being there says that a
// key was made at some time.
const countKey = "!count"

// count is that record.
type count struct {
	Live   int `json:"live"`
	Admins int `json:"admins"`
}

// shownFor is how long a revoked key stays in the list.
const shownFor = 90 * 24 * time.Hour

// Desk makes, lists and revokes keys. It is safe for concurrent use.
type Desk struct {
	store records.Store
	index *Index
	now   func() time.Time
}

// NewDesk makes a Desk. Index is the one of this node.
func NewDesk(store records.Store, index *Index, now func() time.Time) *Desk {
	return &Desk{store: store, index: index, now: now}
}

// Ask is what a new key shall be.
type Ask struct {
	Name      string
	Role      Role
	PerSecond int64  // 0 is no limit
	By        string // principal
	// Key makes the same call happen once; the token cannot be shown a second time, so the second call
	// is refused. The zero Key: each call makes a key.
	Key engine.Key
}

// Create makes a key and returns it with its token, which is kept nowhere. This node takes it at once,
// others with the entry that made it. It fails with *engine.FieldError, joined; with the Codes
// "limit-reached" and "idempotency-conflict"; or as the store does. With "outcome-unknown" there may be
// a key whose token nobody has: it stands in the list, and can be revoked.
func (d *Desk) Create(ctx context.Context, a Ask) (Key, Token, error) {
	if err := a.validate(); err != nil {
		return Key{}, "", err
	}
	id, token, digest := newToken()
	doc := document{Name: a.Name, Role: a.Role.String(), PerSecond: a.PerSecond, Digest: digest[:],
		CreatedAt: d.now().UTC().Truncate(time.Millisecond), CreatedBy: a.By}
	o, err := records.Retry(ctx, d.store, func(tx *records.Tx) error {
		tx.Key = a.Key
		n, version, err := d.count(ctx)
		switch {
		case err != nil:
			return err
		case n.Admins == 0 && a.Role != Admin:
			return &engine.FieldError{Field: "role", Reason: "must be admin while there is no other " +
				"key of an admin: nobody could make or revoke a key any more"}
		case n.Live >= MaxKeys:
			return &Error{"limit-reached", fmt.Sprintf("there are %d live keys, which is the most", n.Live)}
		}
		n.Live++
		n.Admins += admins(a.Role)
		tx.Create(records.Record{Table: records.APIKeys, Key: id, Body: tx.Encode(doc)})
		tx.Replace(records.Record{Table: records.APIKeys, Key: countKey, Body: tx.Encode(n)}, version)
		return nil
	})
	if err := outcome(o, err); err != nil {
		return Key{}, "", err
	}
	if o.Replayed {
		return Key{}, "", &Error{"idempotency-conflict", "the key was made by an earlier call, which alone " +
			"could show it; revoke that one and make another"}
	}
	k, err := doc.key(id, o.Index)
	if err != nil {
		return Key{}, "", err
	}
	// Whoever has the token may use it here at once. When the wait is cut off the key stands all the same.
	_ = d.index.wait(ctx, func(v *view) bool { return v.callers[id] != nil })
	return k, token, nil
}

func (a *Ask) validate() error {
	bad := func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }
	switch {
	case a.Name == "" || len(a.Name) > MaxName || strings.ContainsFunc(a.Name, bad):
		return &engine.FieldError{Field: "name",
			Reason: fmt.Sprintf("must be 1 to %d bytes of text without control characters", MaxName)}
	case a.Role < Read || a.Role > Admin:
		return &engine.FieldError{Field: "role", Reason: "must be one of read, write, admin"}
	case a.PerSecond < 0 || a.PerSecond > MaxPerSecond:
		return &engine.FieldError{Field: "per_second",
			Reason: fmt.Sprintf("must be 0 to %d", MaxPerSecond)}
	}
	return nil
}

func admins(r Role) int {
	if r == Admin {
		return 1
	}
	return 0
}

// count reads the count and its version; 0: no key was ever made.
func (d *Desk) count(ctx context.Context) (n count, version uint64, err error) {
	r, ok, err := d.store.Get(ctx, records.APIKeys, countKey)
	if err != nil || !ok {
		return n, 0, err
	}
	n, err = records.Decode[count](r)
	return n, r.Version, err
}

// outcome is the error of a Tx that did not happen as it was asked.
func outcome(o records.Outcome, err error) error {
	switch {
	case err != nil:
		return err
	case o.Refusal == engine.IdempotencyConflict:
		return &Error{o.Refusal.String(), "the Idempotency-Key was used for another call"}
	case o.Refusal != engine.Accepted:
		return &Error{o.Refusal.String(), "the key was refused by the store"}
	}
	return nil
}

// Revoke ends a key: this node refuses it when Revoke returns, others once they have the entry. A key
// that is revoked already is returned as it is. The last live key of an admin cannot be revoked. It
// fails with the Codes "unknown-key" and "last-admin-key", or as the store does.
func (d *Desk) Revoke(ctx context.Context, id, by string) (Key, error) {
	var doc document
	var version uint64
	o, err := records.Retry(ctx, d.store, func(tx *records.Tx) error {
		r, err := d.read(ctx, id)
		if err != nil {
			return err
		}
		if doc, err = records.Decode[document](r); err != nil {
			return err
		}
		if version = r.Version; doc.RevokedAt != nil {
			return nil
		}
		k, err := doc.key(id, version)
		if err != nil {
			return err
		}
		n, counted, err := d.count(ctx)
		if err != nil {
			return err
		}
		n.Live--
		if n.Admins -= admins(k.Role); n.Admins == 0 {
			return &Error{"last-admin-key", "it is the only live key of an admin; make another one first"}
		}
		at := d.now().UTC().Truncate(time.Millisecond)
		doc.RevokedAt, doc.RevokedBy = &at, by
		tx.Replace(records.Record{Table: records.APIKeys, Key: id, Body: tx.Encode(doc),
			Expires: at.Add(shownFor)}, version)
		tx.Replace(records.Record{Table: records.APIKeys, Key: countKey, Body: tx.Encode(n)}, counted)
		return nil
	})
	if err := outcome(o, err); err != nil {
		return Key{}, err
	}
	version = max(version, o.Index)
	_ = d.index.wait(ctx, func(v *view) bool { return v.callers[id] == nil })
	return doc.key(id, version)
}

func (d *Desk) read(ctx context.Context, id string) (records.Record, error) {
	if !isID(id) {
		return records.Record{}, unknown(id)
	}
	r, ok, err := d.store.Get(ctx, records.APIKeys, id)
	if err == nil && !ok {
		err = unknown(id)
	}
	return r, err
}

func unknown(id string) error { return &Error{"unknown-key", "there is no API key " + id} }

// Get returns a key, also one that was revoked in the last 90 days. It fails with the Code
// "unknown-key", or as the store does.
func (d *Desk) Get(ctx context.Context, id string) (Key, error) {
	r, err := d.read(ctx, id)
	if err != nil {
		return Key{}, err
	}
	return keyOf(r)
}

// List returns up to limit keys behind after, in the order of their ids; more says that there are
// others. It fails as the store does.
func (d *Desk) List(ctx context.Context, after string, limit int) (keys []Key, more bool, err error) {
	after = max(after, countKey) // which is before all ids, and no key
	rows, more, err := d.store.List(ctx, records.APIKeys, "", after, limit)
	if err != nil {
		return nil, false, fmt.Errorf("list the API keys: %w", err)
	}
	for _, r := range rows {
		k, err := keyOf(r)
		if err != nil {
			return nil, false, err
		}
		keys = append(keys, k)
	}
	return keys, more, nil
}

func keyOf(r records.Record) (Key, error) {
	d, err := records.Decode[document](r)
	if err != nil {
		return Key{}, err
	}
	return d.key(r.Key, r.Version)
}

// Error is why something was not done. It is understood by its Code.
type Error struct{ code, detail string }

// Error says it for a person.
func (e *Error) Error() string { return e.detail }

// Code returns the wire name.
func (e *Error) Code() string { return e.code }
