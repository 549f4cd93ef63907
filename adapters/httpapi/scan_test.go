package httpapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// readVerb decodes a body as the call of a verb does.
func readVerb(v verb, body string) (engine.Command, *problem) {
	var o opBody
	s := scan{in: body}
	s.readOp(v, verbs[v].single, &o)
	s.end()
	if s.bad != nil {
		return nil, s.bad
	}
	return o.command(v), nil
}

// reserveWith is a reserve with one line, some of which is replaced.
func reserveWith(old, new string) string {
	return strings.Replace(`{"id":"r1","channel":"web","lines":[{"sku":"A","qty":2}]}`, old, new, 1)
}

func TestBadBodiesNameTheirFault(t *testing.T) {
	t.Parallel()
	lines := func(n int) string {
		return "[" + strings.Repeat(`{"sku":"A","qty":1},`, n-1) +
			`{"sku":"A","qty":1}]`
	}
	for _, row := range []struct{ body, at, detail string }{
		{``, "", "ends where a value is expected"},
		{`[]`, "", "must be an object"},
		{`null`, "", "must be an object, not null"},
		{`{}`, "id", "is required"},
		{`{"id":"r1"`, "id", "ends where"},
		{reserveWith(`}]}`, `}]}x`), "", "something follows"},
		{reserveWith(`}]}`, `}],}`), "lines", "name of a member"},
		{reserveWith(`"id":"r1"`, `"id":"r1","id":"r2"`), "id", "is given twice"},
		{reserveWith(`"id":"r1"`, `"id":"r1","\u0069d":"r2"`), "id", "is given twice"},
		{reserveWith(`"qty":2`, `"qty":2,"qty":2`), "lines[0].qty", "is given twice"},
		{reserveWith(`"id":"r1"`, `"Id":"r1"`), "Id", "is not a member"},
		{reserveWith(`"qty":2`, `"qty":2,"price":1`), "lines[0].price", "is not a member"},
		{reserveWith(`"r1"`, `""`), "id", "1 to 128 bytes"},
		{reserveWith(`"r1"`, `"`+strings.Repeat("x", 256)+`"`), "id", "1 to 128 bytes"},
		{reserveWith(`"r1"`, `"a b"`), "id", "printable ASCII without space"},
		{reserveWith(`"r1"`, `"a\u0007"`), "id", "printable ASCII without space"},
		{reserveWith(`"r1"`, "\"a\x07\""), "id", "control character"},
		{reserveWith(`"r1"`, `7`), "id", "must be a text"},
		{reserveWith(`"r1"`, `null`), "id", "must be a text, not null"},
		{reserveWith(`"A"`, "\"\xff\""), "lines[0].sku", "not UTF-8"},
		{reserveWith(`"A"`, `"\ud800"`), "lines[0].sku", "surrogate"},
		{reserveWith(`"A"`, `"\ud800\u0041"`), "lines[0].sku", "surrogate"},
		{reserveWith(`"A"`, `"\x41"`), "lines[0].sku", "escape"},
		{reserveWith(`"A"`, `""`), "lines[0].sku", "1 to 255 bytes"},
		{reserveWith(`"A"`, `"a\u0085b"`), "lines[0].sku", "without control characters"},
		{reserveWith(`"A"`, `"`+strings.Repeat("x", 256)+`"`), "lines[0].sku", "1 to 255 bytes"},
		{reserveWith(`2`, `0`), "lines[0].qty", "from 1 to 1000000000"},
		{reserveWith(`2`, `-1`), "lines[0].qty", "from 1 to 1000000000"},
		{reserveWith(`2`, `1.5`), "lines[0].qty", "whole number"},
		{reserveWith(`2`, `1e3`), "lines[0].qty", "whole number"},
		{reserveWith(`2`, `1000000001`), "lines[0].qty", "from 1 to 1000000000"},
		{reserveWith(`2`, `99999999999999999999`), "lines[0].qty", "from 1 to 1000000000"},
		{reserveWith(`2`, `01`), "lines[0].qty", "leading zero"},
		{reserveWith(`2`, `"2"`), "lines[0].qty", "whole number"},
		{reserveWith(`2`, `null`), "lines[0].qty", "not null"},
		{reserveWith(`2`, `true`), "lines[0].qty", "whole number"},
		{reserveWith(`,"qty":2`, ``), "lines[0].qty", "is required"},
		{reserveWith(`"sku":"A",`, ``), "lines[0].sku", "is required"},
		{reserveWith(`[{"sku":"A","qty":2}]`, `[]`), "lines", "at least one line"},
		{reserveWith(`[{"sku":"A","qty":2}]`, `{}`), "lines", "must be a list"},
		{reserveWith(`[{"sku":"A","qty":2}]`, `[1]`), "lines[0]", "must be an object"},
		{reserveWith(`[{"sku":"A","qty":2}]`, strings.Repeat("[", 5000)), "lines[0]",
			"must be an object"},
		{reserveWith(`"id"`, `"ttl_ms":999,"id"`), "ttl_ms", "from 1000 to 2592000000"},
		{reserveWith(`"id"`, `"ttl_ms":2592000001,"id"`), "ttl_ms", "from 1000 to"},
		{reserveWith(`"id"`, `"mode":"loose","id"`), "mode", "strict, dip, accept"},
		{reserveWith(`"id"`, `"partial":1,"id"`), "partial", "true or false"},
		{reserveWith(`"id"`, `"partial":tru,"id"`), "partial", "unknown word"},
		{reserveWith(`[{"sku":"A","qty":2}]`, lines(1001)), "lines", "reservation-lines"},
	} {
		cmd, p := readVerb(verbReserve, row.body)
		require.Nil(t, cmd, row.body)
		require.NotNil(t, p, row.body)
		require.Equal(t, row.at, p.at, "%s: %s", row.body, p.detail)
		require.Contains(t, p.detail, row.detail)
		want := 400
		if row.detail == limitLines {
			want = 413
		}
		require.Equal(t, want, p.httpStatus())
	}
	_, p := readVerb(verbReserve, reserveWith(`[{"sku":"A","qty":2}]`, lines(1000)))
	require.Nil(t, p)
}

func TestVerbsDecode(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		verb verb
		body string
		want engine.Command
	}{
		{verbReserve, `{"id":"r","channel":"c","lines":[{"sku":"A","qty":1}]}`,
			&engine.Reserve{ID: "r", Channel: "c", Mode: engine.Strict, TTL: 900_000,
				Lines: []engine.Line{{SKU: "A", Qty: 1}}}},
		{verbReserve, `{"id":"r","channel":"c","commit":true,"partial":true,"mode":"accept",` +
			`"ttl_ms":1000,"lines":[{"sku":"\uD83D\uDE00","qty":1000000000}]}`,
			&engine.Reserve{ID: "r", Channel: "c", Mode: engine.Accept, Partial: true, Commit: true,
				Lines: []engine.Line{{SKU: "😀", Qty: 1e9}}}},
		{verbCommit, ` { } `, &engine.Commit{}},
		{verbCommit, `{"lines":[{"line":1,"qty":1,"location":"main"},{"line":2}]}`,
			&engine.Commit{Picks: []engine.Pick{{Line: 1, Qty: 1, Location: "main"}, {Line: 2}}}},
		{verbRelease, `{"reason":"changed my mind"}`, &engine.Release{Reason: "changed my mind"}},
		{verbShip, `{"package":"p1","tracking":"1Z"}`, &engine.Ship{Package: "p1", Tracking: "1Z"}},
		{verbReturn, `{"location":"main","disposition":"lost"}`,
			&engine.Return{Location: "main", Disposition: engine.Lost}},
		{verbReturn, `{}`, &engine.Return{Disposition: engine.Sellable}},
		{verbExtend, `{"ttl_ms":5000}`, &engine.Extend{TTL: 5000}},
		{verbExtend, `{}`, &engine.Extend{TTL: 900_000}},
		{verbTransfer, `{"line":1,"from":"a","to":"b","qty":3}`,
			&engine.Transfer{Line: 1, From: "a", To: "b", Qty: 3}},
		{verbAdd, `{"lines":[{"sku":"A","qty":1,"ref":"x"}],"mode":"dip"}`,
			&engine.Add{Mode: engine.Dip, TTL: 900_000,
				Lines: []engine.Line{{SKU: "A", Qty: 1, Ref: "x"}}}},
	} {
		cmd, p := readVerb(row.verb, row.body)
		require.Nil(t, p, row.body)
		require.Equal(t, row.want, cmd)
	}
	for _, row := range []struct {
		verb     verb
		body, at string
	}{
		{verbCommit, `{"lines":[]}`, "lines"},
		{verbCommit, `{"lines":[{"qty":1}]}`, "lines[0].line"},
		{verbCommit, `{"lines":[{"line":0}]}`, "lines[0].line"},
		{verbCommit, `{"reason":"x"}`, "reason"},
		{verbReturn, `{"disposition":"eaten"}`, "disposition"},
		{verbExtend, `{"ttl_ms":0}`, "ttl_ms"},
		{verbTransfer, `{"line":1,"from":"a","to":"a","qty":3}`, "to"},
		{verbTransfer, `{"line":1,"from":"a","to":"b"}`, "qty"},
		{verbAdd, `{}`, "lines"},
	} {
		_, p := readVerb(row.verb, row.body)
		require.NotNil(t, p, row.body)
		require.Equal(t, row.at, p.at, row.body)
	}
}

func TestBodiesOfSonicNameTheirFault(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		decode   func(string) error
		body, at string
	}{
		{decodeAs(locationBodies), `{"kind":"shed"}`, "kind"},
		{decodeAs(locationBodies), `{"pool":{}}`, "pool.connection"},
		{decodeAs(locationBodies), `{"pool":{"connection":"a","marketplaces":["b",""]}}`,
			"pool.marketplaces[1]"},
		{decodeAs(locationBodies), `{"pool":null}`, "pool"},
		{decodeAs(channelBodies), `{"rules":{"buffer_percent":7.255}}`, "rules.buffer_percent"},
		{decodeAs(channelBodies), `{"rules":{"buffer_percent":100.01}}`, "rules.buffer_percent"},
		{decodeAs(channelBodies), `{"rules":{"buffer_percent":-1}}`, "rules.buffer_percent"},
		{decodeAs(channelBodies), `{"rules":{"buffer_percent":1e1}}`, "rules.buffer_percent"},
		{decodeAs(channelBodies), `{"rules":{"buffer":-1}}`, "rules.buffer"},
		{decodeAs(channelBodies), `{"split":"yes"}`, "split"},
		{decodeAs(channelBodies), `{"locations":["a",7]}`, "locations[1]"},
		{decodeAs(skuBodies), `{"kit":[{"sku":"A"}]}`, "kit[0].qty"},
		{decodeAs(skuBodies), `{"tags":["a\u0000"]}`, "tags[0]"},
		{decodeAs(stockBodies), `{"atomic":false}`, "changes"},
		{decodeAs(stockBodies), `{"changes":[{"sku":"A","set":1.5}]}`, "changes[0].set"},
		{decodeAs(stockBodies), `{"changes":[{"sku":"A","as_of":"yesterday"}]}`, "changes[0].as_of"},
		{decodeAs(stockBodies), `{"changes":[{"sku":"A"},{"sku":"A","sku":"B"}]}`, "changes[1].sku"},
		{decodeAs(availabilityBodies), `{"channel":"c","skus":["a"]} {}`, ""},
	} {
		err := row.decode(row.body)
		var p *problem
		require.ErrorAs(t, err, &p, row.body)
		require.Equal(t, row.at, p.at, "%s: %s", row.body, p.detail)
		require.Equal(t, 400, p.httpStatus())
	}
	many := `{"channel":"c","skus":[` + strings.Repeat(`"a",`, 10_000) + `"a"]}`
	var p *problem
	require.ErrorAs(t, decodeAs(availabilityBodies)(many), &p)
	require.Equal(t, 413, p.httpStatus())
	require.Equal(t, limitSKUs, p.limit)
}

func decodeAs[T any](b body[T]) func(string) error {
	return func(text string) error {
		var v T
		return b.decode(text, &v)
	}
}

func TestChangesAreOneOfThree(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ body, at string }{
		{`{"sku":"A"}`, "c"},
		{`{"sku":"A","location":"m","set":1,"adjust":1}`, "c"},
		{`{"sku":"A","set":1}`, "c.location"},
		{`{"sku":"A","location":"m","adjust":0}`, "c.adjust"},
		{`{"sku":"A","location":"m","adjust":1,"as_of":"2020-01-01T00:00:00Z"}`, "c.as_of"},
		{`{"sku":"A","location":"m","set":1,"reason":"x"}`, "c.reason"},
		{`{"sku":"A","from":"m","move":1}`, "c.to"},
		{`{"sku":"A","from":"m","to":"m","move":1}`, "c.to"},
		{`{"sku":"A","from":"m","to":"n","move":1,"location":"x"}`, "c.location"},
	} {
		var in changeBody
		require.NoError(t, json.Unmarshal([]byte(row.body), &in))
		_, err := in.verb("c")
		var p *problem
		require.ErrorAs(t, err, &p, row.body)
		require.Equal(t, row.at, p.at, row.body)
	}
}

func TestPercentIsExact(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"0": 0, "10": 1000, "7.25": 725, "7.2": 720, "0.07": 7,
		"100": 10_000, "100.00": 10_000, "10.0": 1000, "99.99": 9999} {
		got, ok := parsePercent(text)
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	for n := range int64(10_001) {
		text := string(appendPercent(nil, n))
		got, ok := parsePercent(text)
		require.True(t, ok && got == n, "%d is %s", n, text)
		var f float64
		require.NoError(t, json.Unmarshal([]byte(text), &f))
	}
	for _, text := range []string{"", "-1", "1.234", "100.01", "1e1", "1000", ".5", "+1"} {
		_, ok := parsePercent(text)
		require.False(t, ok, text)
	}
}

func TestWrittenTextIsJSON(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "plain", `quote " and \ slash`, "\x00\x1f\n\t", "é😀",
		"bad \xff byte", "\xe2\x82", "a\u2028b", strings.Repeat("é\"", 100)} {
		var got string
		b := appendText(nil, s)
		require.NoError(t, json.Unmarshal(b, &got), "%q", b)
		require.Equal(t, string([]rune(s)), got)
	}
}

func TestWrittenTimesAreRFC3339(t *testing.T) {
	t.Parallel()
	for _, ms := range []int64{0, 1, 999, 1_700_000_000_123, 4_102_444_799_999, 951_782_400_000,
		253_402_300_799_999} {
		want := time.UnixMilli(ms).UTC().Format(`"2006-01-02T15:04:05.000Z"`)
		require.Equal(t, want, string(appendTime(nil, ms)))
	}
}

func TestBatchOpsFailOneByOne(t *testing.T) {
	t.Parallel()
	items, atomic, err := readBatch(`{"ops":[
		{"op":"reserve","id":"r","channel":"c","lines":[{"sku":"A","qty":1}]},
		{"op":"reserve","id":"r","channel":"c","lines":[{"sku":"A","qty":0}]},
		{"id":"r","op":"commit"},
		{"op":"explode"},
		{"id":"r"},
		7,
		{"op":"adjust","sku":"A","location":"m","adjust":-3,"reason":"x"},
		{"op":"set","sku":"A","location":"m","set":3,"as_of":"2030-01-01T00:00:00Z"},
		{"op":"move","sku":"A","from":"m","to":"n","move":5},
		{"op":"commit"}
	],"atomic":true}`, 1_700_000_000_000)
	require.NoError(t, err)
	require.True(t, atomic)
	require.Len(t, items, 10)
	for i, want := range []string{"", "lines[0].qty", "", "op", "op", "-", "", "as_of", "", "id"} {
		if want == "" {
			require.Nil(t, items[i].bad, "%d: %+v", i, items[i].bad)
			require.NotNil(t, items[i].cmd)
			continue
		}
		require.NotNil(t, items[i].bad, "%d", i)
		if want != "-" {
			require.Equal(t, want, items[i].bad.at, "%d: %s", i, items[i].bad.detail)
		}
	}
	for body, at := range map[string]string{
		`{"ops":[]}`: "ops", `{}`: "ops", `{"ops":{}}`: "ops",
		`{"ops":[{"op":"commit","id":"r"},{"op":"commit","id":"r","id":"q"}]}`: "ops[1].id",
		`{"ops":[{"op":"commit","id":"r"},{"op":"commit","id":]}`:              "ops[1].id",
	} {
		_, _, err := readBatch(body, 0)
		var p *problem
		require.ErrorAs(t, err, &p, body)
		require.Equal(t, at, p.at, body)
		require.Equal(t, 400, p.httpStatus())
	}
	_, _, err = readBatch(`{"ops":[`+strings.Repeat(`{"op":"commit","id":"r"},`, 10_000)+
		`{"op":"commit","id":"r"}]}`, 0)
	var p *problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, 413, p.httpStatus())
	require.Equal(t, limitOps, p.limit)
}

func TestDepthIsBounded(t *testing.T) {
	t.Parallel()
	for _, n := range []int{maxDepth, maxDepth + 1} {
		s := scan{in: strings.Repeat("[", n) + strings.Repeat("]", n)}
		s.skip()
		s.end()
		require.Equal(t, n <= maxDepth, s.bad == nil, n)
	}
	many := make([]string, 50)
	for i := range many {
		many[i] = fmt.Sprintf(`"m%d":1`, i)
	}
	s := scan{in: "{" + strings.Join(many, ",") + `,"m49":2}`}
	s.skip()
	require.NotNil(t, s.bad)
	require.Equal(t, "m49", s.bad.at)
}
