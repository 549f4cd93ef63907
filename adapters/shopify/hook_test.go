package shopify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/mapping"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

const fixtures = "../../../shared/fixtures/shopify/docs-2026-07"

func signature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// send delivers a body as a shop would, and returns the status.
func (w *world) send(topic, id, body string) int {
	return w.hook.Take(w.ctx, Webhook{Connection: "shop", Topic: topic, ID: id, Body: []byte(body),
		Signature: signature("shpss_alpha", []byte(body)), Triggered: "2026-11-23T09:00:00.5Z"})
}

// orderText is the body of an order of one line of A, after a change.
func (w *world) orderText(change func(order, line map[string]any)) string {
	w.t.Helper()
	a, ok := w.find(func(r *mapping.Row) bool { return r.SKU == "A" && r.VariantID != 0 })
	require.True(w.t, ok)
	line := map[string]any{"id": json.Number("820982911946154511"), "variant_id": a.VariantID,
		"sku": "A", "quantity": 2, "current_quantity": 2, "fulfillable_quantity": 2,
		"price": "10.00", "requires_shipping": true, "variant_inventory_management": "shopify"}
	order := map[string]any{"id": json.Number("820982911946154508"), "name": "#1",
		"created_at": "2026-11-23T04:00:00-05:00", "updated_at": "2026-11-23T04:00:00-05:00",
		"current_total_price": "20.00", "currency": "USD", "line_items": []any{line},
		"email": "jon@example.com", "customer": map[string]any{"first_name": "Jon"}}
	if change != nil {
		change(order, line)
	}
	text, err := json.Marshal(order)
	require.NoError(w.t, err)
	return string(text)
}

func TestSignatures(t *testing.T) {
	w := newWorld(t)
	body := w.orderText(nil)
	take := func(signed string) int {
		return w.hook.Take(w.ctx, Webhook{Connection: "shop", Topic: "orders/create", ID: "w1",
			Body: []byte(body), Signature: signed})
	}
	for name, signed := range map[string]string{
		"none": "", "another secret": signature("shpss_beta", []byte(body)),
		"empty secret": signature("", []byte(body)), "cut": signature("shpss_alpha", []byte(body))[:20],
		"another body": signature("shpss_alpha", []byte(body+" ")), "no base64": "***",
	} {
		require.Equal(t, BadSign, take(signed), name)
	}
	rows, _, err := w.store.List(w.ctx, records.Orders, "", "", 10)
	require.NoError(t, err)
	require.Empty(t, rows)
	require.Equal(t, Taken, take(signature("older", []byte(body))), "the secret before the rotation")
	require.Equal(t, Taken, take(signature("shpss_alpha", []byte(body))))
	require.Equal(t, NoSuchShop, w.hook.Take(w.ctx, Webhook{Connection: "other"}))
}

func TestADeliveryCountsOnceAndIsTakenWhenItIsInTheLog(t *testing.T) {
	w := newWorld(t)
	body := w.orderText(nil)
	for range 3 {
		require.Equal(t, Taken, w.send("orders/create", "w1", body))
	}
	require.Equal(t, Taken, w.send("orders/create", "w2", body), "another subscription")
	require.Equal(t, Taken, w.send("orders/updated", "w1", body), "another topic")
	require.EqualValues(t, 2, w.stock("A", "main").Committed)
	o := w.order("820982911946154508")
	require.Equal(t, "820982911946154511", o.Lines[0].Ref, "no float has seen it")

	later := w.orderText(func(order, line map[string]any) {
		order["updated_at"] = "2026-11-23T05:00:00-05:00"
		line["current_quantity"], line["fulfillable_quantity"] = 1, 1
	})
	w.store.Fail(func(*records.Tx) recordstest.Failure { return recordstest.NoLeader })
	require.Equal(t, TryLater, w.send("orders/updated", "w3", later))
	w.store.Fail(nil)
	require.EqualValues(t, 2, w.stock("A", "main").Committed, "nothing happened")
	require.Equal(t, Taken, w.send("orders/updated", "w3", later))
	require.EqualValues(t, 1, w.stock("A", "main").Committed)
	require.Equal(t, Taken, w.send("orders/updated", "w0", body), "an older one that was late")
	require.EqualValues(t, 1, w.stock("A", "main").Committed)
	require.Empty(t, w.exceptions())
}

func TestLinesThatAreNotStock(t *testing.T) {
	no, yes := false, true
	for want, l := range map[string]lineBody{
		"gift-card":   {GiftCard: true, VariantID: number{Value: 1}},
		"no-variant":  {},
		"not-shipped": {VariantID: number{Value: 1}, Ships: &no},
		"untracked":   {VariantID: number{Value: 1}, Ships: &yes},
	} {
		got := notStock(idOf(l.VariantID, ""), l.GiftCard, l.Ships, l.Management == nil)
		require.Equal(t, want, got)
	}
	require.Empty(t, notStock(1, false, &yes, false))
}

func TestWhatCannotBeRightLosesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		change    func(order, line map[string]any)
		committed int64 // of A
		order     bool
		code      string
	}{
		"negative quantity": {func(_, l map[string]any) {
			l["current_quantity"], l["quantity"] = -2, -2
			l["fulfillable_quantity"] = -2
		}, 0, true, "bad-order"},
		"a quantity in words": {func(_, l map[string]any) { l["quantity"] = "two" }, 2, true, "bad-order"},
		"a fraction":          {func(_, l map[string]any) { l["fulfillable_quantity"] = 1.5 }, 0, true, "bad-order"},
		"a huge quantity": {func(_, l map[string]any) { l["fulfillable_quantity"] = 1 << 40 }, 0, true,
			"bad-order"},
		"price as a number": {func(_, l map[string]any) { l["price"] = 10.5 }, 2, true, ""},
		"price in words":    {func(_, l map[string]any) { l["price"] = "ten" }, 2, true, "bad-order"},
		"price with comma":  {func(o, _ map[string]any) { o["current_total_price"] = "1,5" }, 2, true, "bad-order"},
		"no price":          {func(_, l map[string]any) { delete(l, "price") }, 2, true, ""},
		"no updated_at":     {func(o, _ map[string]any) { delete(o, "updated_at") }, 2, true, "bad-order"},
		"created_at a word": {func(o, _ map[string]any) { o["created_at"] = "yesterday" }, 2, true, "bad-order"},
		"no lines":          {func(o, _ map[string]any) { delete(o, "line_items") }, 0, true, "bad-order"},
		"lines are a text":  {func(o, _ map[string]any) { o["line_items"] = "none" }, 0, true, "bad-order"},
		"a line without id": {func(_, l map[string]any) { delete(l, "id") }, 0, true, "bad-order"},
		"id in quotes":      {func(o, _ map[string]any) { o["id"] = "820982911946154508" }, 2, true, ""},
		"id only as gid": {func(o, _ map[string]any) {
			delete(o, "id")
			o["admin_graphql_api_id"] = "gid://shopify/Order/820982911946154508"
		}, 2, true, ""},
		"a rounded id beside the gid": {func(o, _ map[string]any) {
			o["id"] = json.Number("820982911946154500")
			o["admin_graphql_api_id"] = "gid://shopify/Order/820982911946154508"
		}, 2, true, ""},
		"no id":          {func(o, _ map[string]any) { delete(o, "id") }, 0, false, "bad-webhook"},
		"name is a list": {func(o, _ map[string]any) { o["name"] = []any{1} }, 2, true, "bad-order"},
		"unknown status": {func(o, _ map[string]any) { o["financial_status"] = "barter" }, 2, true, ""},
		"unknown fulfilment": {func(o, l map[string]any) {
			o["fulfillments"] = []any{map[string]any{"id": 7,
				"status": "teleported", "line_items": []any{map[string]any{"id": l["id"], "quantity": 1}}}}
			l["fulfillable_quantity"] = 1
		}, 1, true, "bad-order"},
		"unknown restock": {func(o, l map[string]any) {
			o["refunds"] = []any{map[string]any{"id": 8,
				"refund_line_items": []any{map[string]any{"line_item_id": l["id"], "quantity": 1,
					"restock_type": "beamed"}}}}
			l["current_quantity"], l["fulfillable_quantity"] = 1, 1
		}, 1, true, "bad-order"},
		"unmapped": {func(_, l map[string]any) { l["variant_id"] = 424242 }, 0, true, "unmapped-sku"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for range 2 { // the shop sends it again, and it stays one exception
				require.Equal(t, Taken, w.send("orders/create", "w1", w.orderText(c.change)))
			}
			all := w.exceptions()
			if c.code == "" {
				require.Empty(t, all)
			}
			if name == "unknown restock" { // units that were not put back are counted by their master
				all = slices.DeleteFunc(all, func(e exceptions.Exception) bool { return e.Code == "recount" })
			}
			if c.code != "" {
				require.Len(t, all, 1)
				require.Equal(t, c.code, all[0].Code)
			}
			if strings.HasPrefix(c.code, "bad-") {
				require.Contains(t, string(all[0].Payload), "currency", "the payload is there")
				require.NotContains(t, string(all[0].Payload), "jon@example.com")
				require.NotContains(t, string(all[0].Payload), "Jon")
			}
			_, known, err := w.store.Get(w.ctx, records.Orders, "shopify:shop:820982911946154508")
			require.NoError(t, err)
			require.Equal(t, c.order, known)
			require.Equal(t, c.committed, w.stock("A", "main").Committed)
		})
	}
}

func TestUnknownTopicsAndUnreadableBodies(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, Taken, w.send("moons/full", "w1", `{"id":1}`))
	require.Equal(t, Taken, w.send("moons/full", "w2", `{"id":2}`))
	require.Len(t, w.exceptions(), 1, "one for each topic")
	require.Equal(t, "unknown-topic", w.exceptions()[0].Code)
	for topic := range topics {
		for i, body := range []string{``, `{`, `[]`, `null`, `7`, `{}`, `{"id":{"a":[]}}`} {
			status := w.send(topic, fmt.Sprintf("%s-%d", topic, i), body)
			require.Equal(t, Taken, status, "%s %s", topic, body)
		}
	}
	for _, e := range w.exceptions() {
		require.NotEmpty(t, e.Payload, e.Code)
	}
}

func TestEveryDocumentedBodyIsTaken(t *testing.T) {
	files, err := filepath.Glob(fixtures + "/*.json")
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skip("the documented bodies are not there")
	}
	w := newWorld(t)
	for i, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var doc struct {
			Name     string          `json:"name"`
			Response json.RawMessage `json:"response"`
		}
		require.NoError(t, json.Unmarshal(text, &doc))
		require.Contains(t, topics, doc.Name)
		require.Equal(t, Taken, w.send(doc.Name, fmt.Sprint("w", i), string(doc.Response)), doc.Name)
	}
	for _, e := range w.exceptions() {
		require.NotEqual(t, "bad-webhook", e.Code, "%s %s", e.Detail, e.Payload)
	}
}

func TestNewsBecomeLooks(t *testing.T) {
	w := newWorld(t)
	for topic, c := range map[string]struct{ body, task string }{
		"orders/edited":       {`{"order_edit":{"order_id":77}}`, "shopify.read:shopify:shop:77"},
		"refunds/create":      {`{"order_id":78}`, "shopify.read:shopify:shop:78"},
		"fulfillments/create": {`{"order_id":79}`, "shopify.read:shopify:shop:79"},
		"returns/request":     {`{"order":{"id":80}}`, "shopify.returns:shopify:shop:80"},
		"returns/update": {`{"admin_graphql_api_id":"gid://shopify/Return/5"}`,
			"shopify.owner:shop/Return/5"},
		"fulfillment_orders/moved": {`{"moved_fulfillment_order":{"id":"gid://shopify/FulfillmentOrder/6"}}`,
			"shopify.owner:shop/FulfillmentOrder/6"},
		"products/update":  {`{"id":9}`, "shopify.product:shop/9"},
		"locations/update": {`{"id":9}`, "shopify.check:shop"},
	} {
		for i := range 3 {
			require.Equal(t, Taken, w.send(topic, fmt.Sprint(topic, i), c.body), topic)
		}
		row, ok, err := w.store.Get(w.ctx, records.Tasks, c.task)
		require.NoError(t, err)
		require.True(t, ok, "%s makes no %s", topic, c.task)
		require.Equal(t, uint8(outbox.Queued), row.State)
	}
	require.Equal(t, Taken, w.send("inventory_levels/update", "l1",
		`{"inventory_item_id":5,"location_id":6,"available":999,"updated_at":"2026-11-23T09:00:00Z"}`))
	rows, _, err := w.store.List(w.ctx, records.Cursors, "shop", "", 100)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.Contains(t, rows[0].Key, "5/6")
	require.EqualValues(t, time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC).UnixMilli(), rows[0].Value,
		"the moment is kept, the number is not")
}

func TestABuyerCannotPassForOneOfOurs(t *testing.T) {
	w := newWorld(t)
	id := w.amazonOrder("902-1111111-4444444", "")
	body := w.orderText(func(o, _ map[string]any) {
		o["note_attributes"] = []any{map[string]any{"name": markAttribute, "value": id}}
	})
	require.Equal(t, Taken, w.send("orders/create", "w1", body))
	require.Equal(t, "820982911946154508", w.order("820982911946154508").Home.ID)
	require.EqualValues(t, 5, w.stock("A", "main").Committed, "both sales have their units")
}

func TestCheckSettings(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, checkSettings(w.conn))
	for name, change := range map[string]func(*connections.Connection){
		"endpoint":  func(c *connections.Connection) { c.Endpoint = "http://shop.example" },
		"version":   func(c *connections.Connection) { c.Settings = []byte(`{"api_version":"2025-10"}`) },
		"settings":  func(c *connections.Connection) { c.Settings = []byte(`[]`) },
		"callback":  func(c *connections.Connection) { c.Settings = []byte(`{"callback":"http://a.b"}`) },
		"placement": func(c *connections.Connection) { c.Settings = []byte(`{"placement":"guess"}`) },
		"no token":  func(c *connections.Connection) { c.Secrets = map[string]string{"webhook": "env:X"} },
		"no hook":   func(c *connections.Connection) { c.Secrets = map[string]string{"token": "env:X"} },
		"twice":     func(c *connections.Connection) { c.Locations = map[string]string{"1": "a", "2": "a"} },
	} {
		c := w.conn
		change(&c)
		require.Error(t, checkSettings(c), name)
	}
}

func FuzzOrderBody(f *testing.F) {
	seed(f)
	acc := &account{id: "shop", locations: map[string]string{}}
	f.Fuzz(func(t *testing.T, body []byte) {
		var b orderBody
		complaints, err := readBody(body, &b)
		if err != nil {
			return
		}
		r := reading{conn: acc, complaints: complaints, heard: time.Unix(1, 0)}
		if !r.order(&b) {
			return
		}
		for _, l := range r.snap.Lines {
			if l.Qty < 0 || l.Ordered < 0 || l.ToShip != nil && *l.ToShip < 0 || l.Ref == "" {
				t.Fatalf("%+v", l)
			}
		}
		if r.snap.Home.ID == "" || r.snap.UpdatedAt.IsZero() && !r.heard.IsZero() {
			t.Fatalf("%+v", r.snap)
		}
		for _, s := range r.snap.Shipments {
			if s.Key == "" {
				t.Fatal("a package without a key")
			}
		}
	})
}

func FuzzBodiesOfAllTopics(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		kept, err := json.Marshal(withoutBuyer(body))
		if err != nil || !json.Valid(kept) {
			t.Fatalf("%s: %v", kept, err)
		}
		var v variantBody
		_, _ = readBody(body, &v)
		var r refundBody
		_, _ = readBody(body, &r)
		var p packageBody
		_, _ = readBody(body, &p)
	})
}

func seed(f *testing.F) {
	files, _ := filepath.Glob(fixtures + "/*.json")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var doc struct {
			Response json.RawMessage `json:"response"`
		}
		if json.Unmarshal(text, &doc) == nil {
			f.Add([]byte(doc.Response))
		}
	}
	f.Add([]byte(`{"id":1,"line_items":[{"id":2,"quantity":-1,"price":1e9}]}`))
	f.Add([]byte(`{"id":9223372036854775808}`))
}

// BenchmarkOrdersCreate is the way of a new order from the signed body to the book.
func BenchmarkOrdersCreate(b *testing.B) {
	text := `{"id":%d,"name":"#1","created_at":"2026-11-23T04:00:00-05:00",` +
		`"updated_at":"2026-11-23T04:00:00-05:00","current_total_price":"20.00","line_items":[{"id":%d,` +
		`"variant_id":1,"sku":"A","quantity":2,"current_quantity":2,"fulfillable_quantity":2,` +
		`"price":"10.00","requires_shipping":true,"variant_inventory_management":"shopify"}]}`
	acc := &account{id: "shop", locations: map[string]string{}}
	b.ReportAllocs()
	for i := range b.N {
		body := fmt.Appendf(nil, text, i+1, i+1)
		_ = signature("shpss_alpha", body)
		var o orderBody
		if _, err := readBody(body, &o); err != nil {
			b.Fatal(err)
		}
		r := reading{conn: acc}
		if !r.order(&o) || len(r.snap.Lines) != 1 {
			b.Fatal(r.complaints)
		}
	}
}

func TestAnOrderAndTheLookForItsPlacesAreOneTransaction(t *testing.T) {
	w := newWorld(t)
	submits := 0
	var fate recordstest.Failure
	w.store.Fail(func(tx *records.Tx) recordstest.Failure {
		if tx != nil {
			submits++
		}
		return fate
	})
	fate = recordstest.NoLeader
	require.Equal(t, TryLater, w.send("orders/create", "w1", w.orderText(nil)))
	submits, fate = 0, recordstest.Works
	_, known, err := w.store.Get(w.ctx, records.Tasks, placesOfOrder)
	require.NoError(t, err)
	require.False(t, known)
	require.Equal(t, Taken, w.send("orders/create", "w1", w.orderText(nil)))
	require.Equal(t, 1, submits)
	first, known, err := w.store.Get(w.ctx, records.Tasks, placesOfOrder)
	require.NoError(t, err)
	require.True(t, known)
	require.Equal(t, Taken, w.send("orders/updated", "w2", w.orderText(func(order, _ map[string]any) {
		order["updated_at"] = "2026-11-23T05:00:00-05:00"
	})))
	again, _, err := w.store.Get(w.ctx, records.Tasks, placesOfOrder)
	require.NoError(t, err)
	require.Equal(t, first.Version, again.Version, "only what is new is looked for")
}

func TestTheLookForPlacesMayBeQueuedBeforeItsOrder(t *testing.T) {
	w := newWorld(t)
	var tx records.Tx
	outbox.Enqueue(&tx, outbox.Task{Kind: taskPlaces, Connection: "shop",
		Key: "shopify:shop:820982911946154508", CreatedAt: w.sim.Now()})
	_, err := w.store.Submit(w.ctx, &tx)
	require.NoError(t, err)
	require.Equal(t, Taken, w.send("orders/create", "w1", w.orderText(nil)))
	require.Len(t, w.order("820982911946154508").Lines, 1)
}

const placesOfOrder = taskPlaces + ":shopify:shop:820982911946154508"
