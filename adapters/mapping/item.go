package mapping

import (
	"context"
	"strconv"
	"strings"
	"time"

	"holdfast/adapters/records"
)

// Item is one thing that a channel or an ERP lists, as far as the mapping has to know it. The start of
// a connection keeps them; the audit holds them against the rows.
type Item struct {
	Connection      string    `json:"connection"`
	Marketplace     string    `json:"marketplace,omitempty"`
	VariantID       int64     `json:"variant_id,omitempty"`
	InventoryItemID int64     `json:"inventory_item_id,omitempty"`
	ProductID       int64     `json:"product_id,omitempty"`
	SellerSKU       string    `json:"seller_sku,omitempty"`
	ASIN            string    `json:"asin,omitempty"`
	ItemID          string    `json:"item_id,omitempty"`
	SKU             string    `json:"sku,omitempty"` // their own, on Amazon the same as SellerSKU
	Barcode         string    `json:"barcode,omitempty"`
	Title           string    `json:"title,omitempty"`
	Fulfilment      string    `json:"fulfilment,omitempty"` // merchant, amazon
	NotStock        string    `json:"not_stock,omitempty"`  // why it needs no stock, such as "gift-card"
	Tracked         bool      `json:"tracked"`              // the other side counts it
	Bundle          bool      `json:"bundle,omitempty"`     // a native bundle's parent: its components are sold
	Kit             bool      `json:"kit,omitempty"`        // a kit item of the ERP
	UpdatedAt       time.Time `json:"updated_at,omitzero"`  // theirs
}

// Ref names the item.
func (i *Item) Ref() Ref {
	r := Row{Connection: i.Connection, Marketplace: i.Marketplace, VariantID: i.VariantID,
		SellerSKU: i.SellerSKU, ItemID: i.ItemID}
	return r.Ref()
}

// Validate returns nil, or a *Fault when the item has no name of its own that a key takes.
func (i *Item) Validate() error {
	r := Row{SKU: "any", Connection: i.Connection, Marketplace: i.Marketplace, VariantID: i.VariantID,
		SellerSKU: i.SellerSKU, ItemID: i.ItemID}
	return r.Validate()
}

// The longest texts of an item that are kept, in bytes.
const (
	keptTitle   = 200
	keptSKU     = 255
	keptBarcode = 64
)

// Record is the item as a record of the table Catalogue. round tells one reading of a whole catalogue
// from the next, see [SweepCatalogue].
func (i Item) Record(tx *records.Tx, round int64) records.Record {
	i.Title, i.SKU, i.Barcode = short(i.Title, keptTitle), short(i.SKU, keptSKU),
		short(i.Barcode, keptBarcode)
	return records.Record{Table: records.Catalogue, Key: i.Ref().Key(), Value: round,
		Body: tx.Encode(&i)}
}

// short cuts a text to at most n bytes of valid UTF-8.
func short(s string, n int) string {
	return strings.ToValidUTF8(s[:min(n, len(s))], "")
}

// KeepItems adds items of a catalogue to a Tx. The caller bounds them: 1,000 fit any Tx. Items that
// have no valid name are left out and counted.
func KeepItems(tx *records.Tx, round int64, items []Item) (leftOut int) {
	for _, i := range items {
		if i.Validate() != nil {
			leftOut++
			continue
		}
		tx.Put(i.Record(tx, round))
	}
	return leftOut
}

// SweepCatalogue forgets the items of a connection that were not kept under round: once a catalogue
// was read to its end, they are no longer listed there. Broken off, it can be run again. It fails as
// the store does.
func SweepCatalogue(ctx context.Context, s records.Store, connection string, round int64) (
	dropped int, err error) {
	prefix := prefixOf(connection)
	for after, more := "", true; more; {
		var page []records.Record
		page, more, err = s.List(ctx, records.Catalogue, prefix, after, records.MaxList)
		if err != nil {
			return dropped, err
		}
		var tx records.Tx
		for _, r := range page {
			after = r.Key
			if r.Value != round {
				tx.Drop(records.Catalogue, r.Key, 0)
			}
		}
		if tx.Empty() {
			continue
		}
		if _, err := s.Submit(ctx, &tx); err != nil {
			return dropped, err
		}
		dropped += len(tx.Writes)
	}
	return dropped, nil
}

// NormalSKU is a SKU without what people write differently: case, spaces, dashes.
func NormalSKU(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 0x7f {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// NormalBarcode is the number of a GTIN in any of its lengths; empty for what is none. The leading
// zeros go, because an UPC is an EAN with one more of them.
func NormalBarcode(s string) string {
	s = strings.NewReplacer(" ", "", "-", "").Replace(s)
	if n, err := strconv.ParseUint(s, 10, 64); err == nil && n != 0 && len(s) >= 8 && len(s) <= 14 {
		return strconv.FormatUint(n, 10)
	}
	return ""
}
