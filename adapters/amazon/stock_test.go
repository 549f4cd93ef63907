package amazon

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/amazon/queue"
	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/amazon/spapitest"
	"holdfast/adapters/connections"
	"holdfast/adapters/mapping"
	"holdfast/engine"
)

// us is a seller in North America.
func us(listings ...spapitest.ListingConfig) spapitest.AccountConfig {
	return spapitest.AccountConfig{Name: "us", Region: "na", SellerID: "AUSSELLER", Listings: listings}
}

// de is a seller in Europe.
func de(listings ...spapitest.ListingConfig) spapitest.AccountConfig {
	return spapitest.AccountConfig{Name: "de", Region: "eu", SellerID: "ADESELLER", Listings: listings}
}

func own(sku string) spapitest.ListingConfig {
	return spapitest.ListingConfig{SKU: sku, Quantity: 3, LeadTime: 4}
}

// TestQuantitiesReachAmazon: what can be sold is shown, handling times stay, and what Amazon sells itself
// causes no call.
func TestQuantitiesReachAmazon(t *testing.T) {
	inBubble(t, stockConfig{accounts: []spapitest.AccountConfig{us(own("A"), own("B"), own("C/1 +"))}, have: 40},
		func(t *testing.T, w *stock) {
			time.Sleep(time.Hour)
			for _, sku := range []string{"A", "B", "C/1 +"} {
				l := w.listing("us", sku)
				require.Equal(t, int64(40), l.Quantity, sku)
				require.Equal(t, int64(4), l.LeadTime, sku)
			}
			before := w.calls("patchListingsItem", "")
			w.buy("us", "A", 2)
			time.Sleep(time.Hour)
			require.Equal(t, int64(38), w.listing("us", "A").Quantity)
			require.Equal(t, int64(2), w.balance("A", "main").Committed)
			require.Equal(t, before, w.calls("patchListingsItem", ""), "an echo")
			w.set("B", 25)
			time.Sleep(30 * time.Minute)
			require.Equal(t, int64(25), w.listing("us", "B").Quantity)
			require.Empty(t, w.open())
		})
}

// TestAmazonsStockIsNeverWritten: not by a mapping that does not say who fulfils, nor by one that does.
func TestAmazonsStockIsNeverWritten(t *testing.T) {
	f, g := own("F"), own("G")
	f.FBA, f.Stock, g.FBA, g.Stock = true, map[string]int64{"": 50}, true, map[string]int64{"": 9}
	cfg := stockConfig{accounts: []spapitest.AccountConfig{us(own("A"), f, g)}, have: 40}
	cfg.rows = []mapping.Row{{SKU: "A", Connection: "us", SellerSKU: "A"}, {SKU: "F", Connection: "us", SellerSKU: "F"},
		{SKU: "G", Connection: "us", SellerSKU: "G", Fulfilment: mapping.Amazon}}
	inBubble(t, cfg, func(t *testing.T, w *stock) {
		w.set("F", 40)
		w.set("G", 40)
		time.Sleep(time.Hour)
		w.set("F", 30)
		time.Sleep(13 * time.Hour) // two full passes
		require.Equal(t, int64(40), w.listing("us", "A").Quantity)
		for _, sku := range []string{"F", "G"} {
			require.Zero(t, w.calls("patchListingsItem", sku))
			require.False(t, w.listing("us", sku).Stranded)
		}
		require.Zero(t, w.calls("createFeed", ""))
		_, ok := w.slot("us", "G")
		require.False(t, ok, "a listing that is mapped as Amazon's has no slot")
		require.Equal(t, []string{"listing-by-amazon F"}, w.open())
		require.Equal(t, int64(50), w.balance("F", "fba-us").OnHand)
		require.Equal(t, int64(30), w.balance("F", "main").OnHand, "the two are never mixed")
	})
}

// TestALevelIsTakenOverWhole: what Amazon has promised to its buyers is held there and nowhere else, and
// its orders take nothing from the ledger by themselves.
func TestALevelIsTakenOverWhole(t *testing.T) {
	f := own("F")
	f.FBA, f.Stock = true, map[string]int64{"": 50}
	cfg := stockConfig{accounts: []spapitest.AccountConfig{us(f)}}
	inBubble(t, cfg, func(t *testing.T, w *stock) {
		time.Sleep(10 * time.Minute)
		require.Equal(t, int64(50), w.balance("F", "fba-us").Available())
		w.buy("us", "F", 3)
		time.Sleep(40 * time.Minute)
		b := w.balance("F", "fba-us")
		require.Equal(t, int64(50), b.OnHand)
		require.Equal(t, int64(3), b.Committed)
		require.Zero(t, w.balance("F", "main"))
		time.Sleep(30 * time.Hour) // it was sent
		require.Equal(t, engine.Balance{OnHand: 47}, w.balance("F", "fba-us"))
	})
}

// TestMessagesOfLevelsAreTakenInTheirOrder: an older one changes nothing, whatever way the newer came.
func TestMessagesOfLevelsAreTakenInTheirOrder(t *testing.T) {
	f := own("F")
	f.FBA, f.Stock = true, map[string]int64{"": 50}
	inBubble(t, stockConfig{accounts: []spapitest.AccountConfig{us(f)}}, func(t *testing.T, w *stock) {
		time.Sleep(time.Minute)
		tell := func(at time.Time, fulfillable, ordered int64) {
			one := func(m string, n int64) map[string]any {
				return map[string]any{"MarketplaceId": m, "FulfillmentInventory": map[string]any{
					"Fulfillable": n, "ReservedQuantityBreakdown": map[string]any{"PendingCustomerOrder": ordered}}}
			}
			body, err := json.Marshal(map[string]any{"NotificationType": spapi.AmazonLevels,
				"EventTime": at.UTC().Format(time.RFC3339Nano), "Payload": map[string]any{"SellerId": "AUSSELLER",
					"SKU": "F", "FNSKU": "X1", "FulfillmentInventoryByMarketplace": []any{
						one("A2EUQ1WTGCTBG2", 999), one("ATVPDKIKX0DER", fulfillable)}}})
			require.NoError(t, err)
			require.NoError(t, w.sellers.Take(w.ctx, "us", queue.Message{ID: "m", Body: body}))
		}
		now := time.Now()
		tell(now.Add(2*time.Second), 40, 5)
		require.Equal(t, int64(45), w.balance("F", "fba-us").OnHand)
		tell(now.Add(time.Second), 44, 1)
		require.Equal(t, int64(5), w.balance("F", "fba-us").Committed)
		require.Equal(t, int64(45), w.balance("F", "fba-us").OnHand)
		tell(now.Add(3*time.Second), 40, 0)
		require.Equal(t, engine.Balance{OnHand: 40}, w.balance("F", "fba-us"))
	})
}

// TestARefusalIsAFailure: 200 with INVALID sends nothing and says so; what is mended goes out by itself.
func TestARefusalIsAFailure(t *testing.T) {
	inBubble(t, stockConfig{accounts: []spapitest.AccountConfig{us(own("A"), own("B"))}, have: 40},
		func(t *testing.T, w *stock) {
			w.answer(func(r *http.Request) *http.Response {
				if r.Method != http.MethodPatch || !strings.HasSuffix(r.URL.Path, "/A") {
					return nil
				}
				return reply(200, `{"sku":"A","status":"INVALID","submissionId":"x","issues":[{"code":"90220",`+
					`"message":"'main' is required","severity":"ERROR","categories":["MISSING_ATTRIBUTE"]}]}`)
			})
			time.Sleep(time.Hour)
			require.Equal(t, int64(40), w.listing("us", "B").Quantity)
			s, _ := w.slot("us", "A")
			require.Equal(t, spapi.CodeInvalid, s.Blocked)
			require.Contains(t, w.told(), "us/A "+spapi.CodeInvalid)
			w.answer(nil)
			time.Sleep(time.Hour)
			require.Equal(t, int64(40), w.listing("us", "A").Quantity)
		})
}

// TestTheLimitRules: many quantities go out as fast as the limit lets them and no faster, and calls that
// Amazon turns away are made again.
func TestTheLimitRules(t *testing.T) {
	var all []spapitest.ListingConfig
	for i := range 300 {
		all = append(all, own(fmt.Sprintf("S%03d", i)))
	}
	inBubble(t, stockConfig{accounts: []spapitest.AccountConfig{us(all...)}, have: 40},
		func(t *testing.T, w *stock) {
			time.Sleep(time.Hour)
			require.NoError(t, w.sim.Break(spapitest.Fault{Kind: spapitest.FaultThrottled, Percent: 5,
				Operation: "patchListingsItem"}))
			for i := range all {
				w.set(all[i].SKU, 15)
			}
			time.Sleep(30 * time.Minute)
			for i := range all {
				require.Equal(t, int64(15), w.listing("us", all[i].SKU).Quantity)
			}
			for _, e := range w.sim.Journal(spapitest.Filter{Kind: "request", Op: "patchListingsItem"}) {
				require.True(t, e.Status != 429 || e.Fault != "", "over the limit: %+v", e)
			}
		})
}

// TestOneRegionIsDown: the other one goes on as if nothing were, and the one that was down catches up.
func TestOneRegionIsDown(t *testing.T) {
	inBubble(t, stockConfig{accounts: []spapitest.AccountConfig{us(own("A")), de(own("E"))}, have: 40},
		func(t *testing.T, w *stock) {
			time.Sleep(time.Hour)
			w.switched("eu", true)
			w.set("A", 20)
			w.set("E", 20)
			time.Sleep(11 * time.Minute)
			require.Equal(t, int64(20), w.listing("us", "A").Quantity)
			require.Equal(t, int64(40), w.listing("de", "E").Quantity)
			w.switched("eu", false)
			time.Sleep(time.Hour)
			require.Equal(t, int64(20), w.listing("de", "E").Quantity)
		})
}

// TestSlotsFollowTheRows: a seller SKU that is mapped to another SKU shows that one, and one that is not
// mapped any more has no slot.
func TestSlotsFollowTheRows(t *testing.T) {
	inBubble(t, stockConfig{accounts: []spapitest.AccountConfig{us(own("A"), own("B"))}, have: 40},
		func(t *testing.T, w *stock) {
			time.Sleep(time.Hour)
			w.set("B", 7)
			_, err := w.table.Put(w.ctx, mapping.Lines([]mapping.Row{{SKU: "B", Connection: "us", SellerSKU: "A"}}),
				mapping.PutOptions{Replace: true})
			require.NoError(t, err)
			time.Sleep(time.Hour)
			require.Equal(t, int64(7), w.listing("us", "A").Quantity)
			_, err = w.table.Delete(w.ctx, mapping.SellerRef("us", "", "A"), nil)
			require.NoError(t, err)
			time.Sleep(time.Minute)
			_, ok := w.slot("us", "A")
			require.False(t, ok)
			w.set("B", 5)
			time.Sleep(time.Hour)
			require.Equal(t, int64(7), w.listing("us", "A").Quantity, "what it shows stays as it is")
			require.Equal(t, int64(5), w.listing("us", "B").Quantity)
		})
}

// late is Amazon with patches that take effect ten minutes later.
func late() *spapitest.Timing {
	t := spapitest.Usual()
	t.Patch = spapitest.Span{Min: 10 * 60_000, Max: 10 * 60_000}
	return &t
}

// TestAPatchThatIsLateIsSentOnce: what is there before it is in effect is nobody's edit.
func TestAPatchThatIsLateIsSentOnce(t *testing.T) {
	inBubble(t, stockConfig{accounts: []spapitest.AccountConfig{us(own("A"))}, have: 40, timing: late()},
		func(t *testing.T, w *stock) {
			time.Sleep(time.Hour)
			before := w.calls("patchListingsItem", "A")
			w.set("A", 25)
			time.Sleep(9 * time.Minute)
			require.Equal(t, int64(40), w.listing("us", "A").Quantity)
			require.True(t, w.pub.Pass("us")) // reads it in the midst
			time.Sleep(2 * time.Hour)
			require.Equal(t, int64(25), w.listing("us", "A").Quantity)
			require.Equal(t, before+1, w.calls("patchListingsItem", "A"))
			s, _ := w.slot("us", "A")
			require.Nil(t, s.Drift)
			require.Nil(t, s.Sent)
		})
}

// TestASaleBeforeAPatchIsInEffect: Amazon sells, and then takes a quantity over it that knew nothing of
// the sale. It is found by the reading that follows each quantity, and put right.
func TestASaleBeforeAPatchIsInEffect(t *testing.T) {
	inBubble(t, stockConfig{accounts: []spapitest.AccountConfig{us(own("A"))}, have: 40, timing: late()},
		func(t *testing.T, w *stock) {
			time.Sleep(time.Hour)
			w.set("A", 25)
			time.Sleep(time.Minute)
			w.buy("us", "A", 3)
			time.Sleep(2 * time.Hour)
			require.Equal(t, int64(3), w.balance("A", "main").Committed)
			require.Equal(t, int64(22), w.listing("us", "A").Quantity)
		})
}

// TestACancellationPutsUnitsBack: Amazon offers them again by itself, and nothing is sent for it.
func TestACancellationPutsUnitsBack(t *testing.T) {
	inBubble(t, stockConfig{accounts: []spapitest.AccountConfig{us(own("A"))}, have: 40},
		func(t *testing.T, w *stock) {
			time.Sleep(2 * time.Hour)
			before := w.calls("patchListingsItem", "A")
			id := w.buy("us", "A", 3)
			time.Sleep(15 * time.Minute)
			require.Equal(t, int64(3), w.balance("A", "main").Committed)
			_, err := w.sim.Cancel(spapitest.Cancels{Account: "us", Orders: []string{id}})
			require.NoError(t, err)
			require.True(t, w.pub.Pass("us"))
			time.Sleep(2 * time.Hour)
			require.Zero(t, w.balance("A", "main").Committed)
			require.Equal(t, int64(40), w.listing("us", "A").Quantity)
			require.Equal(t, before, w.calls("patchListingsItem", "A"))
		})
}

// TestAnEditAtAmazonIsPutRight: a number that somebody wrote there is found by the full pass.
func TestAnEditAtAmazonIsPutRight(t *testing.T) {
	inBubble(t, stockConfig{accounts: []spapitest.AccountConfig{us(own("A"))}, have: 40},
		func(t *testing.T, w *stock) {
			time.Sleep(2 * time.Hour)
			n := int64(99)
			_, err := w.sim.Edit(spapitest.Edits{Account: "us", Listings: []spapitest.ListingEdit{{SKU: "A", Quantity: &n}}})
			require.NoError(t, err)
			time.Sleep(7 * time.Hour)
			require.Equal(t, int64(40), w.listing("us", "A").Quantity)
			s, _ := w.slot("us", "A")
			require.Equal(t, "edit", s.Drift.Cause)
		})
}

// TestAListingThatBecomesAmazons: from the moment that the sweep of levels has seen it nothing is sent.
func TestAListingThatBecomesAmazons(t *testing.T) {
	inBubble(t, stockConfig{accounts: []spapitest.AccountConfig{us(own("A"), own("B"))}, have: 40},
		func(t *testing.T, w *stock) {
			time.Sleep(time.Hour)
			_, err := w.sim.Edit(spapitest.Edits{Account: "us", Listings: []spapitest.ListingEdit{{SKU: "A", ToFBA: true}}})
			require.NoError(t, err)
			_, err = w.sim.Edit(spapitest.Edits{Account: "us", Stock: []spapitest.StockEdit{{SKU: "A",
				Set: map[string]int64{"fulfillable": 5}}}})
			require.NoError(t, err)
			time.Sleep(30 * time.Minute)
			before := w.calls("patchListingsItem", "A")
			w.set("A", 11)
			time.Sleep(2 * time.Hour)
			require.Equal(t, before, w.calls("patchListingsItem", "A"))
			require.False(t, w.listing("us", "A").Stranded)
			require.Contains(t, w.open(), "listing-by-amazon A")
			require.Equal(t, int64(5), w.balance("A", "fba-us").OnHand)
		})
}

// TestSeveralChannelsOfOneNumber: a seller SKU that several marketplaces list has one number, which is the
// lowest that any of their channels may show.
func TestSeveralChannelsOfOneNumber(t *testing.T) {
	a := us(own("A"))
	a.Marketplaces = []string{"US", "CA"}
	cfg := stockConfig{accounts: []spapitest.AccountConfig{a}, have: 40}
	cfg.change = func(c *connections.Connection) {
		c.Marketplaces = []string{market, other}
		c.Settings = json.RawMessage(`{"channels":{"` + other + `":"canada"},"fulfilment":"merchant"}`)
	}
	inBubble(t, cfg, func(t *testing.T, w *stock) {
		w.store.Define(t, &engine.DefineChannel{Channel: "canada", Kind: engine.ChannelAmazon, Publish: engine.Pooled, Split: true,
			Locations: []engine.Name{"main"}, Rules: engine.Rules{Buffer: 15}})
		time.Sleep(2 * time.Hour)
		s, _ := w.slot("us", "A")
		require.Equal(t, []string{"canada"}, s.Also)
		require.Equal(t, int64(25), w.listing("us", "A").Quantity)
	})
}
