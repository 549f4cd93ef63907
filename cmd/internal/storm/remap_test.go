package storm

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/shopify/shopifytest"
	"holdfast/cmd/internal/client"
)

// remapping is a shop that is on, with one variant that is mapped and one that is not yet.
type remapping struct {
	*world
	t       *testing.T
	variant int64 // of LATE
}

const annex = "annex"

func newRemapping(t *testing.T) *remapping {
	w, err := newWorld(t.Context(), t.TempDir(), 3, shopifytest.Config{Seed: 1,
		Shops: []shopifytest.ShopConfig{{Name: "alpha",
			Locations: []shopifytest.LocationConfig{{Name: theirs}, {Name: annex}},
			Variants: []shopifytest.VariantConfig{
				{SKU: "KNOWN", Price: "1.00", Stock: map[string]int{theirs: 9}},
				{SKU: "LATE", Price: "2.00", Stock: map[string]int{theirs: 50}},
			}}}}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.close()) })
	r := &remapping{world: w, t: t}
	for _, location := range []string{theirs, annex} {
		r.sets("/v1/locations/"+location, dict{"kind": "merchant"})
	}
	r.sets("/v1/channels/alpha", dict{"kind": "shopify", "locations": []string{theirs, annex}})
	for _, sku := range []string{"KNOWN", "P", "Q"} {
		r.sets("/v1/skus/"+sku, dict{"title": sku})
	}
	r.counts("KNOWN", theirs, 5)
	r.counts("P", theirs, 30)
	r.counts("Q", theirs, 12)
	r.counts("Q", annex, 4)
	require.NoError(t, w.connect(t.Context(), 0, map[string]string{theirs: theirs}))
	state, err := w.state(t.Context(), "alpha")
	require.NoError(t, err)
	for _, v := range state.Variants {
		if v.SKU == "LATE" {
			r.variant = v.Variant
		}
	}
	return r
}

func (r *remapping) sets(path string, body any) {
	r.t.Helper()
	require.NoError(r.t, r.put(r.t.Context(), path, body))
}

// counts sets what is on hand.
func (r *remapping) counts(sku, location string, n int64) {
	r.t.Helper()
	require.NoError(r.t, r.nodes.do(r.t.Context(), client.Call{Method: "POST", Path: "/v1/stock",
		Body: client.StockChanges{Changes: []client.StockChange{{SKU: sku, Location: location, Set: &n,
			Source: "wms"}}}, Key: fmt.Sprint(sku, location, n)}, nil))
}

// maps says that LATE is a SKU of ours, as a person does: without its inventory item.
func (r *remapping) maps(sku string) {
	r.t.Helper()
	require.NoError(r.t, r.nodes.do(r.t.Context(), client.Call{Method: "PUT", Path: "/v1/mappings",
		Query: url.Values{"replace": {"true"}}, Key: "map-" + sku,
		Body: dict{"rows": []dict{{"sku": sku, "connection": "alpha", "variant_id": r.variant}}}}, nil))
}

// shows waits until the shop shows so many units of a variant at a location.
func (r *remapping) shows(sku, location string, n int64) {
	r.t.Helper()
	require.NoError(r.t, until(r.t.Context(), time.Minute, func() error {
		got, err := r.available(sku, location)
		if err == nil && got != n {
			err = fmt.Errorf("%d units of %s at %s, and not %d; %+v", got, sku, location, n,
				r.listings(""))
		}
		return err
	}))
}

func (r *remapping) available(sku, location string) (int64, error) {
	state, err := r.state(context.WithoutCancel(r.t.Context()), "alpha")
	for _, l := range state.Levels {
		if l.SKU == sku && l.Location == location {
			return l.Available, err
		}
	}
	return 0, err
}

func (r *remapping) listings(sku string) []listing {
	r.t.Helper()
	all, err := pages[listing](r.t.Context(), r.nodes, "/v1/listings", url.Values{"sku": {sku}})
	require.NoError(r.t, err)
	return all
}

// TestSlotsFollowWhatIsMapped maps a variant when its shop has long been on, sells it, maps it to another
// SKU while the leader dies, gives the shop another location, and unmaps it.
func TestSlotsFollowWhatIsMapped(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	r := newRemapping(t)
	r.shows("KNOWN", theirs, 5)
	r.shows("LATE", theirs, 50)
	require.Len(t, r.listings(""), 1)

	r.maps("P")
	r.shows("LATE", theirs, 30)
	require.NoError(t, r.control(t.Context(), "/_sim/sales", shopifytest.Sales{Shop: "alpha", Count: 3,
		Lines: []shopifytest.SaleLine{{SKU: "LATE"}}}, nil))
	r.shows("LATE", theirs, 27)
	r.counts("P", theirs, 40)
	r.shows("LATE", theirs, 37) // 3 of them are promised

	victim, err := r.nodes.leader(t.Context(), -1)
	require.NoError(t, err)
	r.maps("Q")
	r.nodes.kill(victim)
	r.shows("LATE", theirs, 12)
	require.NoError(t, r.nodes.start(t.Context(), victim))
	require.Empty(t, r.listings("P"))

	both := map[string]string{theirs: theirs, annex: annex}
	require.NoError(t, r.connect(t.Context(), 0, both))
	r.shows("LATE", annex, 4)
	require.Len(t, r.listings(""), 4)

	require.NoError(t, r.nodes.do(t.Context(), client.Call{Method: "DELETE", Path: "/v1/mappings",
		Query: url.Values{"connection": {"alpha"}, "variant_id": {fmt.Sprint(r.variant)}}}, nil))
	require.NoError(t, until(t.Context(), time.Minute, func() error {
		if n := len(r.listings("Q")); n > 0 {
			return fmt.Errorf("%d slots of Q are left", n)
		}
		return nil
	}))
	r.counts("Q", theirs, 1)
	r.counts("KNOWN", theirs, 6)
	r.shows("KNOWN", theirs, 6)
	left, err := r.available("LATE", theirs)
	require.NoError(t, err)
	require.EqualValues(t, 12, left, "what is mapped to nothing is left alone")
}
