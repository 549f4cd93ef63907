package shopifytest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inbox is a receiver that keeps what it gets.
type inbox struct {
	mu     sync.Mutex
	got    []hook
	status func(n int) int
}

type hook struct {
	topic, id, event, hmac string
	body                   []byte
	header                 http.Header
}

func (b *inbox) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	h := func(name string) string { return strings.Join(r.Header[name], "") }
	b.got = append(b.got, hook{h("X-Shopify-Topic"), h("X-Shopify-Webhook-Id"),
		h("X-Shopify-Event-Id"), h("X-Shopify-Hmac-Sha256"), body, r.Header})
	status := 200
	if b.status != nil {
		status = b.status(len(b.got))
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
}

func (b *inbox) all() []hook {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

func (b *inbox) topics() []string {
	var out []string
	for _, h := range b.all() {
		out = append(out, h.topic)
	}
	slices.Sort(out)
	return out
}

func subscribed(t *testing.T, cfg Config, topics ...string) (*rig, *inbox) {
	t.Helper()
	b := &inbox{}
	cfg.Transport = b
	r := newRig(t, cfg)
	for _, topic := range topics {
		require.NoError(t, r.Subscribe("alpha", topic, "https://app.example/hooks"))
	}
	return r, b
}

func TestWebhooksAreSigned(t *testing.T) {
	t.Parallel()
	shop := testShop("alpha")
	shop.WebhookSecrets = []string{"old", "new"}
	r, b := subscribed(t, Config{Shops: []ShopConfig{shop}}, "orders/create",
		"inventory_levels/update", "products/update")
	o := r.sold(SaleLine{SKU: "A"})
	r.Settle()
	assert.Equal(t, []string{"inventory_levels/update", "orders/create", "products/update"},
		b.topics())
	used := map[string]bool{}
	for _, h := range b.all() {
		ok := false
		for _, secret := range shop.WebhookSecrets {
			m := hmac.New(sha256.New, []byte(secret))
			m.Write(h.body)
			if base64.StdEncoding.EncodeToString(m.Sum(nil)) == h.hmac {
				ok, used[secret] = true, true
			}
		}
		assert.True(t, ok, "%s is signed with one of the secrets", h.topic)
		assert.Equal(t, b.all()[0].event, h.event, "one action, one event id")
		assert.Equal(t, "alpha.myshopify.com", h.header["X-Shopify-Shop-Domain"][0])
		_, err := time.Parse(time.RFC3339Nano, h.header["X-Shopify-Triggered-At"][0])
		require.NoError(t, err)
		if h.topic == "orders/create" {
			assert.Contains(t, string(h.body), `"admin_graphql_api_id":"`+o.ID+`"`)
		}
	}
	assert.Len(t, used, 2, "both secrets are in use")
}

// TestBodiesHaveTheDocumentedFields holds the top-level fields of each body, and those of the first
// element of its lists, against the documented samples: both have the same.
func TestBodiesHaveTheDocumentedFields(t *testing.T) {
	t.Parallel()
	const samples = "../../../../shared/fixtures/shopify/docs-2026-07/"
	if _, err := os.Stat(samples); err != nil {
		t.Skip("the documented samples are not here: ", err)
	}
	topics := []string{"orders/create", "orders/updated", "orders/cancelled", "orders/edited",
		"orders/fulfilled", "orders/paid", "refunds/create", "fulfillments/create",
		"inventory_levels/update", "products/update", "fulfillment_orders/moved",
		"fulfillment_orders/placed_on_hold", "fulfillment_orders/hold_released",
		"fulfillment_orders/cancelled", "returns/approve",
		"returns/close", "returns/request", "bulk_operations/finish"}
	r, b := subscribed(t, Config{}, topics...)
	o := r.sold(SaleLine{SKU: "A", Qty: 3})
	require.NoError(t, r.Edit(Edits{Orders: []OrderEdit{{Order: o.Name, Add: []SaleLine{{SKU: "B"}}}},
		Moves: []MoveEdit{{o.Name, "east"}}, Holds: []HoldEdit{{Order: o.Name}}}))
	require.NoError(t, r.Edit(Edits{Holds: []HoldEdit{{Order: o.Name, Release: true}}}))
	require.NoError(t, r.Edit(Edits{Merges: []string{o.Name}, Reopens: []string{o.Name}}))
	require.NoError(t, r.Edit(Edits{Fulfil: []FulfilEdit{{Order: o.Name, Number: "1Z"}}}))
	sums(t, r)
	ret, err := r.Return(Returns{Order: o.Name, Lines: []Units{{SKU: "A", Qty: 1}}, Requested: true})
	require.NoError(t, err)
	_, err = r.Return(Returns{Order: o.Name, Return: ret.Return, Approve: true,
		Disposition: "RESTOCKED", Refund: &RefundEdit{Lines: []Units{{SKU: "A", Qty: 1}}}})
	require.NoError(t, err)
	other := r.sold(SaleLine{SKU: "A"})
	_, err = r.Cancel(Cancels{Orders: []string{other.Name}})
	require.NoError(t, err)
	r.ok(`mutation B { bulkOperationRunQuery(query: "{ products: productVariants { edges { node { id } } } }") { userErrors { message } } }`, nil)
	r.Advance(10 * second)
	seen := map[string]bool{}
	for _, h := range b.all() {
		if seen[h.topic] {
			continue
		}
		seen[h.topic] = true
		text, err := os.ReadFile(samples + strings.ReplaceAll(h.topic, "/", "_") + ".json")
		require.NoError(t, err)
		var want struct{ Response m }
		require.NoError(t, json.Unmarshal(text, &want))
		var got m
		require.NoError(t, json.Unmarshal(h.body, &got), "%s: %s", h.topic, h.body)
		documented(t, h.topic, want.Response, got)
	}
	for _, topic := range topics {
		assert.True(t, seen[topic], topic+" was not sent")
	}
}

func documented(t *testing.T, path string, want, got m) {
	t.Helper()
	for k := range want {
		if _, there := got[k]; !there {
			t.Errorf("%s.%s is documented and not sent", path, k)
		}
	}
	for k, v := range got {
		w, there := want[k]
		if !assert.True(t, there, "%s.%s is not documented", path, k) {
			continue
		}
		if sub, ok := v.(m); ok {
			if wsub, ok := w.(m); ok {
				documented(t, path+"."+k, wsub, sub)
			}
		}
		list, _ := v.([]any)
		sample, _ := w.([]any)
		if len(list) == 0 || len(sample) == 0 {
			continue
		}
		first, ok1 := list[0].(m)
		like, ok2 := sample[0].(m)
		if ok1 && ok2 {
			documented(t, path+"."+k+"[]", like, first)
		}
	}
}

func TestRetriesOverFourHoursThenTheSubscriptionIsDeleted(t *testing.T) {
	t.Parallel()
	r, b := subscribed(t, Config{}, "orders/create")
	b.status = func(int) int { return 500 }
	o := r.sold(SaleLine{SKU: "A"})
	r.Settle()
	assert.Len(t, b.all(), 1)
	require.NoError(t, r.Edit(Edits{Fulfil: []FulfilEdit{{Order: o.Name}}}))
	r.Advance(4*time.Hour - time.Second)
	assert.Len(t, b.all(), 8, "seven retries have happened")
	assert.Len(t, r.state().Subscriptions, 1)
	r.Advance(2 * time.Second)
	got := b.all()
	assert.Len(t, got, 9, "the eighth is the last")
	r.Advance(48 * time.Hour)
	assert.Len(t, b.all(), 9)
	assert.Empty(t, r.state().Subscriptions, "the subscription is gone")
	for _, h := range got {
		assert.Equal(t, got[0].id, h.id, "retries keep the id")
		assert.Equal(t, got[0].body, h.body)
	}
}

func TestRetrySucceeds(t *testing.T) {
	t.Parallel()
	r, b := subscribed(t, Config{Speed: 60}, "orders/create")
	b.status = func(n int) int { return []int{0, 302, 500, 204}[min(n, 3)] }
	r.sold(SaleLine{SKU: "A"})
	r.Settle()
	r.Advance(time.Second)
	assert.Len(t, b.all(), 2, "a minute is a second at speed 60, and a redirect is a failure")
	r.Advance(4 * time.Hour)
	assert.Len(t, b.all(), 3)
	assert.Len(t, r.state().Subscriptions, 1)
}

// TestBodyIsMadeWhenSent: two quick changes both show the last value.
func TestBodyIsMadeWhenSent(t *testing.T) {
	t.Parallel()
	r, b := subscribed(t, Config{Faults: []Fault{{Kind: FaultWebhookDelay, DelayMS: 1000}}},
		"inventory_levels/update")
	for i := range int64(2) {
		n := 40 + i
		require.NoError(t, r.Edit(Edits{Stock: []StockEdit{{SKU: "A", Location: "main", Set: &n}}}))
	}
	r.Advance(2 * second)
	got := b.all()
	require.Len(t, got, 2)
	assert.NotEqual(t, got[0].id, got[1].id)
	for _, h := range got {
		assert.Contains(t, string(h.body), `"available":41`)
	}
}

func TestNoiseIsSeededAndJournalled(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) (ids []string, lost, twice int) {
		r, b := subscribed(t, Config{Seed: seed, Webhooks: WebhookNoise{LostPercent: 10,
			DuplicatePercent: 20, ReorderPercent: 30, ReorderMS: 5000}}, "orders/create")
		_, err := r.Sell(Sales{Count: 200, Lines: []SaleLine{{SKU: "C"}}})
		require.NoError(t, err)
		r.Advance(time.Minute)
		seen := map[string]int{}
		for _, h := range b.all() {
			seen[h.id]++
			ids = append(ids, h.id)
		}
		for _, n := range seen {
			if n == 2 {
				twice++
			}
		}
		faults := r.Journal(Filter{Kind: "fault"})
		count := map[string]int{}
		for _, e := range faults {
			require.NotEmpty(t, e.Fault)
			require.NotEmpty(t, e.OrderName)
			count[e.Op]++
		}
		assert.Equal(t, 200-len(seen), count[FaultWebhookLost], "each loss is in the journal")
		assert.Equal(t, twice, count[FaultWebhookDuplicate])
		return ids, 200 - len(seen), twice
	}
	ids, lost, twice := run(7)
	assert.InDelta(t, 20, lost, 15)
	assert.InDelta(t, 36, twice, 20)
	same, lost2, twice2 := run(7)
	slices.Sort(ids)
	slices.Sort(same)
	assert.Equal(t, ids, same)
	assert.Equal(t, []int{lost, twice}, []int{lost2, twice2})
	_, lost3, twice3 := run(8)
	assert.NotEqual(t, []int{lost, twice}, []int{lost3, twice3})
}

func TestSubscriptionsAreManaged(t *testing.T) {
	t.Parallel()
	r, b := subscribed(t, Config{})
	create := func(in m) m {
		return r.ok(`mutation S($s: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: ORDERS_CREATE, webhookSubscription: $s) {
    webhookSubscription { id uri filter includeFields name apiVersion { handle } }
    userErrors { field message } } }`, m{"s": in})
	}
	got := create(m{"uri": "http://shop.example/h"})
	assert.Equal(t, "Address protocol http:// is not supported", str(got, "userErrors", 0, "message"))
	got = create(m{"uri": "http://127.0.0.1:1/h", "includeFields": []any{"id", "updated_at"},
		"name": "hf-orders", "filter": "source_name:web"})
	assert.Empty(t, got["userErrors"])
	assert.Equal(t, "2026-10", str(got, "webhookSubscription", "apiVersion", "handle"))
	got = create(m{"uri": "http://127.0.0.1:1/h", "filter": "source_name:web"})
	assert.Equal(t, "Address for this topic has already been taken",
		str(got, "userErrors", 0, "message"))
	create(m{"uri": "http://127.0.0.1:1/h", "filter": "nonsense:web"})
	r.sold(SaleLine{SKU: "A"})
	r.Settle()
	require.Len(t, b.all(), 1, "a filter on a field that is not there lets nothing pass")
	var body m
	require.NoError(t, json.Unmarshal(b.all()[0].body, &body))
	assert.Len(t, body, 2)
	assert.Equal(t, "hf-orders", b.all()[0].header["X-Shopify-Name"][0])
	list := r.ok(`{ webhookSubscriptions(first: 10) { nodes { id } } }`, nil)
	id := str(list, "nodes", 0, "id")
	r.ok(`mutation D($id: ID!) { webhookSubscriptionDelete(id: $id) {
  deletedWebhookSubscriptionId userErrors { message } } }`, m{"id": id})
	r.sold(SaleLine{SKU: "A"})
	r.Settle()
	assert.Len(t, b.all(), 1)
}

// TestOwnCallsAreEchoed: what the API changes is told like everything else.
func TestOwnCallsAreEchoed(t *testing.T) {
	t.Parallel()
	r, b := subscribed(t, Config{}, "orders/create", "inventory_levels/update")
	r.create("A", 1, "DECREMENT_IGNORING_POLICY")
	r.Settle()
	assert.Equal(t, []string{"inventory_levels/update", "orders/create"}, b.topics())
	for _, e := range r.Journal(Filter{Kind: "stock"}) {
		assert.Equal(t, "api", e.Cause)
		assert.NotZero(t, e.Request)
		assert.Equal(t, "holdfast", e.App)
	}
}
