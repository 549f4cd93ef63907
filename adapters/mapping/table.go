package mapping

import (
	"context"
	"fmt"

	"holdfast/adapters/records"
)

// Table writes the mapping. It is safe for concurrent use, on any node: what it decided is written
// only if no other row was written since it looked, so M1 and M2 hold across nodes too.
type Table struct {
	store records.Store
	index *Index
}

// NewTable returns a Table that decides by an Index whose Run must be under way.
func NewTable(store records.Store, index *Index) *Table {
	return &Table{store: store, index: index}
}

// Errors of a Table. Each answers Code() string, and nothing was written.
var (
	// ErrVersion says that the table is no longer of the version that the caller expected.
	ErrVersion error = coded{"version-conflict", "the mappings are no longer of that version"}
	// ErrTooMany says that a call has more than MaxRows rows.
	ErrTooMany error = coded{"too-large", fmt.Sprintf("at most %d rows in one call", MaxRows)}
	// ErrNoRow says that there is no such row.
	ErrNoRow error = coded{"unknown-mapping", "there is no such row"}
)

type coded struct{ code, text string }

func (e coded) Error() string { return e.text }

// Code is the stable name of the outcome.
func (e coded) Code() string { return e.code }

// Bounds of writing.
const (
	// MaxRows is the most rows of one call: a large catalogue in one file, some 50 MB while it runs.
	MaxRows = 100_000
	// batchRows and batchBytes bound one Tx, far enough below records.MaxTx for what the encoding adds.
	batchRows  = 2_000
	batchBytes = 600 << 10
	rowFrame   = 64 // bytes around key and body in a Tx
	// planTries is how often a write begins again because another one came between.
	planTries = 16
)

// Line is one row of a request, with its number there and what its decoder found wrong.
type Line struct {
	Number int // in the request, for people
	Row    Row
	Fault  *Fault
}

// Lines numbers rows from 1.
func Lines(rows []Row) []Line {
	lines := make([]Line, len(rows))
	for i, r := range rows {
		lines[i] = Line{Number: i + 1, Row: r}
	}
	return lines
}

// PutOptions are the choices of a Put. The zero value writes.
type PutOptions struct {
	DryRun bool
	// Replace lets a variant, a seller SKU or an item become another SKU of ours. Without it that is a
	// conflict, because it moves stock from one to the other.
	Replace bool
	// Expect is the version that the table must have; nil: any.
	Expect *uint64
}

// Put writes rows, each as its key says. First all are checked: one fault or conflict, and nothing is
// written. Then they are written in batches of at most batchRows, each whole or not at all. The same
// call again changes nothing and finishes what a broken one began.
//
// It fails with ErrTooMany, ErrVersion, records.ErrBusy, ctx's error and those of the store; the Report
// then says which lines were written before. With a store's outcome-unknown the batch behind them may
// have been too.
func (t *Table) Put(ctx context.Context, lines []Line, o PutOptions) (Report, error) {
	rep := newReport(lines, o.DryRun)
	if len(lines) > MaxRows {
		return rep, ErrTooMany
	}
	for range planTries {
		p, err := t.plan(ctx, lines, &rep, o)
		if err != nil || o.DryRun || rep.Bad() {
			return rep, err
		}
		again, err := t.write(ctx, p, &rep)
		if err != nil || !again {
			return rep, err
		}
		if o.Expect != nil {
			return rep, ErrVersion
		}
	}
	return rep, records.ErrBusy
}

// Version returns the version of the table: 0 while no row was ever written. It fails as the store
// does.
func (t *Table) Version(ctx context.Context) (uint64, error) {
	g, _, err := t.store.Get(ctx, records.Mappings, guardKey)
	return g.Version, err
}

// write runs the batches of a plan. again says that another writer came between: what is done is
// noted in the report, and the rest must be planned anew.
func (t *Table) write(ctx context.Context, p *plan, rep *Report) (again bool, err error) {
	version := p.version
	for len(p.writes) > 0 {
		var tx records.Tx
		n := fillTx(&tx, p.writes)
		tx.Replace(records.Record{Table: records.Mappings, Key: guardKey}, version)
		o, err := t.store.Submit(ctx, &tx)
		if err != nil {
			return false, fmt.Errorf("write %d mappings: %w", n, err)
		}
		if o.Conflict {
			return true, nil
		}
		version = o.Index
		rep.Index = o.Index
		for _, w := range p.writes[:n] {
			rep.done[w.line] = true
		}
		p.writes = p.writes[n:]
	}
	// Whoever is answered finds its own rows in the memory of this node.
	return false, t.index.Wait(ctx, version)
}

// fillTx adds as many writes as one Tx takes, and at least one.
func fillTx(tx *records.Tx, writes []rowWrite) (n int) {
	size := 0
	for n < len(writes) && n < batchRows {
		w := &writes[n]
		var body []byte
		if !w.drop {
			body = tx.Encode(&w.row)
		}
		size += len(w.key) + len(body) + rowFrame
		if n > 0 && size > batchBytes {
			break
		}
		if w.drop {
			tx.Drop(records.Mappings, w.key, w.old)
		} else {
			tx.Replace(records.Record{Table: records.Mappings, Key: w.key, Body: body}, w.old)
		}
		n++
	}
	return n
}

// Delete removes the row of a Ref. The order lines that were made with it keep their SKU. It fails with
// ErrNoRow, ErrVersion, records.ErrBusy, ctx's error and those of the store.
func (t *Table) Delete(ctx context.Context, ref Ref, expect *uint64) (index uint64, err error) {
	key := ref.Key()
	for range planTries {
		version, err := t.at(ctx, expect)
		if err != nil {
			return 0, err
		}
		old, ok, err := t.store.Get(ctx, records.Mappings, key)
		if err != nil {
			return 0, err
		}
		if !ok {
			return 0, ErrNoRow
		}
		p := &plan{version: version, writes: []rowWrite{{key: key, old: old.Version, drop: true}}}
		rep := newReport(make([]Line, 1), false)
		again, err := t.write(ctx, p, &rep)
		if err != nil || !again {
			return rep.Index, err
		}
	}
	return 0, records.ErrBusy
}

// at returns the version of the table once the index has it.
func (t *Table) at(ctx context.Context, expect *uint64) (uint64, error) {
	version, err := t.Version(ctx)
	if err != nil {
		return 0, err
	}
	if expect != nil && *expect != version {
		return 0, ErrVersion
	}
	return version, t.index.Wait(ctx, version)
}

// Find looks up what a Ref is, and asks the records before it says that it is nothing: the index may
// be behind. It fails as the store does.
func (t *Table) Find(ctx context.Context, f Ref) (Row, bool, error) {
	if row, ok := t.index.Find(f); ok {
		return row, true, nil
	}
	for _, key := range f.keys() {
		r, ok, err := t.store.Get(ctx, records.Mappings, key)
		if err != nil {
			return Row{}, false, err
		}
		if ok {
			row, err := records.Decode[Row](r)
			return row, err == nil, err
		}
	}
	return Row{}, false, nil
}

// keys are those of the rows that answer for a Ref, the best first.
func (f Ref) keys() []string {
	own := []string{f.Key()}
	if f.Side == Seller && f.Marketplace != "" {
		own = append(own, SellerRef(f.Connection, "", f.ID).Key())
	}
	return own
}

// Query says which rows a List shows; an empty field is any.
type Query struct {
	SKU, Connection, Marketplace string
	After                        string // Next of an earlier page
	Limit                        int    // 1 to records.MaxList
}

// Page is a part of the rows in the order of their keys.
type Page struct {
	Rows    []Row
	Next    string // empty at the end
	Version uint64 // of the table, at least
}

// listWork is how many records one List looks at for its rows, so that a filter that fits few rows
// of many ends: a page may be short, or empty, and still have a Next.
const listWork = 20_000

// List shows rows. It fails as the store does.
func (t *Table) List(ctx context.Context, q Query) (Page, error) {
	var p Page
	var err error
	if p.Version, err = t.Version(ctx); err != nil {
		return p, err
	}
	if q.SKU != "" {
		if err = t.index.Wait(ctx, p.Version); err != nil {
			return p, err
		}
		t.listSKU(q, &p)
		return p, nil
	}
	prefix := ""
	if q.Connection != "" {
		prefix = prefixOf(q.Connection)
	}
	for after, work := q.After, 0; ; {
		rows, more, err := t.store.List(ctx, records.Mappings, prefix, after, records.MaxList)
		if err != nil {
			return p, err
		}
		work += len(rows)
		for _, r := range rows {
			after = r.Key
			row, err := records.Decode[Row](r)
			if !isRow(r.Key) || err == nil && !q.Takes(&row) {
				continue
			}
			if err != nil {
				return p, err
			}
			if len(p.Rows) == q.Limit {
				return p, nil
			}
			p.Rows, p.Next = append(p.Rows, row), r.Key
		}
		if !more {
			p.Next = ""
			return p, nil
		}
		if work >= listWork {
			p.Next = after
			return p, nil
		}
	}
}

// listSKU takes the rows of one SKU from memory: they are few.
func (t *Table) listSKU(q Query, p *Page) {
	for _, row := range t.index.Of(q.SKU) {
		if key := row.Key(); key > q.After && q.Takes(&row) {
			if len(p.Rows) == q.Limit {
				return
			}
			p.Rows, p.Next = append(p.Rows, row), key
		}
	}
	p.Next = ""
}

// Takes reports whether a row is one that the query is about.
func (q *Query) Takes(r *Row) bool {
	return (q.SKU == "" || q.SKU == r.SKU) && (q.Connection == "" || q.Connection == r.Connection) &&
		(q.Marketplace == "" || q.Marketplace == r.Marketplace)
}

// Each visits all rows in the order of their keys. It fails with visit's error or as the store does.
func (t *Table) Each(ctx context.Context, visit func(Row) error) error {
	for after, more := "", true; more; {
		var page []records.Record
		var err error
		page, more, err = t.store.List(ctx, records.Mappings, "", after, records.MaxList)
		if err != nil {
			return err
		}
		for _, r := range page {
			after = r.Key
			if !isRow(r.Key) {
				continue
			}
			row, err := records.Decode[Row](r)
			if err == nil {
				err = visit(row)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// RefOf makes a Ref of the fields by which a row is named. It fails with a *Fault.
func RefOf(r Row) (Ref, error) {
	named := r
	named.SKU = "any" //: only what is outside counts
	if f := named.fault(); f != nil {
		return Ref{}, f
	}
	return r.Ref(), nil
}
