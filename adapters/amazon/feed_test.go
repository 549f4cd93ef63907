package amazon

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/amazon/spapitest"
	"holdfast/adapters/records"
)

func many(n int) (all []spapitest.ListingConfig) {
	for i := range n {
		c := own(fmt.Sprintf("S%05d", i))
		c.Quantity = 100
		all = append(all, c)
	}
	return all
}

// slowFeeds is Amazon with feeds that take a quarter of an hour.
func slowFeeds() *spapitest.Timing {
	t := spapitest.Usual()
	t.FeedWait = spapitest.Span{Min: 15 * 60_000, Max: 15 * 60_000}
	t.Patch = spapitest.Span{Min: 0, Max: 60_000}
	return &t
}

// shows requires that Amazon shows n of each.
func (w *stock) shows(n int64, all []spapitest.ListingConfig) {
	w.t.Helper()
	for i := range all {
		require.Equal(w.t, n, w.listing("us", all[i].SKU).Quantity, all[i].SKU)
	}
}

// unfinished are the feeds that were not seen ended.
func (w *stock) unfinished() int {
	rows, _, err := w.store.List(w.ctx, records.Documents, feedPrefix("us"), "", 100)
	require.NoError(w.t, err)
	return len(rows)
}

// TestManyGoAsOneFeed: when so many wait, they go as a feed; what falls meanwhile is patched at once, and
// again when the feed is done, because the feed came later and put its number over it.
func TestManyGoAsOneFeed(t *testing.T) {
	all := many(1300)
	inBubble(t, stockConfig{accounts: []spapitest.AccountConfig{us(all...)}, have: 100, timing: slowFeeds()},
		func(t *testing.T, w *stock) {
			time.Sleep(2 * time.Hour) // each was read
			require.Zero(t, w.calls("createFeed", ""))
			patched := w.calls("patchListingsItem", "")
			w.setAll(all, 60)
			time.Sleep(5 * time.Minute)
			require.Equal(t, 1, w.calls("createFeed", ""))
			// Some go while the others are still being looked at; most are in the feed.
			require.Less(t, w.calls("patchListingsItem", "")-patched, len(all)/2)
			s, _ := w.slot("us", all[700].SKU)
			require.NotNil(t, s.Bulk)
			w.set(all[700].SKU, 1)
			w.set(all[701].SKU, 80)
			time.Sleep(5 * time.Minute)
			require.Equal(t, int64(1), w.listing("us", all[700].SKU).Quantity, "a fall waits for no feed")
			require.Equal(t, int64(100), w.listing("us", all[701].SKU).Quantity, "a rise does")
			time.Sleep(time.Hour)
			require.Zero(t, w.unfinished())
			require.Equal(t, int64(1), w.listing("us", all[700].SKU).Quantity)
			require.Equal(t, int64(80), w.listing("us", all[701].SKU).Quantity)
			w.set(all[700].SKU, 60)
			w.set(all[701].SKU, 60)
			time.Sleep(time.Hour)
			w.shows(60, all)
			for i := range all {
				require.Equal(t, int64(4), w.listing("us", all[i].SKU).LeadTime)
			}
			require.Empty(t, w.open())
		})
}

// TestAFeedThatFails: what a feed did not do is found there and sent one by one.
func TestAFeedThatFails(t *testing.T) {
	all := many(1100)
	inBubble(t, stockConfig{accounts: []spapitest.AccountConfig{us(all...)}, have: 100, timing: slowFeeds()},
		func(t *testing.T, w *stock) {
			time.Sleep(2 * time.Hour)
			require.NoError(t, w.sim.Break(spapitest.Fault{Kind: spapitest.FaultFeedFatal, Count: 1}))
			w.setAll(all, 60)
			time.Sleep(2 * time.Hour)
			w.shows(60, all)
			require.Zero(t, w.unfinished())
			require.Contains(t, w.open()[0], "feed-refused")
		})
}

// TestAFeedWhoseAnswerIsLost: nobody knows whether it was made, and it is found.
func TestAFeedWhoseAnswerIsLost(t *testing.T) {
	all := many(1100)
	inBubble(t, stockConfig{accounts: []spapitest.AccountConfig{us(all...)}, have: 100, timing: slowFeeds()},
		func(t *testing.T, w *stock) {
			time.Sleep(2 * time.Hour)
			require.NoError(t, w.sim.Break(spapitest.Fault{Kind: spapitest.FaultErrorAfter, Count: 1,
				Operation: "createFeed"}))
			w.setAll(all, 60)
			time.Sleep(2 * time.Hour)
			w.shows(60, all)
			require.Equal(t, 1, w.calls("createFeed", ""), "it was not made again")
			require.Zero(t, w.unfinished())
		})
}

// TestAFeedThatWasNeverMade: the limit, or a call that never came, leaves nothing behind.
func TestAFeedThatWasNeverMade(t *testing.T) {
	all := many(1100)
	inBubble(t, stockConfig{accounts: []spapitest.AccountConfig{us(all...)}, have: 100, timing: slowFeeds()},
		func(t *testing.T, w *stock) {
			time.Sleep(2 * time.Hour)
			w.answer(func(r *http.Request) *http.Response {
				if r.Method == http.MethodPost && r.URL.Path == "/na/feeds/2021-06-30/feeds" {
					return reply(429, `{"errors":[{"code":"QuotaExceeded","message":"You exceeded your quota."}]}`)
				}
				return nil
			})
			w.setAll(all, 60)
			time.Sleep(2 * time.Hour)
			w.shows(60, all)
			require.Zero(t, w.unfinished())
		})
}
