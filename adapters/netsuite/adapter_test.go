package netsuite

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/mapping"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// accountAt makes the adapter of an account that a fake answers for.
func accountAt(t *testing.T, f *fake) (*adapter, *recordstest.Store) {
	t.Helper()
	clock, store, doc := newClock(), recordstest.New(recordstest.Options{}), document()
	doc.Endpoint = f.URL
	doc.Secrets["private_key"] = "env:KEY"
	all, err := NewAccounts(Config{Store: store, Registry: entries{"erp": {Connection: doc, Version: 1}},
		Now: clock.Now, Pause: clock.Pause, Environ: func(name string) (string, bool) {
			if name == "KEY" {
				return testKey().reveal(), true
			}
			return name, true
		}})
	require.NoError(t, err)
	a, err := Kind{all}.Connect(connections.Link{Connection: doc})
	require.NoError(t, err)
	return a.(*adapter), store
}

const places = `{"items":[{"id":"6","isinactive":"F"},{"id":"8","isinactive":"T"}],"hasMore":false}`

func TestTheCatalogueIsReadByItsKey(t *testing.T) {
	t.Parallel()
	f := newFake(t, answerOf{body: places},
		answerOf{body: `{"items":[{"id":"11","itemid":"Mugs : MUG-1","displayname":"Mug","upccode":"4000000000001","itemtype":"InvtPart"}],"hasMore":true}`},
		answerOf{body: `{"items":[{"id":"12","itemid":"SET","itemtype":"Kit"}],"hasMore":false}`})
	a, store := accountAt(t, f)
	gone := mapping.Item{Connection: "erp", ItemID: "9", SKU: "OLD"}
	var tx records.Tx
	tx.Put(gone.Record(&tx, 1))
	_, err := store.Submit(t.Context(), &tx)
	require.NoError(t, err)
	require.NoError(t, a.RunFlow(t.Context(), connections.Run{Flow: FlowCatalogue}))
	rows, _, err := store.List(t.Context(), records.Catalogue, "", "", 100)
	require.NoError(t, err)
	var items []mapping.Item
	for _, r := range rows {
		item, err := records.Decode[mapping.Item](r)
		require.NoError(t, err)
		items = append(items, item)
	}
	require.Equal(t, []mapping.Item{
		{Connection: "erp", ItemID: "11", SKU: "MUG-1", Barcode: "4000000000001", Title: "Mug", Tracked: true},
		{Connection: "erp", ItemID: "12", SKU: "SET", Kit: true}}, items, "what is not listed any more is gone")
	for i, want := range []string{"id > 0 ORDER BY id", "id > 11 ORDER BY id"} {
		var sent struct{ Q string }
		require.NoError(t, json.Unmarshal([]byte(f.all()[1+i].body), &sent))
		require.Contains(t, sent.Q, want)
	}
}

func TestALocationThatIsNotThereIsFound(t *testing.T) {
	t.Parallel()
	f := newFake(t, answerOf{body: `{"items":[{"id":"6","isinactive":"T"}],"hasMore":false}`},
		answerOf{body: `{"items":[],"hasMore":false}`}, answerOf{body: `{"items":[],"hasMore":false}`},
		answerOf{body: places})
	a, store := accountAt(t, f)
	page, err := a.Catalogue(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, []string{"6 (main)"}, page.Found[0].Names)
	require.NoError(t, a.RunFlow(t.Context(), connections.Run{Flow: FlowCheck}))
	desk := exceptions.NewDesk(store, nil, a.all.cfg.Now)
	open, _, err := desk.List(t.Context(), exceptions.Filter{State: exceptions.Open}, "", 10)
	require.NoError(t, err)
	require.Len(t, open, 1)
	require.Equal(t, foundPlace, open[0].Code)
	require.NoError(t, a.RunFlow(t.Context(), connections.Run{Flow: FlowCheck}))
	open, _, err = desk.List(t.Context(), exceptions.Filter{State: exceptions.Open}, "", 10)
	require.NoError(t, err)
	require.Empty(t, open, "put right, it is over")
	require.Error(t, a.RunFlow(t.Context(), connections.Run{Flow: "none"}))
}
