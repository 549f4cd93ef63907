package mapping

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"holdfast/engine"
)

// ourSKUs are the ledger's, with the ways to recognise one.
type ourSKUs struct {
	order     []string // as they were defined
	bySKU     map[string]*ourSKU
	byBarcode map[string][]string
	similar   map[string][]string // by NormalSKU
}

type ourSKU struct {
	kit bool
	at  []string // connections that have a row for it
}

func (o *ourSKU) mapped(connection string) {
	if !slices.Contains(o.at, connection) {
		o.at = append(o.at, connection)
	}
}

// ledgerSlice is how many SKUs are copied in one hold of the ledger's lock: about 30 µs.
const ledgerSlice = 64

func (r *auditing) readSKUs(ctx context.Context) error {
	r.ours = &ourSKUs{bySKU: map[string]*ourSKU{}, byBarcode: map[string][]string{},
		similar: map[string][]string{}}
	var attributes [][]byte
	after := uint32(0)
	index, err := r.store.Ledger(ctx, func(l *engine.Ledger) bool {
		page := l.SKUs(after, ledgerSlice)
		for _, s := range page {
			after = s.Number
			r.ours.order = append(r.ours.order, s.Name)
			r.ours.bySKU[s.Name] = &ourSKU{kit: len(s.Kit) > 0}
			attributes = append(attributes, bytes.Clone(s.Attributes))
		}
		return len(page) == ledgerSlice && ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	r.audit.Index = index
	for i, sku := range r.ours.order {
		r.ours.recognise(sku, attributes[i])
	}
	return err
}

// recognise notes by what a SKU can be found. Attributes are the edge's JSON; what is none has no
// barcode.
func (o *ourSKUs) recognise(sku string, attributes []byte) {
	var known struct {
		Barcode string `json:"barcode"`
	}
	if len(attributes) > 0 && json.Unmarshal(attributes, &known) == nil {
		if code := NormalBarcode(known.Barcode); code != "" {
			o.byBarcode[code] = append(o.byBarcode[code], sku)
		}
	}
	if plain := NormalSKU(sku); plain != "" {
		o.similar[plain] = append(o.similar[plain], sku)
	}
}

// By what a suggestion was found, the best first.
const (
	byBarcode = "barcode"
	bySKU     = "sku"
	bySimilar = "similar-sku"
)

// mostSuggestions bounds what one item gets: more are no help.
const mostSuggestions = 5

// suggest lists the SKUs of ours that an item may be. One that is another thing of the connection
// already is none, where it can be only one.
func (r *auditing) suggest(i *Item) []Suggestion {
	var found []Suggestion
	take := func(by string, skus ...string) {
		for _, sku := range skus {
			us := r.ours.bySKU[sku]
			taken := us == nil || i.Ref().Side.single() && r.hasRow(sku, i.Connection)
			known := slices.ContainsFunc(found, func(s Suggestion) bool { return s.SKU == sku })
			if !taken && !known && len(found) < mostSuggestions {
				found = append(found, Suggestion{sku, by})
			}
		}
	}
	if code := NormalBarcode(i.Barcode); code != "" {
		take(byBarcode, r.ours.byBarcode[code]...)
	}
	theirs := cmpOr(i.SKU, i.SellerSKU)
	take(bySKU, theirs)
	if plain := NormalSKU(theirs); plain != "" {
		take(bySimilar, r.ours.similar[plain]...)
	}
	return found
}

func (r *auditing) hasRow(sku, connection string) bool {
	return slices.ContainsFunc(r.table.index.Of(sku), func(row Row) bool {
		return row.Connection == connection
	})
}
