package netsuite

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/outbox"
)

func orderDocument() Document {
	return Document{Kind: SalesOrder, ExternalID: ExternalID(ForOrder, "shopify:shop:5551"),
		Body: map[string]any{"otherRefNum": "#1001"}, Mark: "otherRefNum"}
}

var (
	madeIt   = answerOf{status: 204, location: "/services/rest/record/v1/salesorder/77"}
	isThere  = answerOf{body: `{"id":"77","externalId":"x","otherRefNum":"#1001"}`}
	notThere = answerOf{status: 404, body: errorBody("NONEXISTENT_ID", "The record instance does not exist.")}
	exists   = answerOf{status: 400, body: errorBody("USER_ERROR", "This record already exists.")}
	timedOut = answerOf{cut: true}
)

func TestADocumentIsMadeOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		doubt   bool
		answers []answerOf
		calls   string
		made    Made
		code    string
		unknown bool
	}{
		"without a doubt":              {false, []answerOf{madeIt}, "POST", Made{ID: 77}, "", false},
		"an answer is lost":            {false, []answerOf{timedOut, isThere}, "POST GET", Made{77, true}, "", false},
		"and it may still come":        {false, []answerOf{timedOut, notThere}, "POST GET", Made{}, codeUnavailable, true},
		"and nobody can look":          {false, []answerOf{timedOut}, "POST GET GET GET GET", Made{}, codeUnavailable, true},
		"the next try finds it":        {true, []answerOf{isThere}, "GET", Made{77, true}, "", false},
		"or makes it":                  {true, []answerOf{notThere, madeIt}, "GET POST", Made{ID: 77}, "", false},
		"or the first came in between": {true, []answerOf{notThere, exists, isThere}, "GET POST GET", Made{77, true}, "", false},
		"a refusal that is one":        {false, []answerOf{exists, notThere}, "POST GET", Made{}, codeExists, false},
		"a doubt stays":                {true, []answerOf{{status: 403, body: errorBody("INSUFFICIENT_PERMISSION", "x")}}, "GET", Made{}, codePermission, true},
		"another tool's": {false, []answerOf{exists, {body: `{"id":"9","otherRefNum":"ET-4"}`}}, "POST GET",
			Made{}, codeTaken, false},
		"a closed period is no doubt": {false, []answerOf{{status: 400, body: errorBody("USER_ERROR", "closed period")}}, "POST",
			Made{}, codePeriod, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, d := newFake(t, c.answers...), orderDocument()
			made, err := clientOf(t, f, newClock()).Make(t.Context(), "orders", d, c.doubt)
			require.Equal(t, c.code, codeOf(err), "%v", err)
			require.Equal(t, c.made, made)
			if err != nil {
				require.Equal(t, c.unknown, outbox.Classify(err).Unknown)
			}
			var calls []string
			for _, r := range f.all() {
				calls = append(calls, r.method)
				if r.method == "POST" {
					require.JSONEq(t, `{"otherRefNum":"#1001","externalId":"hfso-shopify_3ashop_3a5551"}`, r.body)
				} else {
					require.Equal(t, "/services/rest/record/v1/salesOrder/eid:hfso-shopify_3ashop_3a5551", r.path)
				}
			}
			require.Equal(t, c.calls, strings.Join(calls, " "))
			require.NotContains(t, d.Body, "externalId", "the body is the caller's")
		})
	}
}

func TestATransformIsMadeOnceToo(t *testing.T) {
	t.Parallel()
	f := newFake(t, timedOut, isThere)
	made, err := clientOf(t, f, newClock()).Make(t.Context(), "fulfilments", Document{Kind: ItemFulfillment,
		ExternalID: "hfif-1", Body: map[string]any{}, From: &Transformed{Kind: SalesOrder, ID: 5, To: ItemFulfillment}}, false)
	require.NoError(t, err)
	require.Equal(t, Made{77, true}, made)
	require.Equal(t, "/services/rest/record/v1/salesOrder/5/!transform/itemFulfillment", f.all()[0].path)
	require.Equal(t, "/services/rest/record/v1/itemFulfillment/eid:hfif-1", f.all()[1].path)
}

func TestExternalIDs(t *testing.T) {
	t.Parallel()
	require.Equal(t, "hfso-123_2d1234567_2d1234567", ExternalID(ForOrder, "123-1234567-1234567"))
	seen := map[string][]string{}
	for _, parts := range [][]string{{"a", "b"}, {"a-b"}, {"ab"}, {"a", "", "b"}, {"a_", "b"}, {"a", "_b"},
		{"A", "b"}, {"a", "B"}, {""}, {"", ""}, {"_"}, {"#1001"}, {"1001"}, {"gid://shopify/Order/1"}, {"é"},
		{"_41", "b"}, {strings.Repeat("x", 300)}, {strings.Repeat("x", 301)}, {strings.Repeat("x", 300), "y"}} {
		id := ExternalID(ForOrder, parts...)
		require.True(t, urlSafe(id), id)
		require.True(t, Ours(id), id)
		require.LessOrEqual(t, len(id), maxExternalID)
		require.Equal(t, strings.ToLower(id), id, "case tells nothing apart")
		require.NotContains(t, seen, id, "%v and %v", parts, seen[id])
		seen[id] = parts
		require.Equal(t, id, ExternalID(ForOrder, parts...))
		require.NotEqual(t, id, ExternalID(ForFulfilment, parts...))
	}
	require.False(t, Ours("SO-1"))
	require.False(t, Ours("hfso"))
}
