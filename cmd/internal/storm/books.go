package storm

import (
	"fmt"
	"maps"
	"slices"
)

// place is a SKU at a location.
type place struct{ sku, location string }

// books is what we know that we did. The simulator and the nodes are held against it.
type books struct {
	counts  map[string]int
	edits   map[place]int64 // sum of what was changed in the admin
	edited  map[place]int   // how often that was
	touched map[place]int   // how often somebody but the shop changed what it may sell there
	foreign map[place]int   // how often a number there was changed by what is not in the ledger
	sales   map[string]int64
	nothing map[string]string // orders with units that were not put back, and their SKU
	ghosts  map[string]bool
	bodies  map[string]bool
	names   []string
}

func newBooks() *books {
	return &books{counts: map[string]int{}, edits: map[place]int64{}, edited: map[place]int{}, touched: map[place]int{},
		foreign: map[place]int{},
		sales:   map[string]int64{}, nothing: map[string]string{}, ghosts: map[string]bool{},
		bodies: map[string]bool{}}
}

// skus are the names of the first n.
func (b *books) skus(n int) []string {
	for i := len(b.names); i < n; i++ {
		b.names = append(b.names, skuOf(i))
	}
	return b.names
}

func (b *books) count(what string, n int) { b.counts[what] += n }

func (b *books) edit(sku, location string, by int64) {
	b.count("stock edits at "+location, 1)
	b.edits[place{sku, location}] += by
	b.edited[place{sku, location}]++
	b.foreign[place{sku, location}]++
	if location == ours {
		b.touched[place{sku, location}]++
	}
}

func (b *books) sale(sku string, qty int64) {
	b.count("sales over the API", 1)
	b.sales[sku] += qty
	b.touched[place{sku, ours}]++
}

// gone and returned are of units that may have been at our location: there the shop's own change is
// not one of the ledger, and is taken back.
func (b *books) gone(order, sku string) {
	b.nothing[order] = sku
	b.touched[place{sku, ours}]++
	b.foreign[place{sku, ours}]++
}

func (b *books) returned(sku string) {
	b.touched[place{sku, ours}]++
	b.foreign[place{sku, ours}]++
}

func (b *books) ghost(sku string) {
	b.count("orders with an unmapped SKU", 1)
	b.ghosts[sku] = true
}

func (b *books) broken(id string) {
	b.count("broken bodies", 1)
	b.bodies[id] = true
}

func (b *books) lines() (all []string) {
	for _, k := range slices.Sorted(maps.Keys(b.counts)) {
		all = append(all, fmt.Sprintf("%-30s %6d", k, b.counts[k]))
	}
	return all
}
