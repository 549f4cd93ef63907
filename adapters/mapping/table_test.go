package mapping

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// world is a store with an index that follows it.
type world struct {
	t     testing.TB
	store *recordstest.Store
	index *Index
	table *Table
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, store: recordstest.New(recordstest.Options{})}
	w.index, w.table = w.node()
	return w
}

// node is another node's view of the same store.
func (w *world) node() (*Index, *Table) {
	x := NewIndex(w.store, nil)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- x.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		require.ErrorIs(w.t, <-ended, context.Canceled)
	})
	return x, NewTable(w.store, x)
}

func (w *world) put(o PutOptions, rows ...Row) Report {
	w.t.Helper()
	rep, err := w.table.Put(deadline(w.t), Lines(rows), o)
	require.NoError(w.t, err)
	return rep
}

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func variant(sku string, id int64) Row {
	return Row{SKU: sku, Connection: "shop", VariantID: id, InventoryItemID: id + 1000}
}

func seller(sku, id, market string) Row {
	return Row{SKU: sku, Connection: "amz", SellerSKU: id, Marketplace: market}
}

func erpItem(sku, id string) Row { return Row{SKU: sku, Connection: "ns", ItemID: id} }

func TestPutJudgesEachLine(t *testing.T) {
	t.Parallel()
	base := []Row{variant("A", 1), variant("B", 2), seller("A", "a-fbm", "US"), erpItem("A", "10")}
	with := func(r Row, change func(*Row)) Row {
		change(&r)
		return r
	}
	for name, c := range map[string]struct {
		rows    []Row
		options PutOptions
		want    []Status
		column  string // of the last line
	}{
		"new":       {rows: []Row{variant("C", 3), seller("C", "c", ""), erpItem("C", "11")}, want: []Status{Created, Created, Created}},
		"the same":  {rows: base, want: []Status{Unchanged, Unchanged, Unchanged, Unchanged}},
		"content":   {rows: []Row{with(variant("A", 1), func(r *Row) { r.Content = "owned" })}, want: []Status{Changed}},
		"kept item": {rows: []Row{{SKU: "A", Connection: "shop", VariantID: 1}}, want: []Status{Unchanged}},
		"a variant of another SKU": {rows: []Row{variant("C", 1)}, want: []Status{Conflict},
			column: "sku"},
		"replaced": {rows: []Row{variant("C", 1)}, options: PutOptions{Replace: true},
			want: []Status{Changed}},
		"replaced by a SKU that has one": {rows: []Row{variant("B", 1)}, column: "sku",
			options: PutOptions{Replace: true}, want: []Status{Conflict}},
		"an inventory item of another variant": {rows: []Row{with(variant("C", 3),
			func(r *Row) { r.InventoryItemID = 1001 })}, want: []Status{Conflict}, column: "inventory_item_id"},
		"a second variant of a SKU": {rows: []Row{variant("A", 3)}, want: []Status{Conflict}, column: "sku"},
		"a second item of a SKU":    {rows: []Row{erpItem("A", "12")}, want: []Status{Conflict}, column: "sku"},
		"another shop":              {rows: []Row{with(variant("A", 1), func(r *Row) { r.Connection = "shop2" })}, want: []Status{Created}},
		"several offers of a SKU":   {rows: []Row{seller("A", "a-fba", "US"), seller("A", "a-fbm", "CA")}, want: []Status{Created, Created}},
		"a seller SKU is one SKU in all marketplaces": {rows: []Row{seller("B", "a-fbm", "CA")},
			want: []Status{Conflict}, column: "seller_sku"},
		"the same line twice": {rows: []Row{variant("C", 3), variant("C", 3)}, want: []Status{Created, Unchanged}},
		"a later line stands": {rows: []Row{variant("C", 3), with(variant("C", 3),
			func(r *Row) { r.Content = "owned" })}, want: []Status{Created, Changed}},
		"lines against each other": {rows: []Row{variant("C", 3), variant("D", 3)},
			want: []Status{Created, Conflict}, column: "sku", options: PutOptions{Replace: true}},
		"lines share an inventory item": {rows: []Row{variant("C", 3), with(variant("D", 4),
			func(r *Row) { r.InventoryItemID = 1003 })}, want: []Status{Created, Conflict}, column: "inventory_item_id"},
		"lines share a SKU": {rows: []Row{erpItem("C", "20"), erpItem("C", "21")},
			want: []Status{Created, Conflict}, column: "sku"},
		"no row": {rows: []Row{variant("C", 3), {SKU: "D", Connection: "shop"}},
			want: []Status{Created, Invalid}, column: "variant_id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			require.Len(t, w.put(PutOptions{}, base...).Lines, len(base))
			before, err := w.table.Version(t.Context())
			require.NoError(t, err)
			dry := c.options
			dry.DryRun = true
			preview := w.put(dry, c.rows...)
			after, err := w.table.Version(t.Context())
			require.NoError(t, err)
			require.Equal(t, before, after, "a dry run wrote")
			rep := w.put(c.options, c.rows...)
			require.Equal(t, preview.Lines, rep.Lines, "the dry run said something else")
			for i, want := range c.want {
				require.Equal(t, want, rep.Lines[i].Status, "%+v", rep.Lines[i])
			}
			require.Equal(t, c.column, rep.Lines[len(rep.Lines)-1].Column)
			for _, r := range c.rows {
				got, ok := w.index.Find(r.Ref())
				if rep.Bad() {
					require.True(t, !ok || got != r || contains(base, r), "%+v was written", r)
				}
			}
			if rep.Bad() {
				require.Equal(t, len(base), w.index.Len())
				return
			}
			last := c.rows[len(c.rows)-1]
			got, ok := w.index.Find(last.Ref())
			require.True(t, ok)
			require.Equal(t, last.SKU, got.SKU)
			require.Equal(t, last.Content, got.Content)
		})
	}
}

func contains(rows []Row, r Row) bool {
	for _, have := range rows {
		if have == r {
			return true
		}
	}
	return false
}

func TestLookUps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(PutOptions{}, variant("A", 1), seller("A", "a", ""), seller("A", "a", "US"), erpItem("A", "10"))
	row, ok := w.index.ByInventoryItem("shop", 1001)
	require.True(t, ok)
	require.Equal(t, variant("A", 1), row)
	_, ok = w.index.ByVariant("other", 1)
	require.False(t, ok)
	row, _ = w.index.BySellerSKU("amz", "US", "a")
	require.Equal(t, "US", row.Marketplace)
	row, ok = w.index.BySellerSKU("amz", "CA", "a")
	require.True(t, ok, "the row of all marketplaces")
	require.Empty(t, row.Marketplace)
	require.Len(t, w.index.Of("A"), 4)
	_, err := w.table.Delete(deadline(t), SellerRef("amz", "US", "a"), nil)
	require.NoError(t, err)
	require.Len(t, w.index.Of("A"), 3)
	row, _ = w.index.BySellerSKU("amz", "US", "a")
	require.Empty(t, row.Marketplace)
	_, err = w.table.Delete(deadline(t), SellerRef("amz", "US", "a"), nil)
	require.ErrorIs(t, err, ErrNoRow)
	_, ok = w.index.ByItem("ns", "10")
	require.True(t, ok)
}

func TestVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	zero := uint64(0)
	rep := w.put(PutOptions{Expect: &zero}, variant("A", 1))
	_, err := w.table.Put(deadline(t), Lines([]Row{variant("B", 2)}), PutOptions{Expect: &zero})
	require.ErrorIs(t, err, ErrVersion)
	_, err = w.table.Delete(deadline(t), VariantRef("shop", 1), &zero)
	require.ErrorIs(t, err, ErrVersion)
	version, err := w.table.Version(t.Context())
	require.NoError(t, err)
	require.Equal(t, rep.Index, version)
	again := w.put(PutOptions{Expect: &version}, variant("B", 2))
	require.Greater(t, again.Index, version)
}

// TestTwoWritersNeverBothWin lets two nodes map one variant to two SKUs at the same time: one of them
// is told of the conflict.
func TestTwoWritersNeverBothWin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, other := w.node()
	for i := range int64(50) {
		var wg sync.WaitGroup
		reports := make([]Report, 2)
		for n, table := range []*Table{w.table, other} {
			wg.Go(func() {
				var err error
				reports[n], err = table.Put(deadline(t), Lines([]Row{
					variant(fmt.Sprintf("%d-%d", n, i), i+1)}), PutOptions{})
				require.NoError(t, err)
			})
		}
		wg.Wait()
		require.Equal(t, 1, reports[0].Counts[Created]+reports[1].Counts[Created], "round %d", i)
		require.Equal(t, 1, reports[0].Counts[Conflict]+reports[1].Counts[Conflict], "round %d", i)
	}
}

// TestABrokenImportIsFinishedByTheSameCall loses the answer of the third batch: two batches are in, the
// third too, and the same call again writes the rest only.
func TestABrokenImportIsFinishedByTheSameCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rows := make([]Row, 5*batchRows)
	for i := range rows {
		rows[i] = variant(fmt.Sprintf("SKU-%d", i), int64(i+1))
	}
	n := 0
	w.store.Fail(func(tx *records.Tx) recordstest.Failure {
		if tx == nil {
			return recordstest.Works // a read
		}
		if n++; n == 3 {
			return recordstest.UnknownAfter
		}
		return recordstest.Works
	})
	rep, err := w.table.Put(deadline(t), Lines(rows), PutOptions{})
	var coded interface{ Code() string }
	require.ErrorAs(t, err, &coded)
	require.Equal(t, "outcome-unknown", coded.Code())
	require.Equal(t, 2*batchRows, rep.Written())
	w.store.Fail(nil)
	rep = w.put(PutOptions{}, rows...)
	require.Equal(t, map[Status]int{Unchanged: 3 * batchRows, Created: 2 * batchRows}, rep.Counts)
	require.Equal(t, len(rows), w.index.Len())
}

func TestTooManyRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.table.Put(deadline(t), make([]Line, MaxRows+1), PutOptions{})
	require.ErrorIs(t, err, ErrTooMany)
}

func TestListPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var rows []Row
	for i := range int64(30) {
		rows = append(rows, variant(fmt.Sprintf("S%02d", i), i+1),
			seller(fmt.Sprintf("S%02d", i), fmt.Sprintf("s%02d", i), []string{"US", "CA"}[i%2]))
	}
	w.put(PutOptions{}, rows...)
	for name, c := range map[string]struct {
		q    Query
		want int
	}{
		"all": {Query{Limit: 7}, 60}, "a connection": {Query{Connection: "shop", Limit: 7}, 30},
		"a marketplace": {Query{Marketplace: "CA", Limit: 4}, 15}, "a SKU": {Query{SKU: "S03", Limit: 1}, 2},
		"a SKU at a connection": {Query{SKU: "S03", Connection: "amz", Limit: 5}, 1},
		"nothing":               {Query{Connection: "sho", Limit: 5}, 0},
	} {
		var got []Row
		for q := c.q; ; {
			p, err := w.table.List(deadline(t), q)
			require.NoError(t, err)
			require.LessOrEqual(t, len(p.Rows), c.q.Limit)
			got = append(got, p.Rows...)
			if p.Next == "" {
				break
			}
			require.Greater(t, p.Next, q.After, name)
			q.After = p.Next
		}
		require.Len(t, got, c.want, name)
	}
}

// TestIndexCatchesUp lets the watch overrun: the index reads all again and is right.
func TestIndexCatchesUp(t *testing.T) {
	t.Parallel()
	store := recordstest.New(recordstest.Options{Ring: 8})
	w := &world{t: t, store: store}
	w.index, w.table = w.node()
	var rows []Row
	for i := range int64(500) {
		rows = append(rows, variant(fmt.Sprintf("S%d", i), i+1))
	}
	w.put(PutOptions{}, rows...)
	require.Equal(t, 500, w.index.Len())
	for i := range int64(250) {
		_, err := w.table.Delete(deadline(t), VariantRef("shop", 2*i+1), nil)
		require.NoError(t, err)
	}
	require.Equal(t, 250, w.index.Len())
	fresh, _ := w.node()
	version, err := w.table.Version(t.Context())
	require.NoError(t, err)
	require.NoError(t, fresh.Wait(deadline(t), version))
	for i := range int64(500) {
		a, ok := w.index.ByVariant("shop", i+1)
		b, also := fresh.ByVariant("shop", i+1)
		require.Equal(t, i%2 == 1, ok)
		require.Equal(t, ok, also)
		require.Equal(t, a, b)
	}
}

// TestStateAgainstANaiveOne runs puts and drops in any order against a map.
func TestStateAgainstANaiveOne(t *testing.T) {
	t.Parallel()
	s, naive := newState(), map[string]Row{}
	seed := uint32(7)
	next := func(n uint32) uint32 {
		seed = seed*1664525 + 1013904223
		return seed >> 8 % n
	}
	for version := uint64(1); version < 20_000; version++ {
		id, sku := next(40)+1, fmt.Sprint("S", next(12))
		row := []Row{variant(sku, int64(id)), seller(sku, fmt.Sprint(id%9), fmt.Sprint(id%3)),
			erpItem(sku, fmt.Sprint(id))}[next(3)]
		if next(3) == 0 {
			s.drop(row.Key(), version)
			delete(naive, row.Key())
		} else {
			s.put(row.Key(), row, version)
			naive[row.Key()] = row
			require.False(t, s.put(row.Key(), Row{SKU: "old"}, version-1))
		}
		if version%100 != 0 {
			continue
		}
		require.Len(t, s.byKey, len(naive))
		for n := range 12 {
			sku, found := fmt.Sprint("S", n), map[string]Row{}
			for at := range s.ofSKU(sku) {
				found[at.key] = at.row
			}
			want := map[string]Row{}
			for k, r := range naive {
				if r.SKU == sku {
					want[k] = r
				}
			}
			require.Equal(t, want, found)
		}
	}
}

func TestPutSaysWhatTheStoreSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store.Fail(func(tx *records.Tx) recordstest.Failure {
		if tx == nil {
			return recordstest.Works
		}
		return recordstest.NoLeader
	})
	_, err := w.table.Put(deadline(t), Lines([]Row{variant("A", 1)}), PutOptions{})
	var coded interface{ Code() string }
	require.True(t, errors.As(err, &coded))
	require.Equal(t, "no-leader", coded.Code())
	require.Zero(t, w.index.Len())
}

// BenchmarkImport is 100,000 rows against a store in memory, in one call.
func BenchmarkImport(b *testing.B) {
	rows := make([]Row, MaxRows)
	for i := range rows {
		rows[i] = variant(fmt.Sprintf("SKU-%06d", i), int64(40_000_000_000_000+i))
	}
	for b.Loop() {
		w := newWorld(b)
		w.put(PutOptions{}, rows...)
	}
	b.ReportMetric(float64(b.N)*MaxRows/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkIndexMemory is what 500,000 rows cost.
func BenchmarkIndexMemory(b *testing.B) {
	const rows = 500_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := newState()
		for i := range rows {
			r := variant(fmt.Sprintf("SKU-%06d", i), int64(40_000_000_000_000+i))
			s.put(r.Key(), r, 1)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/rows, "B/row")
		runtime.KeepAlive(s)
	}
}

func BenchmarkByVariant(b *testing.B) {
	x := NewIndex(recordstest.New(recordstest.Options{}), nil)
	for i := range 500_000 {
		r := variant(fmt.Sprintf("SKU-%06d", i), int64(40_000_000_000_000+i))
		x.rows.put(r.Key(), r, 1)
	}
	b.ReportAllocs()
	i := int64(0)
	for b.Loop() {
		if _, ok := x.ByVariant("shop", 40_000_000_000_000+i%500_000); !ok {
			b.Fatal(i)
		}
		i += 7919
	}
}
