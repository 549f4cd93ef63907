package httpapi

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/publish"
	"holdfast/engine"
)

// fakePublishing remembers what it was asked and answers err.
type fakePublishing struct {
	asked []string
	err   error
}

func (f *fakePublishing) note(format string, args ...any) error {
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fakePublishing) Listings(_ context.Context, by publish.Filter, after string, limit int) (
	[]publish.Listing, string, error) {
	seen := int64(7)
	return []publish.Listing{{Slot: "shop/1", SKU: "A", Target: 8, Expected: 9, Seen: &seen}},
		"shop/1", f.note("listings %+v %q %d", by, after, limit)
}

func (f *fakePublishing) Explain(_ context.Context, channel, sku string) ([]publish.Listing, error) {
	return []publish.Listing{{Slot: "shop/1", Terms: []publish.Term{{Term: "max", Value: -2}}}},
		f.note("explain %s %s", channel, sku)
}

func (f *fakePublishing) Drift(_ context.Context, by publish.Filter, after string, limit int) (
	[]publish.DriftRow, string, error) {
	return nil, "", f.note("drift %+v %q %d", by, after, limit)
}

func (f *fakePublishing) Repair(_ context.Context, by publish.Filter, ids []string, dry bool) (
	[]publish.DriftRow, error) {
	return nil, f.note("repair %+v %v %v", by, ids, dry)
}

func (f *fakePublishing) PostMortem(_ context.Context, sku string) (publish.PostMortem, error) {
	return publish.PostMortem{SKU: sku}, f.note("post-mortem %s", sku)
}

func (f *fakePublishing) Rules(context.Context) ([]publish.Rule, string, []publish.Rule, error) {
	return []publish.Rule{}, "v7", nil, f.note("rules")
}

func (f *fakePublishing) PutRules(_ context.Context, rules []publish.Rule, match string) (string,
	uint64, error) {
	if err := publish.Validate(rules); err != nil {
		return "", 0, err
	}
	return "v8", 8, f.note("put %d %q", len(rules), match)
}

func (f *fakePublishing) Pull(_ context.Context, c publish.Cord) (publish.Rule, uint64, error) {
	return publish.Rule{ID: "stop/x"}, 9, f.note("pull %+v", c)
}

func TestPublishing(t *testing.T) {
	t.Parallel()
	f := &fakePublishing{}
	ledger := newFake()
	s := serve(t, ledger, func(c *Config) { c.Publishing = f })
	got := s.do("GET", "/v1/listings?channel=shop&sku=A&limit=5", "")
	require.Equal(t, 200, got.status, got.text)
	require.Contains(t, got.text, `"target":8,"expected":9`)
	require.Contains(t, got.text, `"next":"c.c2hvcC8x"`)
	require.Equal(t, 200, s.do("GET", "/v1/listings?after=c.c2hvcC8x", "").status)
	require.JSONEq(t, `{"items":[]}`, s.do("GET", "/v1/drift?connection=c1", "").text)
	require.JSONEq(t, `{"dry_run":true,"items":[]}`, s.do("POST", "/v1/drift/repair", "{}").text)
	require.Equal(t, 200, s.do("POST", "/v1/drift/repair",
		`{"dry_run":false,"slots":["shop/1"]}`).status)
	got = s.do("GET", "/v1/rules", "")
	require.Equal(t, `"v7"`, got.header.Get("ETag"))
	require.Equal(t, 200, s.do("PUT", "/v1/rules", got.text, "If-Match", `"v7"`).status,
		"its answer can be sent back")
	rule := `{"rules":[{"id":"a","when":{"sku":"A","from":"2026-11-27T00:00:00Z"},` +
		`"then":{"buffer_percent":12.5,"max":5}}]}`
	got = s.do("PUT", "/v1/rules", rule)
	require.Equal(t, 200, got.status, got.text)
	require.Equal(t, "8", got.header.Get("Holdfast-Index"))
	require.JSONEq(t, `{"stop":"zero","rule":"stop/x","channel":"shop","sku":"A","pulled":true,"index":9}`,
		s.do("POST", "/v1/publish/zero", `{"channel":"shop","sku":"A"}`).text)
	require.Equal(t, 200, s.do("POST", "/v1/publish/freeze", `{"release":true}`).status)
	require.Equal(t, 200, s.do("GET", "/v1/stock/A/post-mortem", "").status)
	require.Equal(t, []string{
		`listings {Channel:shop SKU:A Connection: Drifted:false} "" 5`,
		`listings {Channel: SKU: Connection: Drifted:false} "shop/1" 100`,
		`drift {Channel: SKU: Connection:c1 Drifted:false} "" 100`,
		`repair {Channel: SKU: Connection: Drifted:false} [] true`,
		`repair {Channel: SKU: Connection: Drifted:false} [shop/1] false`,
		`rules`, `put 0 "v7"`, `rules`, `put 1 ""`, `rules`,
		`pull {Stop:zero Channel:shop SKU:A Release:false}`,
		`pull {Stop:freeze Channel: SKU: Release:true}`, `post-mortem A`,
	}, f.asked)
}

func TestPublishingSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	f := &fakePublishing{}
	s := serve(t, newFake(), func(c *Config) { c.Publishing = f })
	for body, at := range map[string]string{
		`{}`: "rules", `{"rules":[{"id":"a","when":{},"then":{}}]}`: "rules[0].then",
		`{"rules":[{"id":"a","when":{},"then":{"max":-1}}]}`: "rules[0].then.max",
		`{"rules":[],"x":1}`: "x",
	} {
		got := s.do("PUT", "/v1/rules", body)
		require.Equal(t, 400, got.status, body)
		require.Contains(t, got.text, `"at":"`+at+`"`, body)
	}
	require.Equal(t, 400, s.do("POST", "/v1/publish/zero", `{"channel":"a b"}`).status)
	require.Equal(t, 400, s.do("GET", "/v1/listings?after=x", "").status)
	require.Equal(t, 413, s.do("POST", "/v1/drift/repair",
		`{"slots":["`+strings.Repeat(`a","`, 1001)+`"]}`).status)
	for err, status := range map[error]int{
		&publish.Changed{Version: "v9"}: 412, &publish.UnknownSlot{ID: "x"}: 404,
		&engine.FieldError{Field: "channel", Reason: "is required"}: 400,
	} {
		f.err = err
		require.Equal(t, status, s.do("POST", "/v1/publish/zero", `{}`).status, err)
	}
	none := serve(t, newFake())
	require.Equal(t, 404, none.do("GET", "/v1/listings", "").status)
}
