package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// The reference is encoding/json plus what it does not check: valid UTF-8, no member twice, names
// in their exact case, no null, and a bounded depth.

// wellFormed reports whether the reference takes the body for JSON at all.
func wellFormed(body string) bool {
	return json.Valid([]byte(body)) && utf8.ValidString(body) && !twiceOrDeep(body)
}

// twiceOrDeep walks the tokens of valid JSON.
func twiceOrDeep(body string) bool {
	type level struct {
		names  map[string]bool // of an object
		isName bool            // the next token is a name
	}
	var levels []level
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return err != io.EOF
		}
		top := len(levels) - 1
		if top >= 0 && levels[top].names != nil && levels[top].isName {
			if name, ok := token.(string); ok {
				if levels[top].names[name] {
					return true
				}
				levels[top].names[name] = true
				levels[top].isName = false
				continue
			}
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{names: map[string]bool{}, isName: true})
		case json.Delim('['):
			levels = append(levels, level{})
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:top]
		}
		if len(levels) > maxDepth {
			return true
		}
		if n := len(levels) - 1; n >= 0 && token != json.Delim('{') && token != json.Delim('[') {
			levels[n].isName = levels[n].names != nil
		}
	}
}

// strictly decodes as the reference does; false when it refuses.
func strictly(body string, v any) bool {
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	if d.Decode(v) != nil {
		return false
	}
	var names any
	if json.Unmarshal([]byte(body), &names) != nil {
		return false
	}
	return exactNames(names, reflect.TypeOf(v))
}

// exactNames refuses null, and names whose case differs from the struct's.
func exactNames(v any, t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case nil:
		return false
	case []any:
		for _, e := range v {
			if t.Kind() != reflect.Slice || !exactNames(e, t.Elem()) {
				return false
			}
		}
	case map[string]any:
		for name, e := range v {
			var field reflect.Type
			for i := range t.NumField() {
				tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
				if tag == name {
					field = t.Field(i).Type
				}
			}
			if field == nil || !exactNames(e, field) {
				return false
			}
		}
	}
	return true
}

// refReserve is the reference's shape of a reserve.
type refReserve struct {
	ID      *string   `json:"id"`
	Channel *string   `json:"channel"`
	Lines   []refLine `json:"lines"`
	TTL     *int64    `json:"ttl_ms"`
	Partial bool      `json:"partial"`
	Mode    *string   `json:"mode"`
	Commit  bool      `json:"commit"`
}

type refLine struct {
	SKU      *string `json:"sku"`
	Qty      *int64  `json:"qty"`
	Location *string `json:"location"`
	Ref      *string `json:"ref"`
}

// command applies the contract's rules; nil when one is broken.
func (r *refReserve) command() engine.Command {
	ok := func(p *string, rule func(string) string, needed bool) bool {
		return p == nil && !needed || p != nil && rule(*p) == ""
	}
	at := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	out := &engine.Reserve{ID: at(r.ID), Channel: engine.Name(at(r.Channel)), Mode: engine.Strict,
		Partial: r.Partial, Commit: r.Commit, TTL: defaultTTL}
	good := ok(r.ID, idRule, true) && ok(r.Channel, idRule, true) && len(r.Lines) > 0 &&
		len(r.Lines) <= engine.MaxLines
	if r.Mode != nil {
		out.Mode = engine.ParseMode(*r.Mode)
		good = good && out.Mode != 0
	}
	if r.TTL != nil {
		out.TTL = *r.TTL
		good = good && out.TTL >= engine.MinTTL && out.TTL <= engine.MaxTTL
	}
	if r.Commit {
		out.TTL = 0
	}
	for _, l := range r.Lines {
		good = good && ok(l.SKU, skuRule, true) && ok(l.Location, idRule, false) &&
			ok(l.Ref, refRule, false) && l.Qty != nil && *l.Qty >= 1 && *l.Qty <= engine.MaxQty
		if !good {
			return nil
		}
		out.Lines = append(out.Lines, engine.Line{SKU: engine.Name(*l.SKU), Qty: *l.Qty,
			Location: engine.Name(at(l.Location)), Ref: at(l.Ref)})
	}
	if !good {
		return nil
	}
	return out
}

// halfPair tells the one place where we are stricter than the reference: half of a surrogate pair.
func halfPair(p *problem) bool { return p != nil && strings.Contains(p.detail, "surrogate") }

func FuzzReserve(f *testing.F) {
	for _, seed := range []string{goodReserve, `{}`, reserveWith(`"id"`, `"id":"x","id"`),
		reserveWith(`2`, `1e2`), reserveWith(`"A"`, `"\ud83d\ude00\u0041\/"`), reserveWith(`2`, `-0`),
		reserveWith(`"A"`, "\"\xff\""), " " + goodReserve + "\n", goodReserve + "{}",
		reserveWith(`"id"`, `"mode":"dip","partial":true,"commit":false,"ttl_ms":5000,"id"`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		ours, p := readVerb(verbReserve, body)
		if halfPair(p) {
			return
		}
		var ref refReserve
		var theirs engine.Command
		if wellFormed(body) && strictly(body, &ref) {
			if theirs = ref.command(); theirs == (*engine.Reserve)(nil) {
				theirs = nil
			}
		}
		require.Equal(t, theirs, ours, "%q: %v", body, p)
		if p != nil && p.malformed {
			require.False(t, wellFormed(body), "%q: %v", body, p)
		}
	})
}

// refVerb is the reference's shape of a commit and a release.
type refVerb struct {
	Lines  *[]refPick `json:"lines"`
	Reason *string    `json:"reason"`
}

type refPick struct {
	Line     *int64  `json:"line"`
	Qty      *int64  `json:"qty"`
	Location *string `json:"location"`
}

func (r *refVerb) command() engine.Command {
	out := &engine.Release{}
	if r.Reason != nil {
		if out.Reason = *r.Reason; noteRule(out.Reason) != "" {
			return nil
		}
	}
	if r.Lines == nil {
		return out
	}
	for _, l := range *r.Lines {
		if l.Line == nil || *l.Line < 1 || *l.Line > engine.MaxLines {
			return nil
		}
		pick := engine.Pick{Line: *l.Line}
		if l.Qty != nil {
			if pick.Qty = *l.Qty; pick.Qty < 1 || pick.Qty > engine.MaxQty {
				return nil
			}
		}
		if l.Location != nil {
			if pick.Location = engine.Name(*l.Location); idRule(*l.Location) != "" {
				return nil
			}
		}
		out.Picks = append(out.Picks, pick)
	}
	if len(out.Picks) == 0 || len(out.Picks) > engine.MaxLines {
		return nil
	}
	return out
}

func FuzzRelease(f *testing.F) {
	for _, seed := range []string{`{}`, `{"lines":[{"line":1,"qty":2,"location":"m"}]}`,
		`{"reason":"x","lines":[{"line":1},{"line":1000}]}`, `{"lines":[{"line":1,"line":1}]}`,
		`{"lines":null}`, `{"lines":[]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		ours, p := readVerb(verbRelease, body)
		if halfPair(p) {
			return
		}
		var ref refVerb
		var theirs engine.Command
		if wellFormed(body) && strictly(body, &ref) {
			theirs = ref.command()
		}
		require.Equal(t, theirs, ours, "%q: %v", body, p)
	})
}

// FuzzBodies holds the shapes with sonic against the reference, for every body that sonic fills.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		`{"changes":[{"sku":"A","location":"main","set":100,"source":"wms",` +
			`"as_of":"2026-01-01T00:00:00Z"},{"sku":"A","from":"a","to":"b","move":5}],"atomic":true}`,
		`{"kind":"fba","pool":{"connection":"amz","marketplaces":["x"],"reader":"x"}}`,
		`{"kind":"amazon","locations":["a","b"],"split":false,"rules":{"buffer_percent":7.25}}`,
		`{"title":"é\u00e9","tags":["sale"],"kit":[{"sku":"A","qty":2}]}`,
		`{"channel":"c","skus":["a","b"]}`, `{"skus":[{"sku":"A","title":"x"}]}`,
		`{"changes":[{"sku":"A","sku":"A"}]}`, `{"Changes":[]}`, `{"changes":null}`, `{} {}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		compare(t, locationBodies, body)
		compare(t, channelBodies, body)
		compare(t, skuBodies, body)
		compare(t, skusBodies, body)
		compare(t, stockBodies, body)
		compare(t, availabilityBodies, body)
	})
}

// compare checks that what we take, the reference takes as the same value; that what we call
// malformed is; and that sonic never refuses what the shape let through.
func compare[T any](t *testing.T, b body[T], text string) {
	var ours, theirs T
	err := b.decode(text, &ours)
	if err == nil {
		require.True(t, wellFormed(text), "%q", text)
		require.True(t, strictly(text, &theirs), "%q", text)
		require.Equal(t, theirs, ours, "%q", text)
		return
	}
	var p *problem
	require.ErrorAs(t, err, &p)
	require.NotContains(t, p.detail, "is not what this call takes", "%q", text)
	if p.malformed && !halfPair(p) {
		require.False(t, wellFormed(text), "%q: %v", text, p)
	}
}

// FuzzBatch holds that a batch's own reading of an op agrees with a whole pass over it.
func FuzzBatch(f *testing.F) {
	f.Add(`{"ops":[{"op":"commit","id":"r"},{"id":"r","op":"ship","lines":[{"line":1}]}]}`)
	f.Add(`{"ops":[{"op":"reserve"},7,{"op":"x"},[[]]],"atomic":false}`)
	f.Add(`{"ops":[{"op":"commit","id":"r"`)
	f.Fuzz(func(t *testing.T, body string) {
		items, _, err := readBatch(body, 0)
		if err != nil {
			return
		}
		require.True(t, wellFormed(body), "%q", body)
		var all struct{ Ops []json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(body), &all))
		require.Len(t, items, len(all.Ops))
		for i, it := range items {
			require.True(t, (it.bad == nil) != (it.cmd == nil))
			s := scan{in: string(bytes.TrimSpace(all.Ops[i]))}
			alone := s.readItem(0)
			require.Equal(t, it.cmd, alone.cmd)
			if it.bad != nil {
				require.Equal(t, it.bad.at, alone.bad.at)
			}
		}
	})
}
