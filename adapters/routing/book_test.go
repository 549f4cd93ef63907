package routing

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/engine"
)

// stocked is a store with SKUs A and B, the kit K of two A and one B, and the vase V, which is
// glass.
func stocked(t *testing.T) *recordstest.Store {
	s := recordstest.New(recordstest.Options{})
	s.Define(t,
		&engine.DefineLocation{Location: "main", Kind: engine.Merchant, Master: "holdfast",
			Shortfall: engine.ShortfallNone},
		&engine.DefineLocation{Location: "east", Kind: engine.Merchant, Master: "holdfast",
			Shortfall: engine.ShortfallNone},
		&engine.DefineLocation{Location: "fba", Kind: engine.FBA, Master: "amazon:us",
			Shortfall: engine.ShortfallNone},
		&engine.DefineChannel{Channel: "web", Kind: engine.ChannelAPI, Publish: engine.Pooled,
			Split: true, Locations: []engine.Name{"main", "east"}},
		&engine.DefineSKU{SKU: "A"}, &engine.DefineSKU{SKU: "B"},
		&engine.DefineSKU{SKU: "V", Attributes: []byte(`{"title":"Vase","tags":["glass"]}`)},
		&engine.DefineSKU{SKU: "K", Kit: []engine.Component{{SKU: "A", Qty: 2}, {SKU: "B", Qty: 1}}})
	var tx records.Tx
	for _, x := range []struct {
		sku, location engine.Name
		n             int64
	}{{"A", "main", 4}, {"B", "main", 2}, {"A", "east", 9}} {
		tx.Do(&engine.Set{SKU: x.sku, Location: x.location, Value: x.n, Source: "test"})
	}
	out, err := s.Submit(t.Context(), &tx)
	require.NoError(t, err)
	require.Equal(t, engine.Accepted, out.Refusal)
	return s
}

func TestAvailabilityExplodesKits(t *testing.T) {
	t.Parallel()
	s := stocked(t)
	b := NewBook(s)
	_, err := b.Save(t.Context(), parse(t, `{"rules":[
		{"id":"one-place","when":{"available":["main","east"]},"then":{"locations":["main"]}},
		{"id":"glass","when":{"tag":"glass"},"then":{"hold":true}}]}`), 0)
	require.NoError(t, err)
	for name, x := range map[string]struct {
		lines []Line
		rule  string
	}{
		"two kits":           {[]Line{{SKU: "K", Qty: 2}}, "one-place"},
		"three kits":         {[]Line{{SKU: "K", Qty: 3}}, ""},
		"a kit and its part": {[]Line{{SKU: "K", Qty: 1}, {SKU: "A", Qty: 2}}, "one-place"},
		"one part too many":  {[]Line{{SKU: "K", Qty: 1}, {SKU: "A", Qty: 3}}, ""},
		"at the other place": {[]Line{{SKU: "A", Qty: 9}}, "one-place"},
		"not known":          {[]Line{{SKU: "A", Qty: 1}, {SKU: "Z", Qty: 1}}, ""},
		"no quantity":        {[]Line{{SKU: "A", Qty: 0}}, ""},
		"the tag of a SKU":   {[]Line{{SKU: "V", Qty: 1}}, "glass"},
	} {
		d, index, err := b.Try(t.Context(), Order{Channel: "web", Lines: x.lines})
		require.NoError(t, err, name)
		require.Equal(t, x.rule, d.Rule, name)
		require.NotZero(t, index)
		same, err := b.Decide(t.Context(), Order{Channel: "web", Lines: x.lines})
		require.NoError(t, err)
		require.Equal(t, d, same, "trying is deciding")
	}
}

func TestALateWriterIsTold(t *testing.T) {
	t.Parallel()
	s := stocked(t)
	b := NewBook(s)
	list, version, err := b.Read(t.Context())
	require.NoError(t, err)
	require.Zero(t, version)
	require.Empty(t, list.Rules)
	first, err := b.Save(t.Context(), parse(t, `{"rules":[{"id":"a"}]}`), 0)
	require.NoError(t, err)
	_, err = b.Save(t.Context(), parse(t, `{"rules":[{"id":"b"}]}`), 0)
	var conflict *ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, first, conflict.Version)
	second, err := b.Save(t.Context(), parse(t, `{"rules":[{"id":"b"}]}`), first)
	require.NoError(t, err)
	list, version = b.Rules()
	require.Equal(t, "b", list.Rules[0].ID)
	require.Equal(t, second, version)
	d, err := b.Decide(t.Context(), Order{})
	require.NoError(t, err)
	require.Equal(t, second, d.Version, "a decision says by which list it was made")
	_, err = b.Save(t.Context(), parse(t, `{"rules":[{"id":"c","then":{"locations":["fba"]}}]}`), second)
	var fault *engine.FieldError
	require.True(t, errors.As(err, &fault))
	require.Equal(t, "rules[0].then.locations[0]", fault.Field)
	s.Fail(func(tx *records.Tx) recordstest.Failure {
		if tx == nil {
			return recordstest.Works
		}
		return recordstest.UnknownAfter
	})
	_, err = b.Save(t.Context(), parse(t, `{"rules":[]}`), second)
	var coded interface{ Code() string }
	require.ErrorAs(t, err, &coded)
	require.Equal(t, "outcome-unknown", coded.Code())
	list, _, err = b.Read(t.Context())
	require.NoError(t, err)
	require.Empty(t, list.Rules, "it may have happened, and it had")
}

func TestEveryNodeFollowsTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stocked(t)
		other := NewBook(s)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- other.Run(ctx) }()
		synctest.Wait()
		version, err := NewBook(s).Save(t.Context(), parse(t, `{"rules":[{"id":"a"}]}`), 0)
		require.NoError(t, err)
		synctest.Wait()
		list, at := other.Rules()
		require.Equal(t, "a", list.Rules[0].ID)
		require.Equal(t, version, at)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}
