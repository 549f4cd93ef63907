package scope

import (
	"strings"
)

// product is a variant of the shop.
type product struct {
	sku, barcode, title string
	line                int
	tracked, giftCard   bool
	ships               bool
}

// shop is what a products export says.
type shop struct {
	products []product
	markets  []string // with a price column of their own
}

// readShop reads the products export of Shopify's admin, in the form with "Variant SKU" and in the newer
// one with "SKU". Lines that only add a picture are no variants. It fails with a *FileError.
func readShop(file string, text []byte) (*shop, error) {
	t, err := readTable(file, text, ',')
	if err == nil {
		err = t.need("variant sku", "sku")
	}
	if err != nil {
		return nil, err
	}
	s := &shop{}
	for name := range t.columns {
		if market, ok := strings.CutPrefix(name, "price / "); ok {
			s.markets = append(s.markets, market)
		}
	}
	title, gift := "", false
	for i, row := range t.rows {
		if v := t.cell(row, "title"); v != "" {
			title, gift = v, strings.EqualFold(t.cell(row, "gift card"), "true")
		}
		sku := t.cell(row, "variant sku", "sku")
		if sku == "" && t.cell(row, "variant price", "price") == "" {
			continue
		}
		s.products = append(s.products, product{
			sku:     strings.TrimPrefix(sku, "'"), // by which the export keeps spreadsheets from rounding
			barcode: strings.TrimPrefix(t.cell(row, "variant barcode", "barcode"), "'"),
			title:   title, line: t.lines[i], giftCard: gift,
			tracked: t.cell(row, "variant inventory tracker", "inventory tracker") != "",
			ships: !strings.EqualFold(t.cell(row, "variant requires shipping", "requires shipping"),
				"false"),
		})
	}
	return s, nil
}

// listing is an offer on one marketplace.
type listing struct {
	sku, asin, barcode, title string
	line                      int
	fba, active               bool
	mapped                    string // SKU that a row of the mapping names; empty: none does
}

// The kinds of product-id of GET_MERCHANT_LISTINGS_ALL_DATA that are barcodes.
var barcodeKinds = map[string]bool{"3": true, "4": true, "UPC": true, "EAN": true}

// readListings reads GET_MERCHANT_LISTINGS_ALL_DATA. It fails with a *FileError.
func readListings(file string, text []byte) ([]listing, error) {
	t, err := readTable(file, text, '\t')
	if err == nil {
		err = t.need("seller-sku")
	}
	if err == nil {
		err = t.need("fulfillment-channel", "fulfilment-channel")
	}
	if err != nil {
		return nil, err
	}
	var all []listing
	for i, row := range t.rows {
		l := listing{sku: t.cell(row, "seller-sku"), asin: t.cell(row, "asin1"), line: t.lines[i],
			title: t.cell(row, "item-name"), active: true}
		if l.sku == "" {
			continue
		}
		channel := t.cell(row, "fulfillment-channel", "fulfilment-channel")
		l.fba = strings.HasPrefix(strings.ToUpper(channel), "AMAZON_")
		if status := t.cell(row, "status"); status != "" {
			l.active = strings.EqualFold(status, "Active")
		}
		if barcodeKinds[strings.ToUpper(t.cell(row, "product-id-type"))] {
			l.barcode = t.cell(row, "product-id")
		}
		all = append(all, l)
	}
	return all, nil
}

// erpItem is an item of NetSuite.
type erpItem struct {
	id, sku, barcode, title, currency string
	line                              int
	kit, stock                        bool
}

// readERP reads an export of NetSuite's items, from a list or a saved search. It fails with a
// *FileError.
func readERP(file string, text []byte) ([]erpItem, error) {
	t, err := readTable(file, text, ',')
	name := []string{"name", "item name/number", "item", "item id", "itemid", "sku"}
	if err == nil {
		err = t.need(name...)
	}
	if err != nil {
		return nil, err
	}
	var all []erpItem
	for i, row := range t.rows {
		it := erpItem{sku: t.cell(row, name...), line: t.lines[i],
			id:       t.cell(row, "internal id", "internalid", "id"),
			barcode:  t.cell(row, "upc code", "upc", "barcode"),
			title:    t.cell(row, "display name", "description", "displayname"),
			currency: t.cell(row, "currency")}
		if it.sku == "" || yes(t.cell(row, "inactive", "isinactive")) {
			continue
		}
		// A matrix item is written as PARENT : CHILD.
		if cut := strings.LastIndex(it.sku, " : "); cut >= 0 {
			it.sku = it.sku[cut+3:]
		}
		kind := strings.ToLower(t.cell(row, "type", "item type", "itemtype"))
		it.kit = strings.HasPrefix(kind, "kit")
		it.stock = kind == "" || it.kit || strings.Contains(kind, "invent") ||
			strings.Contains(kind, "invtpart") || strings.Contains(kind, "assembl")
		all = append(all, it)
	}
	return all, nil
}

func yes(s string) bool {
	s = strings.ToLower(s)
	return s == "yes" || s == "true" || s == "t"
}
