package fieldmap

import (
	"context"
	"fmt"
	"regexp"

	"holdfast/adapters/records"
)

// Book keeps maps and tables in the records. It is safe for concurrent use.
type Book struct{ store records.Store }

// NewBook returns a Book on a store.
func NewBook(store records.Store) *Book { return &Book{store} }

// Keep is how many earlier revisions of a map stay readable, so that a document that was made with one
// can be explained.
const Keep = 20

// The keys. No row of the mapping begins with a slash, so that they share its table.
const (
	tablesKey = "/tables"
	mapPrefix = "/fields/"
)

func mapKey(connection, document string) string { return mapPrefix + connection + "/" + document }

func revisionKey(m *Map, revision int) string {
	return fmt.Sprintf("%s@%d", mapKey(m.Connection, m.Document), revision)
}

// Save checks a map and makes it the one that counts. version is that of the map that was read, 0 for
// a new one. It returns the new version, and fails with the faults of Compile, with ErrVersion, and as
// the store does; then nothing has changed.
func (b *Book) Save(ctx context.Context, m Map, version uint64) (uint64, error) {
	tables, tablesVersion, err := b.Tables(ctx)
	if err != nil {
		return 0, err
	}
	if m.Connection == "" || len(m.Connection)+len(m.Document) > maxNamed ||
		!documents.MatchString(m.Document) {
		return 0, &FieldFault{"document", "must be a kind such as erp.order, and connection must be named"}
	}
	if _, err := Compile(m, tables); err != nil {
		return 0, err
	}
	old, was, err := b.Map(ctx, m.Connection, m.Document)
	if err != nil {
		return 0, err
	}
	if was != version {
		return 0, ErrVersion
	}
	m.Revision = old.Revision + 1
	var tx records.Tx
	body := tx.Encode(&m)
	tx.Replace(records.Record{Table: records.Mappings, Key: mapKey(m.Connection, m.Document),
		Body: body}, version)
	tx.Create(records.Record{Table: records.Mappings, Key: revisionKey(&m, m.Revision), Body: body})
	if gone := m.Revision - Keep; gone > 0 {
		tx.Drop(records.Mappings, revisionKey(&m, gone), 0)
	}
	tx.Look(records.Mappings, tablesKey, tablesVersion) // by which it was checked
	return submit(ctx, b.store, &tx)
}

// documents are the kinds of tasks. They have no slash, so that no two maps share a key.
var documents = regexp.MustCompile(`^[a-z][a-z0-9_.]*$`)

// maxNamed keeps a key with its revision below records.MaxKey.
const maxNamed = 200

// Map returns the map that counts and its version; 0 when there is none. It fails as the store does.
func (b *Book) Map(ctx context.Context, connection, document string) (m Map, version uint64, err error) {
	return read[Map](ctx, b.store, mapKey(connection, document))
}

// Revision returns an earlier map; ok is false when it is no longer kept. It fails as the store does.
func (b *Book) Revision(ctx context.Context, connection, document string, revision int) (
	m Map, ok bool, err error) {
	key := revisionKey(&Map{Connection: connection, Document: document}, revision)
	m, version, err := read[Map](ctx, b.store, key)
	return m, version != 0, err
}

// Try runs a map, saved or not, on an order, and writes nothing. It fails as Compile and Run do, and as
// the store does.
func (b *Book) Try(ctx context.Context, m Map, order []byte) (Values, error) {
	tables, _, err := b.Tables(ctx)
	if err != nil {
		return Values{}, err
	}
	p, err := Compile(m, tables)
	if err != nil {
		return Values{}, err
	}
	return p.Run(ctx, order)
}

// Tables returns the tables and their version; 0 when none were saved. It fails as the store does.
func (b *Book) Tables(ctx context.Context) (Tables, uint64, error) {
	return read[Tables](ctx, b.store, tablesKey)
}

// SaveTables replaces the tables, whose version was read. It fails with a *FieldFault, with ErrVersion,
// and as the store does; then nothing has changed.
func (b *Book) SaveTables(ctx context.Context, t Tables, version uint64) (uint64, error) {
	if err := t.Validate(); err != nil {
		return 0, err
	}
	var tx records.Tx
	tx.Replace(records.Record{Table: records.Mappings, Key: tablesKey, Body: tx.Encode(&t)}, version)
	return submit(ctx, b.store, &tx)
}

// ErrVersion says that somebody else has saved in between. Its Code is version-conflict.
var ErrVersion error = versionError{}

type versionError struct{}

func (versionError) Error() string { return "it is no longer of that version" }
func (versionError) Code() string  { return "version-conflict" }

func submit(ctx context.Context, s records.Store, tx *records.Tx) (uint64, error) {
	o, err := s.Submit(ctx, tx)
	if err == nil && o.Conflict {
		err = ErrVersion
	}
	return o.Index, err
}

func read[T any](ctx context.Context, s records.Store, key string) (v T, version uint64, err error) {
	r, ok, err := s.Get(ctx, records.Mappings, key)
	if err != nil || !ok {
		return v, 0, err
	}
	v, err = records.Decode[T](r)
	return v, r.Version, err
}
