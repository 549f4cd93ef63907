package amazon

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/amazon/spapitest"
	"holdfast/adapters/mapping"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// readCatalogue reads a whole catalogue as a start does: page behind page, and a page again when it is told
// to come later.
func (r *rig) readCatalogue() (rows int) {
	r.t.Helper()
	a, cursor := &adapter{all: r.sellers, id: "amz"}, ""
	for range 100 {
		page, err := a.Catalogue(r.ctx, cursor)
		if err != nil {
			var f *spapi.Fault
			require.ErrorAs(r.t, err, &f)
			require.True(r.t, f.Retryable(), "%v", err)
			r.pass(max(f.RetryAfter(), time.Second))
			continue
		}
		require.Nil(r.t, page.Write)
		if rows += page.Rows; page.Next == "" {
			return rows
		}
		require.NotEqual(r.t, cursor, page.Next)
		cursor = page.Next
	}
	r.t.Fatal("a catalogue without an end")
	return 0
}

func (r *rig) catalogue() (all []mapping.Item) {
	r.t.Helper()
	rows, more, err := r.store.List(r.ctx, records.Catalogue, "amz/", "", records.MaxList)
	require.NoError(r.t, err)
	require.False(r.t, more)
	for _, row := range rows {
		i, err := records.Decode[mapping.Item](row)
		require.NoError(r.t, err)
		all = append(all, i)
	}
	return all
}

// TestTheCatalogueIsWhatIsListedInEachMarketplace also holds that a report that fails is made again, and that
// what is listed no more is forgotten with the next reading.
func TestTheCatalogueIsWhatIsListedInEachMarketplace(t *testing.T) {
	r := newRig(t, spapitest.Timing{Report: spapitest.Span{Min: 240_000, Max: 240_000}})
	require.NoError(t, r.sim.Break(spapitest.Fault{ID: "f", Kind: spapitest.FaultReportFatal, Count: 1}))
	require.Equal(t, 6, r.readCatalogue())
	all := r.catalogue()
	require.Len(t, all, 6, "three listings in two marketplaces")
	by := map[string]string{"AZ-A": mapping.Merchant, "AZ-B": mapping.Merchant, "AZ-F": mapping.Amazon}
	for _, i := range all {
		require.Equal(t, "amz", i.Connection)
		require.Contains(t, []string{market, other}, i.Marketplace)
		require.Equal(t, by[i.SellerSKU], i.Fulfilment, "%+v", i)
		require.NotEmpty(t, i.ASIN)
		require.NotEmpty(t, i.Title)
		require.True(t, i.Tracked)
	}
	require.Equal(t, 3, r.calls("createReport"), "one for each marketplace, and one again")

	_, err := r.sim.Edit(spapitest.Edits{Account: "amz", Listings: []spapitest.ListingEdit{{SKU: "AZ-B", Delete: true}}})
	require.NoError(t, err)
	r.pass(time.Hour)
	require.Equal(t, 4, r.readCatalogue())
	for _, i := range r.catalogue() {
		require.NotEqual(t, "AZ-B", i.SellerSKU)
	}
	require.Len(t, r.catalogue(), 4)
}

// TestACatalogueThatCannotBeKeptIsReadAgain lets the store fail behind the report.
func TestACatalogueThatCannotBeKeptIsReadAgain(t *testing.T) {
	r := newRig(t, spapitest.Timing{})
	a := &adapter{all: r.sellers, id: "amz"}
	page, err := a.Catalogue(r.ctx, "")
	require.NoError(t, err)
	r.pass(time.Hour)
	r.store.Fail(func(tx *records.Tx) recordstest.Failure {
		if tx != nil {
			return recordstest.NoLeader
		}
		return recordstest.Works
	})
	_, err = a.Catalogue(r.ctx, page.Next)
	require.ErrorContains(t, err, "no-leader")
	r.store.Fail(nil)
	page, err = a.Catalogue(r.ctx, page.Next)
	require.NoError(t, err)
	require.Equal(t, 3, page.Rows)
}
