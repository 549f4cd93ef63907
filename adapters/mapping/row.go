package mapping

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"holdfast/engine"
)

// Row says that a SKU of ours is a variant, a listing or an item of a connection's. Which of the
// three it is follows from its fields: variant_id, seller_sku or item_id, and never two of them.
type Row struct {
	SKU             string `json:"sku"`
	Connection      string `json:"connection"`
	Marketplace     string `json:"marketplace,omitempty"` // empty: all those of the connection
	ASIN            string `json:"asin,omitempty"`
	SellerSKU       string `json:"seller_sku,omitempty"`
	Fulfilment      string `json:"fulfilment,omitempty"` // merchant or amazon
	VariantID       int64  `json:"variant_id,omitempty"`
	InventoryItemID int64  `json:"inventory_item_id,omitempty"`
	ItemID          string `json:"item_id,omitempty"` // of NetSuite
	Content         string `json:"content,omitempty"` // "owned": we may write titles and prices
}

// Lookup is what flows need of the mapping. It is safe for concurrent use and never blocks: it
// answers from memory, which follows the records.
type Lookup interface {
	ByVariant(connection string, variant int64) (Row, bool)
	ByInventoryItem(connection string, item int64) (Row, bool)
	BySellerSKU(connection, marketplace, sellerSKU string) (Row, bool)
	ByItem(connection, item string) (Row, bool)
	// Of lists all rows of a SKU.
	Of(sku string) []Row
}

// The words of Fulfilment and of Content.
const (
	Merchant = "merchant"
	Amazon   = "amazon"
	Owned    = "owned"
)

// Columns are the fields of a row, in the order in which they are written.
var Columns = []string{"sku", "connection", "marketplace", "asin", "seller_sku", "fulfilment",
	"variant_id", "inventory_item_id", "item_id", "content"}

// The lengths of texts, in bytes. Amazon allows 40 characters of a seller SKU, which may have 4 bytes
// each; 10 of an ASIN.
const (
	maxOutside = 160
	maxASIN    = 16
)

// Fault is what is wrong with one field of a row.
type Fault struct {
	Column string `json:"column"`
	Reason string `json:"detail"`
}

// Error names the column and the rule.
func (f *Fault) Error() string { return f.Column + " " + f.Reason }

// Validate returns the first fault of a row as a *Fault, or nil.
func (r *Row) Validate() error {
	if f := r.fault(); f != nil {
		return f
	}
	return nil
}

func (r *Row) fault() *Fault {
	if must := skuRule(r.SKU); must != "" {
		return &Fault{"sku", must}
	}
	if must := idRule(r.Connection); must != "" {
		return &Fault{"connection", must}
	}
	for _, c := range []struct {
		column, text string
		most         int
	}{
		{"marketplace", r.Marketplace, maxOutside}, {"asin", r.ASIN, maxASIN},
		{"seller_sku", r.SellerSKU, maxOutside}, {"item_id", r.ItemID, maxOutside},
	} {
		if must := textRule(c.text, c.most); must != "" {
			return &Fault{c.column, must}
		}
	}
	switch {
	case r.VariantID < 0:
		return &Fault{"variant_id", "must be a whole number above 0"}
	case r.InventoryItemID < 0:
		return &Fault{"inventory_item_id", "must be a whole number above 0"}
	case r.Fulfilment != "" && r.Fulfilment != Merchant && r.Fulfilment != Amazon:
		return &Fault{"fulfilment", "must be merchant, amazon or nothing"}
	case r.Content != "" && r.Content != Owned:
		return &Fault{"content", "must be owned or nothing"}
	}
	return r.sideFault()
}

// sideFault is set when the row is not of exactly one side, or has a field of another.
func (r *Row) sideFault() *Fault {
	var sides []string
	if r.VariantID != 0 {
		sides = append(sides, "variant_id")
	}
	if r.SellerSKU != "" {
		sides = append(sides, "seller_sku")
	}
	if r.ItemID != "" {
		sides = append(sides, "item_id")
	}
	switch {
	case len(sides) == 0 && r.InventoryItemID != 0:
		return &Fault{"variant_id", "is needed beside inventory_item_id: orders name the variant only"}
	case len(sides) == 0 && r.ASIN != "":
		return &Fault{"seller_sku", "is needed beside asin: one ASIN has many offers"}
	case len(sides) == 0:
		return &Fault{"variant_id", "is missing, and seller_sku and item_id too: one of them is needed"}
	case len(sides) > 1:
		return &Fault{sides[1], "must not stand beside " + sides[0] + ": each side has a row of its own"}
	}
	for _, c := range []struct {
		column, of string
		set        bool
	}{
		{"inventory_item_id", "variant_id", r.InventoryItemID != 0}, {"asin", "seller_sku", r.ASIN != ""},
		{"marketplace", "seller_sku", r.Marketplace != ""},
		{"fulfilment", "seller_sku", r.Fulfilment == Amazon},
	} {
		if c.set && c.of != sides[0] {
			return &Fault{c.column, "goes with " + c.of + " only"}
		}
	}
	return nil
}

// Key is the key of the row's record: what it is outside, and so unique per connection, marketplace
// and side.
func (r *Row) Key() string { return r.Ref().Key() }

// Ref is what the row says that its SKU is.
func (r *Row) Ref() Ref {
	ref := Ref{Connection: r.Connection}
	switch {
	case r.VariantID != 0:
		ref.Side, ref.ID = Variant, strconv.FormatInt(r.VariantID, 10)
	case r.SellerSKU != "":
		ref.Side, ref.ID, ref.Marketplace = Seller, r.SellerSKU, r.Marketplace
	default:
		ref.Side, ref.ID = ERPItem, r.ItemID
	}
	return ref
}

// field returns the text of a column.
func (r *Row) field(column string) string {
	switch column {
	case "variant_id":
		return numberText(r.VariantID)
	case "inventory_item_id":
		return numberText(r.InventoryItemID)
	}
	return *r.text(column)
}

// text is the place of a column that holds text.
func (r *Row) text(column string) *string {
	switch column {
	case "sku":
		return &r.SKU
	case "connection":
		return &r.Connection
	case "marketplace":
		return &r.Marketplace
	case "asin":
		return &r.ASIN
	case "seller_sku":
		return &r.SellerSKU
	case "fulfilment":
		return &r.Fulfilment
	case "item_id":
		return &r.ItemID
	case "content":
		return &r.Content
	}
	panic("mapping: column " + column + " holds no text")
}

func numberText(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func skuRule(s string) string {
	if s == "" || textRule(s, engine.MaxSKUBytes) != "" {
		return "must be 1 to 255 bytes of UTF-8 without control characters"
	}
	return ""
}

func idRule(s string) string {
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	if s == "" || len(s) > engine.MaxIDBytes || strings.ContainsFunc(s, odd) {
		return "must be 1 to 128 bytes of printable ASCII without space"
	}
	return ""
}

func textRule(s string, most int) string {
	if len(s) > most || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Sprintf("must be at most %d bytes of UTF-8 without control characters", most)
	}
	return ""
}
