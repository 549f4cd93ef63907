package amazon

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/adapters/amazon/queue"
	"holdfast/adapters/connections"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

// told is a message about an order.
type told struct {
	id, order, status, by, kind string
	seller, market              string
	at                          time.Time
	items                       []string
}

func item(id, sku string, qty, shipped int, asked bool) string {
	return fmt.Sprintf(`{"OrderItemId":%q,"SellerSKU":%q,"Quantity":%d,"QuantityShipped":%d,"IsBuyerRequestedCancel":%t}`,
		id, sku, qty, shipped, asked)
}

func (m told) body() queue.Message {
	if m.seller == "" {
		m.seller = "SELLER"
	}
	if m.market == "" {
		m.market = market
	}
	if m.by == "" {
		m.by = "MFN"
	}
	at := m.at.Format(time.RFC3339Nano)
	return queue.Message{ID: "sqs-" + m.id, Tries: 1, Body: []byte(fmt.Sprintf(`{"NotificationType":"ORDER_CHANGE",
		"PayloadVersion":"1.0","EventTime":%q,"Payload":{"OrderChangeNotification":{"SellerId":%q,"AmazonOrderId":%q,
		"OrderChangeType":%q,"OrderChangeTrigger":{"TimeOfOrderChange":%q},"Summary":{"MarketplaceId":%q,"OrderStatus":%q,
		"PurchaseDate":"2026-11-23T12:00:00Z","FulfillmentType":%q,"OrderItems":[%s]}}},
		"NotificationMetadata":{"NotificationId":%q}}`, at, m.seller, m.order, m.kind, at, m.market, m.status, m.by,
		strings.Join(m.items, ","), m.id))}
}

func (w *world) take(m told) error {
	m.at = w.Now()
	return w.sellers.Take(w.ctx, "amz", m.body())
}

// read does the readings that are queued.
func (w *world) read() {
	for _, key := range w.tasks(taskRead) {
		f, err := w.sellers.Do(w.ctx, outbox.Task{Kind: taskRead, Connection: "amz", Key: key})
		require.NoError(w.t, err)
		require.Nil(w.t, f.Also)
		_, err = records.Retry(w.ctx, w.store, func(tx *records.Tx) error {
			tx.Drop(records.Tasks, outbox.ID(taskRead, key, ""), 0)
			return nil
		})
		require.NoError(w.t, err)
	}
}

func TestAMessagePromisesWithoutACall(t *testing.T) {
	w := newWorld(t)
	m := told{id: "n1", order: "111-1", status: "Pending", items: []string{item("i1", "AZ-A", 3, 0, false)}}
	for range 3 {
		require.NoError(t, w.take(m), "the same again")
	}
	m.id = "n2"
	require.NoError(t, w.take(m), "and another copy")
	assert.EqualValues(t, 97, w.available("A"))
	assert.True(t, w.order("111-1").Pending)
	assert.Empty(t, w.asked)
	assert.Empty(t, w.tasks(taskRead))
	assert.True(t, w.watermark().IsZero(), "a message proves nothing")

	// It is paid: price and address are read, and only then the others are told.
	o := w.place("111-1", "UNSHIPPED", line("i1", "AZ-A", 3))
	o.created = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	w.advance(time.Minute)
	require.NoError(t, w.take(told{id: "n3", order: "111-1", status: "Unshipped", items: m.items}))
	assert.Empty(t, w.tasks("shopify.order"))
	assert.Equal(t, []string{"amazon:amz:111-1"}, w.tasks(taskRead))
	w.read()
	assert.Equal(t, []string{"amazon:amz:111-1"}, w.tasks("shopify.order"))
	assert.EqualValues(t, 97, w.available("A"))
	require.NoError(t, w.take(m), "a late one of before")
	assert.Empty(t, w.tasks(taskRead), "says nothing new")
	assert.EqualValues(t, 97, w.available("A"))
	assert.Empty(t, w.open())
}

func TestAMessageOfACancellationGivesBack(t *testing.T) {
	w := newWorld(t)
	o := w.place("111-1", "UNSHIPPED", line("i1", "AZ-A", 3))
	w.advance(5 * time.Minute)
	w.sweep(byCreation)
	assert.EqualValues(t, 97, w.available("A"))
	cancelled := told{id: "n1", order: "111-1", status: "Canceled", items: []string{item("i1", "AZ-A", 0, 0, false)}}
	require.NoError(t, w.take(cancelled))
	require.NoError(t, w.take(cancelled))
	assert.EqualValues(t, 100, w.available("A"))
	got := w.order("111-1")
	assert.Equal(t, orders.Cancelled, got.State)
	assert.EqualValues(t, 3, got.Lines[0].Ordered, "what it was is not forgotten")
	w.touch(o, func(o *fakeOrder) { o.status, o.items = "CANCELLED", line("i1", "AZ-A", 0) })
	w.advance(5 * time.Minute)
	w.sweep(byChange)
	assert.EqualValues(t, 100, w.available("A"))
	require.NoError(t, w.take(told{id: "n2", order: "111-9", status: "Canceled", items: cancelled.items}))
	assert.Equal(t, orders.Cancelled, w.order("111-9").State, "the first that is heard of it")
	assert.EqualValues(t, 100, w.available("A"))
	require.NoError(t, w.take(told{id: "n3", order: "111-9", status: "Pending",
		items: []string{item("i1", "AZ-A", 4, 0, false)}}), "and then a late one")
	assert.EqualValues(t, 100, w.available("A"))
}

func TestACancellationKeepsWhatHasLeft(t *testing.T) {
	w := newWorld(t)
	w.place("111-1", "PARTIALLY_SHIPPED", line("i1", "AZ-A", 3, `,"fulfillment":{"quantityFulfilled":1,"quantityUnfulfilled":2}`))
	w.advance(5 * time.Minute)
	w.sweep(byCreation)
	require.NoError(t, w.take(told{id: "n1", order: "111-1", status: "Canceled"}))
	assert.EqualValues(t, 99, w.available("A"))
	assert.EqualValues(t, 1, w.order("111-1").Lines[0].Shipped)
}

func TestWhatOnlyAReadingTellsIsRead(t *testing.T) {
	for name, m := range map[string]told{
		"shipped":        {status: "Shipped", items: []string{item("i1", "AZ-A", 1, 1, false)}},
		"partly":         {status: "PartiallyShipped", items: []string{item("i1", "AZ-A", 2, 1, false)}},
		"unpaid invoice": {status: "InvoiceUnconfirmed", items: []string{item("i1", "AZ-A", 1, 0, false)}},
		"somebody new":   {status: "Pending", by: "DRONE", items: []string{item("i1", "AZ-A", 1, 0, false)}},
		"no lines":       {status: "Unshipped"},
	} {
		w := newWorld(t)
		m.id, m.order = "n", "111-1"
		require.NoError(t, w.take(m))
		assert.Equal(t, []string{"amazon:amz:111-1"}, w.tasks(taskRead), name)
		if name != "unpaid invoice" {
			assert.EqualValues(t, 100, w.available("A"), "%s: what has left is not promised", name)
		}
		_, err := w.sellers.Do(w.ctx, outbox.Task{Kind: taskRead, Connection: "amz", Key: "amazon:amz:111-1"})
		v := outbox.Classify(err)
		assert.Equal(t, "transient", string(v.Class), "Amazon may not show it yet")
		assert.False(t, v.Unknown)
	}
}

func TestABuyersWishIsPassedOnOnce(t *testing.T) {
	w := newWorld(t)
	o := w.place("111-1", "UNSHIPPED", line("i1", "AZ-A", 1))
	w.advance(5 * time.Minute)
	w.sweep(byCreation)
	m := told{id: "n1", order: "111-1", status: "Unshipped", kind: "BuyerRequestedChange",
		items: []string{item("i1", "AZ-A", 1, 0, true)}}
	require.NoError(t, w.take(m))
	assert.Equal(t, []string{"buyer-asks"}, w.order("111-1").Holds)
	assert.EqualValues(t, 99, w.available("A"), "it stays promised")
	_, err := w.book.Decide(w.ctx, "amazon:amz:111-1", "someone", false)
	require.NoError(t, err)
	require.NoError(t, w.take(m))
	w.touch(o, func(o *fakeOrder) {
		o.items = line("i1", "AZ-A", 1, `,"cancellation":{"cancellationRequest":{"requester":"BUYER","cancelReason":"LATE"}}`)
	})
	w.advance(5 * time.Minute)
	w.sweep(byChange)
	assert.Empty(t, w.order("111-1").Holds, "it was declined, and Amazon shows it for ever")

	w.place("111-2", "UNSHIPPED", o.items)
	w.advance(5 * time.Minute)
	w.sweep(byCreation)
	assert.Equal(t, []string{"buyer-asks"}, w.order("111-2").Holds, "a sweep finds it too")
}

func TestWhatIsOfOthersIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	items := []string{item("i1", "AZ-A", 3, 0, false)}
	require.NoError(t, w.take(told{id: "n1", order: "111-1", status: "Unshipped", by: "AFN", items: items}))
	require.NoError(t, w.take(told{id: "n2", order: "111-2", status: "Pending", market: "A1F83G8C2ARO7P", items: items}))
	assert.Empty(t, w.open())
	require.NoError(t, w.take(told{id: "n3", order: "111-3", status: "Pending", seller: "SOMEBODY", items: items}))
	assert.Equal(t, []string{"other-seller"}, w.open())
	require.NoError(t, w.sellers.Take(w.ctx, "amz", queue.Message{ID: "1", Body: []byte(
		`{"NotificationType":"PRICING_HEALTH","EventTime":"2026-11-23T12:00:00Z"}`)}))
	assert.EqualValues(t, 100, w.available("A"))
	assert.Empty(t, w.tasks(taskRead))
}

func TestAMalformedMessageIsKeptWithItsBody(t *testing.T) {
	w := newWorld(t)
	body := `{"NotificationType":"ORDER_CHANGE","EventTime":"soon"` + "\x00\xff" + strings.Repeat("x", 60_000)
	m := queue.Message{ID: "7", Body: []byte(body)}
	err := w.sellers.Take(w.ctx, "amz", m)
	var bad interface{ Malformed() bool }
	require.ErrorAs(t, err, &bad)
	require.True(t, bad.Malformed())
	require.NoError(t, w.sellers.Keep(w.ctx, "amz", m, err))
	require.NoError(t, w.sellers.Keep(w.ctx, "amz", m, err))
	assert.Equal(t, []string{"bad-message"}, w.open())
	rows, _, err := w.store.List(w.ctx, records.Exceptions, "", "", 10)
	require.NoError(t, err)
	e, err := records.Decode[exceptions.Exception](rows[0])
	require.NoError(t, err)
	var kept struct {
		Bytes int
		Body  string
	}
	require.NoError(t, json.Unmarshal(e.Payload, &kept))
	assert.Equal(t, len(body), kept.Bytes)
	assert.True(t, strings.HasPrefix(kept.Body, `{"NotificationType":"ORDER_CHANGE"`))
}

// TestAnyOrderOfMessagesAndSweepsEndsAlike takes the life of an order in, in every order of three
// messages and two sweeps, and looks at the end.
func TestAnyOrderOfMessagesAndSweepsEndsAlike(t *testing.T) {
	for perm := range 120 {
		w := newWorld(t)
		items := []string{item("i1", "AZ-A", 3, 0, false)}
		w.place("111-1", "CANCELLED", line("i1", "AZ-A", 0)).created = w.now
		w.touch(w.orders[0], func(*fakeOrder) {})
		steps := []func(){
			func() { require.NoError(t, w.take(told{id: "a", order: "111-1", status: "Pending", items: items})) },
			func() { require.NoError(t, w.take(told{id: "b", order: "111-1", status: "Unshipped", items: items})) },
			func() { require.NoError(t, w.take(told{id: "c", order: "111-1", status: "Canceled", items: items})) },
			func() { w.advance(6 * time.Minute); w.sweep(byCreation) },
			func() { w.advance(6 * time.Minute); w.sweep(byChange) },
		}
		for n, k := len(steps), perm; n > 0; n-- {
			i := k % n
			k /= n
			steps[i]()
			steps[i], steps[n-1] = steps[n-1], steps[i]
		}
		w.read()
		assert.EqualValues(t, 100, w.available("A"), perm)
		assert.Equal(t, orders.Cancelled, w.order("111-1").State, perm)
		assert.Empty(t, w.tasks("shopify.order"), perm)
	}
}

func TestWhoFulfilsMustBeSaid(t *testing.T) {
	conn := newWorld(t).conn
	found := Obstacles(conn)
	require.Len(t, found, 1)
	assert.Equal(t, connections.FulfilmentModel, found[0].Code)
	assert.Equal(t, []string{"na"}, found[0].Names)
	conn.Settings = []byte(`{"fulfilment":"both"}`)
	assert.Empty(t, Obstacles(conn))
}

func TestTheDocumentOfAConnectionIsChecked(t *testing.T) {
	good := newWorld(t).conn
	good.Endpoint = ""
	require.NoError(t, checkSettings(good))
	for want, change := range map[string]func(c *connections.Connection){
		"account":               func(c *connections.Connection) { c.Account = "" },
		"marketplaces":          func(c *connections.Connection) { c.Marketplaces = nil },
		"marketplaces[0]":       func(c *connections.Connection) { c.Marketplaces = []string{"XX"} },
		"marketplaces[1]":       func(c *connections.Connection) { c.Marketplaces = []string{market, "A1PA6795UKMFR9"} },
		"settings.region":       func(c *connections.Connection) { c.Settings = []byte(`{"region":"moon"}`) },
		"settings.channels":     func(c *connections.Connection) { c.Settings = []byte(`{"channels":{"X":"a"}}`) },
		"settings.fulfilment":   func(c *connections.Connection) { c.Settings = []byte(`{"fulfilment":"x"}`) },
		"settings.speed":        func(c *connections.Connection) { c.Settings = []byte(`{"speed":-1}`) },
		"settings: must":        func(c *connections.Connection) { c.Settings = []byte(`{"speed":"x"}`) },
		"endpoint":              func(c *connections.Connection) { c.Endpoint = "http://example.com" },
		"secrets.refresh_token": func(c *connections.Connection) { c.Secrets = nil },
		"secrets.aws_access_key_id": func(c *connections.Connection) {
			c.Settings = []byte(`{"queue":"https://sqs.us-east-1.amazonaws.com/1/q"}`)
		},
		"settings.queue_region": func(c *connections.Connection) { c.Settings = []byte(`{"queue":"https://q.example/1/q"}`) },
		"standard queue": func(c *connections.Connection) {
			c.Settings = []byte(`{"queue":"https://sqs.us-east-1.amazonaws.com/1/q.fifo"}`)
		},
		"settings.queue: must":      func(c *connections.Connection) { c.Settings = []byte(`{"queue":"http://example.com/q"}`) },
		"settings.queue: is needed": func(c *connections.Connection) { c.Settings = []byte(`{"queue_arn":"x"}`) },
	} {
		c := good
		change(&c)
		assert.ErrorContains(t, Kind{}.Check(c), want, want)
	}
}
