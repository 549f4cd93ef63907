package amazon

import (
	"slices"
)

// Several marketplaces see the same units in Amazon's warehouses. A pool is those that do; one of them is
// its reader, and only what the reader sees counts: figures of a pool are never added.

// panEuropean are the marketplaces that share their stock under Pan-European FBA: DE, FR, IT, ES, NL, BE,
// SE, PL, IE.
var panEuropean = []string{"A1PA6795UKMFR9", "A13V1IB3VIYZZH", "APJ6JRA9NG5V4", "A1RKKUPIHCS9HS",
	"A1805IZSGTT6HS", "AMEN7PMS3EDWL", "A2NODRKZP88ZB9", "A1C3SOZRARQ6R3", "A28R8C7NBKEWEA"}

// pool is the stock that some marketplaces share.
type pool struct {
	reader   string
	markets  []string
	location string // ours; empty: nobody wants to know
	channel  string // ours of Amazon's stock; empty: orders are not counted apart
}

// pools are those of the connection, in the order of its marketplaces.
func (a *account) pools() (all []pool) {
	in := map[string]bool{}
	for _, m := range a.conn.Marketplaces {
		if markets, ok := a.settings.Pools[m]; ok {
			p := pool{reader: m, markets: append([]string{m}, markets...)}
			slices.Sort(p.markets)
			p.markets = slices.Compact(p.markets)
			for _, id := range p.markets {
				in[id] = true
			}
			all = append(all, p)
		}
	}
	europe := -1
	for _, m := range a.conn.Marketplaces {
		switch {
		case in[m]:
		case slices.Contains(panEuropean, m) && europe >= 0:
			all[europe].markets = append(all[europe].markets, m)
		default:
			all = append(all, pool{reader: m, markets: []string{m}})
			if slices.Contains(panEuropean, m) {
				europe = len(all) - 1
			}
		}
	}
	for i := range all {
		p := &all[i]
		for _, m := range append([]string{p.reader}, p.markets...) {
			p.location = first(p.location, a.conn.Locations[m])
			p.channel = first(p.channel, a.settings.FBAChannels[m])
		}
	}
	return all
}

func checkPools(a *account, fault func(field, format string, args ...any)) {
	in := map[string]string{}
	for reader, markets := range a.settings.Pools {
		for _, m := range append([]string{reader}, markets...) {
			switch old, ok := in[m]; {
			case !a.sells(m):
				fault("settings.pools", "%s is no marketplace of the connection", m)
			case ok && old != reader:
				fault("settings.pools", "%s is in two pools", m)
			}
			in[m] = reader
		}
	}
	for m := range a.conn.Locations {
		if !a.sells(m) {
			fault("locations", "%s is no marketplace of the connection", m)
		}
	}
	at := map[string]string{}
	for _, p := range a.pools() {
		if p.location == "" {
			continue
		}
		if other, ok := at[p.location]; ok {
			fault("locations", "%s would be the stock of two pools, those of %s and %s", p.location, other,
				p.reader)
		}
		at[p.location] = p.reader
	}
}
