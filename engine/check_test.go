package engine

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// soundLedger is a small ledger with a row of every kind.
func soundLedger(t *testing.T) *Ledger {
	t.Helper()
	l := New(Options{})
	var b EntryBuilder
	for _, c := range []Command{
		&DefineSKU{SKU: "A"},
		&DefineSKU{SKU: "K", Kit: []Component{{SKU: "A", Qty: 2}}},
		&DefineLocation{Location: "main", Kind: Merchant, Master: MasterHoldfast,
			Shortfall: ShortfallNone},
		&DefineLocation{Location: "fba", Kind: FBA, Master: "amazon", Shortfall: ShortfallNone},
		&DefineChannel{Channel: "web", Kind: ChannelAPI, Publish: Pooled, Split: true,
			Locations: []Name{"main", "fba"}},
		&Set{SKU: "A", Location: "main", Value: 20, Source: "wms"},
		&Set{SKU: "A", Location: "fba", Value: 5, Source: "amazon"},
		&Reserve{ID: "held", Channel: "web", Mode: Strict, TTL: 5000,
			Lines: []Line{{SKU: "A", Qty: 3}, {SKU: "K", Qty: 2}}},
		&Reserve{ID: "promised", Channel: "web", Mode: Strict, Commit: true,
			Lines: []Line{{SKU: "A", Location: "fba", Qty: 4}}},
		&Reserve{ID: "short", Channel: "web", Mode: Accept, TTL: 6000,
			Lines: []Line{{SKU: "A", Qty: 30}}},
	} {
		b.Add(Op{Key: Key{Lo: uint64(b.Len() + 1)}, Command: c})
	}
	e, err := OpenEntry(b.Seal(1000, 1000))
	require.NoError(t, err)
	l.Apply(1, e, &Output{})
	require.Empty(t, l.Check())
	return l
}

// TestCheckFindsEachFault breaks a sound ledger in one place after the other: a check that cannot
// fail says nothing.
func TestCheckFindsEachFault(t *testing.T) {
	t.Parallel()
	stock := func(l *Ledger, location Name) *stockRow {
		return l.stockAt(l.stockOf(l.find(SKUName, "A"), l.find(LocationName, location)))
	}
	firstPart := func(l *Ledger, id string) *partRow {
		ref := l.findResv(id)
		return l.shardOfResv(ref).parts.at(l.resvAt(ref).parts)
	}
	for _, fault := range []struct {
		name, invariant string
		do              func(l *Ledger)
	}{
		{"held is too high", "I1", func(l *Ledger) { stock(l, "main").held++ }},
		{"held is too low", "I1", func(l *Ledger) { stock(l, "main").held-- }},
		{"committed is too high", "I1", func(l *Ledger) { stock(l, "fba").committed++ }},
		{"a place has lost a unit", "I1", func(l *Ledger) { firstPart(l, "held").held-- }},
		{"a kit place has a unit too many", "I1", func(l *Ledger) {
			ref := l.findResv("held")
			sh := l.shardOfResv(ref)
			for at := l.resvAt(ref).parts; at&lastPart == 0; at = sh.parts.at(at).next {
				if p := sh.parts.at(at); p.kind == kitPlace {
					p.held++
				}
			}
		}},
		{"a hold outlives due", "I4", func(l *Ledger) { l.due = 6000 }},
		{"a key leads elsewhere", "I5", func(l *Ledger) {
			l.remember.at(l.remember.head).key.Lo ^= 1<<64 - 1
		}},
		{"fba stock of a channel that does not list it", "I6", func(l *Ledger) {
			ch := l.channel(l.find(ChannelName, "web"))
			ch.locations = ch.locations[:1]
		}},
		{"on hand was changed by nobody", "I7", func(l *Ledger) { stock(l, "main").onHand++ }},
		{"moved was changed by nobody", "I7", func(l *Ledger) { stock(l, "main").moved++ }},
		{"a definition was changed by nobody", "I7", func(l *Ledger) {
			l.location(l.find(LocationName, "main")).Shortfall = ShortfallNewest
		}},
		{"a remembered verdict was changed", "I7", func(l *Ledger) {
			l.remember.at(l.remember.head).refusal = InUse
		}},
		{"a reservation is lost to its id", "structure", func(l *Ledger) {
			l.shardOfResv(l.findResv("held")).byID = New(Options{}).shards[0].byID
		}},
		{"a hold is not in the wheel", "structure", func(l *Ledger) {
			l.resvAt(l.findResv("held")).awaiting = false
		}},
		{"a place is in no list", "structure", func(l *Ledger) {
			firstPart(l, "held").listed = false
		}},
		{"a list is broken", "structure", func(l *Ledger) {
			firstPart(l, "held").earlier = 77
		}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			l := soundLedger(t)
			fault.do(l)
			var found []string
			for _, v := range l.Check() {
				found = append(found, v.Invariant+": "+v.Detail)
			}
			require.Contains(t, strings.Join(found, "\n"), fault.invariant+": ")
		})
	}
}
