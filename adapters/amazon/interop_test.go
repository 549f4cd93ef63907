package amazon

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/amazon/spapitest"
	"holdfast/adapters/connections"
	"holdfast/adapters/orders"
)

// interop is a seller of the simulator: real HTTP, real SQS protocol, every call held to the models.
type interop struct {
	*world
	sim  *spapitest.Server
	wire *wire
}

func newInterop(t *testing.T, timing *spapitest.Timing) *interop {
	sim, err := spapitest.New(spapitest.Config{Manual: true, Timing: timing,
		Accounts: []spapitest.AccountConfig{{Name: "us", Region: "na", Marketplaces: []string{market},
			Listings: []spapitest.ListingConfig{
				{SKU: "AZ-A", ASIN: "B000000001", Price: "10.00", Quantity: 50, LeadTime: 2},
				{SKU: "AZ-B", ASIN: "B000000002", Price: "10.00", FBA: true,
					Stock: map[string]int64{"": 50}}}}}})
	require.NoError(t, err)
	require.NoError(t, sim.Start())
	t.Cleanup(sim.Close)
	login := sim.Logins()[0]
	st, err := sim.State("us")
	require.NoError(t, err)
	w := newWorld(t, func(c *connections.Connection) {
		c.Endpoint, c.Account, c.Marketplaces = sim.Endpoint("na"), st.SellerID, []string{market}
		c.Settings, err = json.Marshal(Settings{TokenEndpoint: sim.TokenURL(), Recipient: true,
			Queue: sim.QueueURL(login.Queue), QueueEndpoint: sim.QueueEndpoint(),
			QueueRegion: "us-east-1", QueueARN: sim.QueueARN(login.Queue)})
		require.NoError(t, err)
		c.Secrets[secretKeyID], c.Secrets[secretKey] = "env:A", "env:B"
		c.OrdersFrom = st.At.Add(-time.Hour)
	})
	x := &interop{world: w, sim: sim, wire: newWire(t)}
	x.pass(0)
	env := map[string]string{"ID": login.ClientID, "SECRET": login.ClientSecret,
		"TOKEN": login.RefreshToken, "A": "AKID", "B": "x"}
	w.sellers, err = New(Config{Store: w.store, Registry: w, Book: w.book, Now: w.Now,
		HTTP:    &http.Client{Transport: x.wire},
		Environ: func(n string) (string, bool) { return env[n], true },
		Pause:   func(ctx context.Context, d time.Duration) error { x.pass(d); return ctx.Err() }})
	require.NoError(t, err)
	return x
}

// pass lets time pass, on both sides.
func (x *interop) pass(d time.Duration) {
	x.sim.Advance(d)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now = x.sim.Now()
}

// listen reads the queue until it is empty, as the consumer of a node does. Time passes while messages
// are in flight, so that those that failed come again.
func (x *interop) listen() {
	x.t.Helper()
	c, err := x.sellers.consumer(x.seller())
	require.NoError(x.t, err)
	ctx, cancel := context.WithCancel(x.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Run(ctx) // ends with the context only
	}()
	defer func() { cancel(); <-ended }()
	require.Eventually(x.t, func() bool {
		st, err := x.sim.State("us")
		own := st.Queues["holdfast-us"]
		if own.Ready == 0 && own.InFlight > 0 {
			x.pass(time.Second)
		}
		return err == nil && own.Ready+own.InFlight == 0
	}, time.Minute, 5*time.Millisecond)
}

func (x *interop) buy(sku string, qty int64, count int) []spapitest.BoughtOrder {
	x.t.Helper()
	out, err := x.sim.Buy(spapitest.Purchases{Account: "us", Count: count,
		Lines: []spapitest.PurchaseLine{{SKU: sku, Qty: qty}}})
	require.NoError(x.t, err)
	require.Len(x.t, out.Orders, count)
	return out.Orders
}

// TestTheAdapterAndTheSimulatorAgree takes orders through their whole life by messages, readings and
// sweeps, with every request and every answer held to Amazon's models.
func TestTheAdapterAndTheSimulatorAgree(t *testing.T) {
	x := newInterop(t, nil)
	require.NoError(t, (&adapter{all: x.sellers, id: "amz"}).check(x.ctx, x.seller()))
	st, err := x.sim.State("us")
	require.NoError(t, err)
	for kind := range spapi.QueueTypes {
		assert.Contains(t, st.Subscriptions, kind)
	}

	own, fba := x.buy("AZ-A", 2, 5), x.buy("AZ-B", 1, 2)
	x.pass(time.Minute)
	x.listen()
	assert.EqualValues(t, 90, x.available("A"), "pending orders are promised by their messages")
	x.pass(40 * time.Minute)
	x.listen()
	x.read()
	assert.Len(t, x.tasks("shopify.order"), 5, "our own left PENDING and are told to the shop")

	_, err = x.sim.Cancel(spapitest.Cancels{Account: "us", Orders: []string{own[0].ID}})
	require.NoError(t, err)
	x.pass(2 * time.Minute)
	x.listen()
	assert.EqualValues(t, 92, x.available("A"), "what was cancelled is given back")
	x.pass(10 * time.Minute)
	x.sweep(byCreation)
	x.sweep(byChange)
	assert.EqualValues(t, 92, x.available("A"), "the sweeps count nothing twice")
	assert.LessOrEqual(t, x.Now().Sub(x.watermark()), 6*time.Minute)
	assert.EqualValues(t, 100, x.available("B"), "what Amazon fulfils takes nothing of ours")
	assert.Equal(t, "amazon", x.order(fba[0].ID).FulfilledBy)
	assert.Len(t, x.tasks("shopify.order"), 7, "each order once, whoever fulfils it")

	o := x.order(own[1].ID)
	assert.Equal(t, "USD", o.Currency)
	assert.False(t, o.Pending)
	require.NoError(t, x.seller().client.ConfirmShipment(x.ctx, own[1].ID, spapi.Confirmation{
		MarketplaceID: market, Package: 1, CarrierCode: "UPS", Tracking: "T1", Method: "Ground",
		Shipped: x.Now(), Items: []spapi.ShippedItem{{OrderItemID: own[1].Lines[0].ID, Quantity: 2}}}))
	x.pass(10 * time.Minute)
	x.listen()
	x.read()
	assert.Equal(t, orders.Shipped, x.order(own[1].ID).State)
	assert.Empty(t, x.open(), "nothing needed a person")
	x.wire.needs("getMarketplaceParticipations", "createDestination", "createSubscription",
		"searchOrders", "getOrder", "confirmShipment")
}

// TestTheClientAndTheSimulatorAgree makes the calls that go out, and reads reports, with every request
// and every answer held to Amazon's models.
func TestTheClientAndTheSimulatorAgree(t *testing.T) {
	x := newInterop(t, nil)
	c := x.seller().client
	key := spapi.ListingKey{SellerID: x.conn.Account, SKU: "AZ-A", Marketplaces: []string{market}}
	_, err := c.PatchListing(x.ctx, key, spapi.QuantityPatch(7), false)
	require.NoError(t, err)
	x.pass(15 * time.Minute) // a patch takes effect within ten
	l, err := c.Listing(x.ctx, key, spapi.WithAvailability, spapi.WithSummaries)
	require.NoError(t, err)
	assert.EqualValues(t, 7, l.Availability[0].Quantity.Value)
	levels, err := c.Levels(x.ctx, spapi.LevelsQuery{MarketplaceID: market})
	require.NoError(t, err)
	assert.Len(t, levels.Levels, 1)
	bought := x.buy("AZ-A", 1, 3)
	x.pass(time.Hour)
	id, err := c.AskReport(x.ctx, spapi.NewReport{Type: spapi.OrdersReport,
		Marketplaces: []string{market}, From: x.Now().Add(-48 * time.Hour), To: x.Now()})
	require.NoError(t, err)
	r, err := c.Report(x.ctx, id)
	require.NoError(t, err)
	assert.Empty(t, r.Document, "a report takes its time")
	x.pass(10 * time.Minute)
	r, err = c.Report(x.ctx, id)
	require.NoError(t, err)
	doc, err := c.ReportDocument(x.ctx, r.Document)
	require.NoError(t, err)
	table, err := spapi.ReadTable(doc, doc.Charset)
	require.NoError(t, err)
	require.NoError(t, table.Need(spapi.OrderColumns...))
	rows := 0
	for more, err := table.Next(); more; more, err = table.Next() {
		require.NoError(t, err)
		rows++
	}
	assert.Equal(t, len(bought), rows)
	feed, err := c.SendFeed(x.ctx, spapi.NewFeed{Type: spapi.ListingsFeed,
		Marketplaces: []string{market}, ContentType: spapi.JSONFeed, Document: []byte(`{"header":{` +
			`"sellerId":"` + x.conn.Account + `","version":"2.0"},"messages":[]}`)})
	require.NoError(t, err)
	x.pass(10 * time.Minute)
	_, err = c.Feed(x.ctx, feed)
	require.NoError(t, err)
	_, err = c.Feeds(x.ctx, spapi.ListingsFeed, x.Now().Add(-time.Hour))
	require.NoError(t, err)
	_, err = c.Transactions(x.ctx, spapi.Transactions{After: x.Now().Add(-48 * time.Hour)})
	require.NoError(t, err)
	x.wire.needs("patchListingsItem", "getListingsItem", "getInventorySummaries", "createReport",
		"getReport", "getReportDocument", "createFeed", "getFeed", "getFeeds", "listTransactions")
}
