package fieldmap

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records/recordstest"
)

const order = `{"id":"shopify:shop:1","name":"#1001","total":"19.90","price":0.1,"tags":["vip","eu"],
	"big":9007199254740993,"ship_to":{"country":"DE"},"carrier":"ups ","tender":"paypal",
	"externals":[{"system":"shop","id":"450"}],
	"lines":[{"ref":"1","sku":"A","qty":2},{"ref":"2","sku":"B","qty":1,"gift":true}]}`

func tables() Tables {
	return Tables{Carriers: []Carrier{{Names: []string{"UPS", "United Parcel"}, AmazonCode: "UPS",
		Shopify: "UPS", NetSuite: "UPS Ground"}, {Names: []string{"Bike"}, AmazonCode: "Other",
		AmazonName: "Bike Ltd"}}, Tenders: []Pair{{"PayPal", "7"}}}
}

func text(s string) json.RawMessage { b, _ := json.Marshal(s); return b }

func TestEachWayToFill(t *testing.T) {
	t.Parallel()
	m := Map{Connection: "ns", Document: "erp.order", Fields: []Field{
		{To: "custbody_origin", Constant: text("holdfast")},
		{To: "rank", Constant: json.RawMessage("7")},
		{To: "otherrefnum", From: "order.externals[0].id", Required: true},
		{To: "none", From: "order.externals[4].id"},
		{To: "total", From: "order.total"},
		{To: "price", From: "order.price"},
		{To: "big", From: "order.big"},
		{To: "shipmethod", Lookup: &Lookup{Table: "carrier", From: "order.carrier", Column: "netsuite"}},
		{To: "no_name", Lookup: &Lookup{Table: "carrier", From: "order.carrier", Column: "amazon_name"}},
		{To: "method", Lookup: &Lookup{Table: "tender", From: "order.tender"}},
		{To: "memo", CEL: `order.name + (order.tags.exists(t, t == "vip") ? " VIP" : "")`},
		{To: "country", CEL: `order.ship_to.country.lowerAscii()`},
		{To: "next", CEL: `order.big + 1`},
		{To: "absent", CEL: `has(order.note) ? order.note : null`},
		{To: "custcol_ref", Per: "line", From: "line.ref"},
		{To: "custcol_gift", Per: "line", CEL: `has(line.gift) && line.gift`},
		{To: "custcol_order", Per: "line", From: "order.name"},
	}}
	p, err := Compile(m, tables())
	require.NoError(t, err)
	v, err := p.Run(t.Context(), []byte(order))
	require.NoError(t, err)
	require.Equal(t, Values{
		Order: map[string]any{"custbody_origin": "holdfast", "rank": int64(7), "otherrefnum": "450",
			"total": "19.90", "price": "0.1", "big": int64(9007199254740993), "shipmethod": "UPS Ground",
			"method": "7", "memo": "#1001 VIP", "country": "de", "next": int64(9007199254740994)},
		Lines: []map[string]any{
			{"custcol_ref": "1", "custcol_gift": false, "custcol_order": "#1001"},
			{"custcol_ref": "2", "custcol_gift": true, "custcol_order": "#1001"}}}, v)
}

func TestAMapIsRefusedWhenItIsSaved(t *testing.T) {
	t.Parallel()
	for field, f := range map[string]Field{
		"fields[0].to ":          {To: "a b", From: "order.name"},
		"fields[0].per ":         {To: "a", Per: "box", From: "order.name"},
		"fields[0] must":         {To: "a"},
		"fields[0] must have":    {To: "a", From: "order.name", CEL: "1"},
		"fields[0].constant ":    {To: "a", Constant: json.RawMessage("1.5")},
		"fields[0].constant m":   {To: "a", Constant: json.RawMessage("[1]")},
		"fields[0].from ":        {To: "a", From: "order..name"},
		"fields[0].from must be": {To: "a", From: "customer.name"},
		"fields[0].from must b":  {To: "a", From: "line.sku"},
		"fields[0].lookup must":  {To: "a", Lookup: &Lookup{Table: "colour", From: "order.name"}},
		"fields[0].lookup of":    {To: "a", Lookup: &Lookup{Table: "carrier", From: "order.name"}},
		"fields[0].lookup.from ": {To: "a", Lookup: &Lookup{Table: "tender", From: "x"}},
		"fields[0].cel is":       {To: "a", CEL: "order.name +"},
		"fields[0].cel is no":    {To: "a", CEL: "customer.name"},
		"fields[0].cel is no e":  {To: "a", CEL: `1 + "a"`},
		"fields[0].cel must":     {To: "a", CEL: "1.5"},
		"fields[0].cel must g":   {To: "a", CEL: "[1, 2]"},
		"fields[0].cel must be":  {To: "a", CEL: strings.Repeat("1+", MaxCEL/2) + "1"},
	} {
		_, err := Compile(Map{Fields: []Field{f}}, tables())
		var fault *FieldFault
		require.ErrorAs(t, err, &fault, "%+v", f)
		require.True(t, strings.HasPrefix(err.Error(), field), "%q for %+v", err, f)
	}
	deep := strings.Repeat("(", 100) + "1" + strings.Repeat(")", 100)
	_, err := Compile(Map{Fields: []Field{{To: "a", CEL: deep}, {To: "b", From: "x"},
		{To: "c", From: "order.name"}, {To: "c", From: "order.id"}}}, tables())
	require.ErrorContains(t, err, "fields[0].cel")
	require.ErrorContains(t, err, "fields[1].from")
	require.ErrorContains(t, err, "fields[3].to is filled twice", "all faults at once")
	_, err = Compile(Map{Fields: make([]Field, MaxFields+1)}, tables())
	require.ErrorContains(t, err, "at most 200")
}

func TestWhatCannotBeFilledIsNamedAndTheRestIsThere(t *testing.T) {
	t.Parallel()
	m := Map{Fields: []Field{
		{To: "good", From: "order.name"},
		{To: "missing", From: "order.note", Required: true},
		{To: "list", From: "order.tags"},
		{To: "key", CEL: "order.nothing.there"},
		{To: "float", CEL: "double(order.big) / 2.0 > 1.0 ? dyn(1.5) : dyn(1)"},
		{To: "carrier", Lookup: &Lookup{Table: "carrier", From: "order.name", Column: "shopify"}},
		{To: "column", Lookup: &Lookup{Table: "carrier", From: "order.bike", Column: "shopify"}},
	}}
	p, err := Compile(m, tables())
	require.NoError(t, err)
	v, err := p.Run(t.Context(), []byte(strings.Replace(order, `"tags"`, `"bike":"BIKE","tags"`, 1)))
	require.Equal(t, map[string]any{"good": "#1001"}, v.Order)
	for _, part := range []string{"fields[1] of missing is required", "fields[2] of list gave neither",
		"fields[3] of key failed", "fields[4] of float gave neither", `table carrier has no "#1001"`,
		`table carrier has no "BIKE"`} {
		require.ErrorContains(t, err, part)
	}
	var unknown *UnknownNameError
	require.True(t, errors.As(err, &unknown))
	require.Equal(t, "table:carrier:#1001", unknown.Trace())
	require.Equal(t, (&UnknownNameError{"carrier", " Foo"}).Trace(),
		(&UnknownNameError{"carrier", "foo "}).Trace(), "one exception for a name")
	for _, bad := range []string{"", "[]", "7", `{"a":1} {}`} {
		_, err := p.Run(t.Context(), []byte(bad))
		require.ErrorContains(t, err, "order is no JSON object", bad)
	}
}

// TestAnExpressionIsBounded runs expressions whose work grows with the fourth power of a list.
func TestAnExpressionIsBounded(t *testing.T) {
	t.Parallel()
	big := `{"lines":[{}],"l":[` + strings.Repeat("1,", 199) + `1]}`
	p, err := Compile(Map{Fields: []Field{
		{To: "a", CEL: `order.l.all(a, order.l.all(b, order.l.all(c, order.l.all(d, a+b+c+d > 0))))`},
		{To: "b", CEL: `order.l.map(a, order.l.map(b, "xxxxxxxxxx")).size()`},
	}}, Tables{})
	require.NoError(t, err)
	began := time.Now()
	_, err = p.Run(t.Context(), []byte(big))
	require.ErrorContains(t, err, "fields[0] of a failed")
	require.ErrorContains(t, err, "fields[1] of b failed")
	require.Less(t, time.Since(began), 5*time.Second)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, err = p.Run(ctx, []byte(big))
	require.ErrorIs(t, err, context.Canceled)
}

func TestMapsAreVersioned(t *testing.T) {
	t.Parallel()
	b := NewBook(recordstest.New(recordstest.Options{}))
	_, err := b.SaveTables(t.Context(), tables(), 0)
	require.NoError(t, err)
	m := Map{Connection: "ns", Document: "erp.order", Fields: []Field{{To: "memo", From: "order.name"}}}
	version := uint64(0)
	for i := range Keep + 2 {
		next, err := b.Save(t.Context(), m, version)
		require.NoError(t, err)
		_, err = b.Save(t.Context(), m, version)
		require.ErrorIs(t, err, ErrVersion)
		version = next
		m.Fields[0].To = "memo" + strings.Repeat("x", i)
	}
	got, at, err := b.Map(t.Context(), "ns", "erp.order")
	require.NoError(t, err)
	require.Equal(t, version, at)
	require.Equal(t, Keep+2, got.Revision)
	for revision, want := range map[int]bool{2: false, 3: true, Keep + 2: true, Keep + 3: false} {
		old, ok, err := b.Revision(t.Context(), "ns", "erp.order", revision)
		require.NoError(t, err)
		require.Equal(t, want, ok, "%d", revision)
		require.True(t, !ok || old.Revision == revision)
	}
	bad := m
	bad.Fields = []Field{{To: "a", CEL: "("}}
	_, err = b.Save(t.Context(), bad, version)
	require.ErrorContains(t, err, "fields[0].cel")
	bad = m
	bad.Document = "a/b"
	_, err = b.Save(t.Context(), bad, 0)
	require.ErrorContains(t, err, "document must be")
	_, err = b.Try(t.Context(), Map{Fields: []Field{{To: "a", CEL: "order.x"}}}, []byte(order))
	require.ErrorContains(t, err, "fields[0] of a failed", "a dry run on a real order")
	v, err := b.Try(t.Context(), got, []byte(order))
	require.NoError(t, err)
	require.Len(t, v.Order, 1)
	_, at, err = b.Map(t.Context(), "ns", "erp.order")
	require.NoError(t, err)
	require.Equal(t, version, at, "a dry run writes nothing")
}

func TestTablesWithoutDoubt(t *testing.T) {
	t.Parallel()
	good := tables()
	require.NoError(t, good.Validate())
	for want, bad := range map[string]Tables{
		"tenders[1].name is there twice":  {Tenders: []Pair{{"a", "1"}, {" A", "2"}}},
		"ship_services[0] must have":      {ShipServices: []Pair{{"a", ""}}},
		"carriers[0] must have names":     {Carriers: []Carrier{{AmazonCode: "UPS"}}},
		"carriers[0] must have names, an": {Carriers: []Carrier{{Names: []string{"a"}, AmazonCode: "Other"}}},
		`carriers[1].names "UPS"`: {Carriers: []Carrier{{Names: []string{"ups"}},
			{Names: []string{"UPS"}}}},
		"names must be at most": {Tenders: func() (all []Pair) {
			for i := range maxNames + 1 {
				all = append(all, Pair{strings.Repeat("x", i+1), "1"})
			}
			return all
		}()},
	} {
		require.ErrorContains(t, bad.Validate(), want)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(`order.name + "x"`, "order.lines[0].sku", order)
	f.Add(`order.lines.map(l, l.qty)`, "line.a", `{"lines":[1,{}]}`)
	f.Fuzz(func(t *testing.T, expression, path, doc string) {
		p, err := Compile(Map{Fields: []Field{{To: "a", CEL: expression}}}, Tables{})
		if err == nil {
			_, _ = p.Run(t.Context(), []byte(doc))
		}
		if p, err = Compile(Map{Fields: []Field{{To: "a", Per: "line", From: path}}}, Tables{}); err == nil {
			_, _ = p.Run(t.Context(), []byte(doc))
		}
	})
}

func BenchmarkRun(b *testing.B) {
	p, err := Compile(Map{Fields: []Field{{To: "memo", CEL: `order.name + " " + order.ship_to.country`},
		{To: "n", From: "order.name"}, {To: "c", Per: "line", CEL: `line.sku + "-x"`}}}, Tables{})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Run(b.Context(), []byte(order)); err != nil {
			b.Fatal(err)
		}
	}
}
