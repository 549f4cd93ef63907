package amazon

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/amazon/spapitest"
	"holdfast/engine"
)

// patchesASecond and patchBurst are Amazon's published limit of patchListingsItem for an account.
const patchesASecond, patchBurst = 5, 5

// converging has all listings change at once, one of so many in a way that may not wait: those fall to a
// number that is soon sold out. It returns how long it takes until Amazon shows all of it, and how long
// it takes at best: what is urgent goes at the published limit of patches, whatever else is done.
func converging(t *testing.T, n, every int) (took, best time.Duration) {
	all := many(n)
	timing := spapitest.Usual()
	timing.Patch = spapitest.Span{} // Amazon's own delay is no part of what we can do
	timing.FeedMessage = spapitest.Span{Min: 20, Max: 60}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newStock(ctx, t, stockConfig{accounts: []spapitest.AccountConfig{us(all...)}, have: 100, timing: &timing})
		defer w.sim.Close()
		defer w.running.Wait()
		defer cancel()
		w.begin()
		for ready := false; !ready; { // each was read once, so that the first numbers are known
			time.Sleep(10 * time.Minute)
			ready = true
			for _, i := range []int{0, n / 3, n / 2, n - 1} {
				s, ok := w.slot("us", all[i].SKU)
				ready = ready && ok && s.Known
			}
		}
		time.Sleep(time.Hour)
		want := make([]int64, n)
		began, urgent := time.Now(), 0
		for i := range all {
			if want[i] = 60; i%every == 0 {
				want[i] = 7
				urgent++
			}
			w.set(all[i].SKU, want[i])
		}
		best = time.Duration(urgent-patchBurst) * time.Second / patchesASecond
		for left := n; left > 0; {
			time.Sleep(time.Second)
			if left = 0; time.Since(began) > 12*time.Hour {
				t.Fatal("it does not converge")
			}
			for i := range all {
				if w.listing("us", all[i].SKU).Quantity != want[i] {
					left++
					if left > 3 {
						break
					}
				}
			}
		}
		took = time.Since(began)
		throttled := 0
		for _, e := range w.sim.Journal(spapitest.Filter{Kind: "request"}) {
			if e.Status == 429 {
				throttled++
			}
		}
		require.Less(t, throttled, 10, "calls over the limit")
	})
	return took, best
}

// TestItConvergesAsFastAsTheLimitsPermit: within a fifth of the best that the published limits permit.
// HOLDFAST_LISTINGS=50000 makes it as large as a large seller.
func TestItConvergesAsFastAsTheLimitsPermit(t *testing.T) {
	n, every := 4_000, 2
	if text := os.Getenv("HOLDFAST_LISTINGS"); text != "" {
		n, _ = strconv.Atoi(text)
		every = 10
	}
	took, best := converging(t, n, every)
	t.Logf("%d listings: %v, at best %v, ratio %.3f", n, took, best, float64(took)/float64(best))
	require.LessOrEqual(t, float64(took), 1.2*float64(best))
}

// TestTwoChannelsSellTheLastUnits: shops and Amazon sell the same few units together, and Amazon applies
// what it is sent up to ten minutes late. With units set aside nothing is sold twice.
func TestTwoChannelsSellTheLastUnits(t *testing.T) {
	const skus = 8
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			var all []spapitest.ListingConfig
			for i := range skus {
				c := own(fmt.Sprintf("L%d", i))
				c.Quantity = 0
				all = append(all, c)
			}
			cfg := stockConfig{accounts: []spapitest.AccountConfig{us(all...)}, have: 12, mode: engine.Dedicated,
				seed: seed + 1}
			inBubble(t, cfg, func(t *testing.T, w *stock) { race(t, w, all, seed) })
		})
	}
}

// race sells until nobody can buy any more.
func race(t *testing.T, w *stock, all []spapitest.ListingConfig, seed uint64) {
	time.Sleep(time.Hour)
	shown := false
	sold := map[string]int64{}
	for turn := range uint64(60) {
		time.Sleep(time.Duration(1+(turn*7+seed*13)%4) * time.Minute)
		for i := range all {
			sku := all[i].SKU
			shown = shown || w.listing("us", sku).Quantity > 0
			if (turn+seed+uint64(i))%3 == 0 {
				_, _ = w.sim.Buy(spapitest.Purchases{Account: "us", Lines: []spapitest.PurchaseLine{{SKU: sku, Qty: 1}}})
			}
			if (turn+seed*5+uint64(i))%4 == 0 && w.shopSells(sku, fmt.Sprintf("web-%d-%d", turn, i)) {
				sold[sku]++
			}
		}
	}
	time.Sleep(2 * time.Hour) // all of it is known
	require.True(t, shown, "Amazon had something to sell")
	amazon := map[string]int64{}
	for _, e := range w.sim.Journal(spapitest.Filter{Kind: "sale"}) {
		amazon[e.SKU] += e.Qty
	}
	require.NotEmpty(t, amazon)
	for i := range all {
		sku := all[i].SKU
		require.LessOrEqual(t, sold[sku]+amazon[sku], int64(12), "%s: %d in shops, %d at Amazon", sku, sold[sku], amazon[sku])
		b := w.balance(sku, "main")
		require.GreaterOrEqual(t, b.Available(), int64(0), sku)
	}
}
