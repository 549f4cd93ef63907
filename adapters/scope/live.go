package scope

import (
	"context"
	"fmt"
	"slices"

	"holdfast/adapters/mapping"
	"holdfast/adapters/records"
)

// Store is what of the records a live survey reads.
type Store interface {
	List(ctx context.Context, t records.Table, prefix, after string, limit int) ([]records.Record, bool, error)
}

// Rows says what a thing outside is mapped to.
type Rows interface {
	Find(ctx context.Context, f mapping.Ref) (mapping.Row, bool, error)
}

// The kinds of connections, as their documents name them.
const (
	kindShopify  = "shopify"
	kindAmazon   = "amazon"
	kindNetSuite = "netsuite"
)

// maxItems bounds what a live survey holds in memory: some 500 bytes each.
const maxItems = 2_000_000

// Live says what Holdfast will and will not do with what the connections list, as their starts have read
// it. A region is a marketplace of a connection. What a row of the mapping names is that row's SKU; the rest is
// recognised as [Survey] does. It fails with the store's error, or when more is listed than is held in memory.
func Live(ctx context.Context, store Store, rows Rows) (*Report, error) {
	l, err := readLive(ctx, store, rows)
	if err != nil {
		return nil, err
	}
	s := newSurvey()
	if l.shop != nil {
		s.addShop(l.shop)
	}
	if l.items != nil {
		s.addERP(*l.items)
	}
	for _, r := range l.regions {
		s.addRegion(r.name, r.listings)
	}
	return s.finish(), nil
}

// live is what the connections list.
type live struct {
	shop    *shop
	items   *[]erpItem
	regions []*liveRegion
}

type liveRegion struct {
	name     string
	listings []listing
}

func readLive(ctx context.Context, store Store, rows Rows) (*live, error) {
	l, kinds := &live{}, map[string]string{}
	err := each(ctx, store, records.Connections, func(rec records.Record) error {
		c, err := records.Decode[struct {
			Kind         string   `json:"kind"`
			Marketplaces []string `json:"marketplaces"`
		}](rec)
		kinds[rec.Key] = c.Kind
		switch c.Kind {
		case kindShopify:
			l.shop = cmpNil(l.shop)
		case kindNetSuite:
			l.items = cmpNil(l.items)
		case kindAmazon:
			for _, m := range c.Marketplaces {
				l.regions = append(l.regions, &liveRegion{name: rec.Key + "/" + m})
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	count := 0
	return l, each(ctx, store, records.Catalogue, func(rec records.Record) error {
		if count++; count > maxItems {
			return fmt.Errorf("more than %d things are listed: make the survey from export files", maxItems)
		}
		i, err := records.Decode[mapping.Item](rec)
		if err != nil {
			return err
		}
		row, mapped, err := rows.Find(ctx, i.Ref())
		if err != nil {
			return err
		}
		l.take(kinds[i.Connection], &i, row.SKU, mapped)
		return nil
	})
}

// take files an item under what its connection is.
func (l *live) take(kind string, i *mapping.Item, sku string, mapped bool) {
	if !mapped {
		sku = i.SKU
	}
	switch kind {
	case kindShopify:
		l.shop.products = append(l.shop.products, product{sku: sku, barcode: i.Barcode, title: i.Title,
			tracked: i.Tracked, giftCard: i.NotStock == "gift-card", ships: i.NotStock != "not-shipped"})
	case kindNetSuite:
		*l.items = append(*l.items, erpItem{id: i.ItemID, sku: sku, barcode: i.Barcode, title: i.Title,
			kit: i.Kit, stock: true})
	case kindAmazon:
		at := slices.IndexFunc(l.regions, func(r *liveRegion) bool { return r.name == i.Connection+"/"+i.Marketplace })
		if at < 0 {
			return // of a marketplace that the connection has no more
		}
		o := listing{sku: i.SellerSKU, asin: i.ASIN, barcode: i.Barcode, title: i.Title,
			fba: i.Fulfilment == mapping.Amazon, active: true}
		if mapped {
			o.mapped = sku
		}
		l.regions[at].listings = append(l.regions[at].listings, o)
	}
}

// cmpNil is p, or a new one.
func cmpNil[T any](p *T) *T {
	if p == nil {
		p = new(T)
	}
	return p
}

// each visits a table in the order of its keys.
func each(ctx context.Context, s Store, t records.Table, visit func(records.Record) error) error {
	for after, more := "", true; more; {
		var page []records.Record
		var err error
		if page, more, err = s.List(ctx, t, "", after, records.MaxList); err != nil {
			return err
		}
		for _, rec := range page {
			after = rec.Key
			if err := visit(rec); err != nil {
				return err
			}
		}
	}
	return nil
}
