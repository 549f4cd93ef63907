package mapping

import (
	"cmp"
	"slices"
	"strings"
)

// Finding is one thing that the audit has to say.
type Finding struct {
	Kind            Kind         `json:"finding"`
	Code            string       `json:"code"`
	Blocks          bool         `json:"blocks"` // the connection must not be on while it stands
	SKU             string       `json:"sku,omitempty"`
	Connection      string       `json:"connection,omitempty"`
	Marketplace     string       `json:"marketplace,omitempty"`
	ASIN            string       `json:"asin,omitempty"`
	SellerSKU       string       `json:"seller_sku,omitempty"`
	Fulfilment      string       `json:"fulfilment,omitempty"`
	VariantID       int64        `json:"variant_id,omitempty"`
	InventoryItemID int64        `json:"inventory_item_id,omitempty"`
	ItemID          string       `json:"item_id,omitempty"`
	Theirs          string       `json:"theirs,omitempty"` // their SKU
	Title           string       `json:"title,omitempty"`
	Detail          string       `json:"detail"`
	Suggestions     []Suggestion `json:"suggestions,omitempty"`
}

// Kind is what sort of finding it is.
type Kind string

// The kinds.
const (
	Unmapped    Kind = "unmapped"    // a thing outside without SKU, or a SKU without a thing outside
	Duplicate   Kind = "duplicate"   // two of what should be one
	Conflicting Kind = "conflicting" // both sides say something, and not the same
	Orphaned    Kind = "orphaned"    // a row one of whose ends is not there
)

// Kinds lists all, in the order of their names.
var Kinds = []Kind{Conflicting, Duplicate, Orphaned, Unmapped}

// The codes of findings.
const (
	noRow          = "no-row"             // unmapped: their item has no row
	noListing      = "no-listing"         // unmapped: our SKU has no row at a connection
	theirSKUTwice  = "their-sku-twice"    // duplicate: several of their items carry one SKU
	barcodeTwice   = "barcode-twice"      // duplicate: several of our SKUs have one barcode
	severalOffers  = "several-offers"     // duplicate: several seller SKUs of one SKU and fulfilment
	wrongStockItem = "inventory-item"     // conflicting: they say another inventory item
	wrongASIN      = "asin"               // conflicting: they say another ASIN
	wrongFulfil    = "fulfilment"         // conflicting: they say another fulfilment
	bundleParent   = "bundle-parent"      // conflicting: a bundle's parent is mapped
	kitDiffers     = "kit"                // conflicting: a kit here and none there, or the reverse
	otherSKU       = "other-sku"          // conflicting: their SKU is another one of ours
	notStock       = "not-stock"          // conflicting: mapped, and needs no stock there
	noItem         = "no-item"            // orphaned: they do not list it
	noSKU          = "unknown-sku"        // orphaned: the ledger has no such SKU
	noConnection   = "unknown-connection" // orphaned: there is no such connection
)

// Suggestion is a SKU of ours that an unmapped item may be.
type Suggestion struct {
	SKU string `json:"sku"`
	By  string `json:"by"` // barcode, sku, or similar-sku
}

// key orders findings; it is also the cursor of a page.
func (f *Finding) key() string {
	return strings.Join([]string{f.Connection, string(f.Kind), f.Code, f.ref().Key(), f.SKU,
		f.Theirs}, "\x00")
}

func (f *Finding) ref() Ref {
	i := Item{Connection: f.Connection, Marketplace: f.Marketplace, VariantID: f.VariantID,
		SellerSKU: f.SellerSKU, ItemID: f.ItemID}
	return i.Ref()
}

// Proposal is the row that would end an unmapped item, when there is exactly one suggestion that rests
// on the very same SKU or barcode.
func (f *Finding) Proposal() (Row, bool) {
	sure := slices.DeleteFunc(slices.Clone(f.Suggestions), func(s Suggestion) bool {
		return s.By == bySimilar
	})
	if f.Code != noRow || len(sure) != 1 {
		return Row{}, false
	}
	return Row{SKU: sure[0].SKU, Connection: f.Connection, Marketplace: f.Marketplace,
		ASIN: f.ASIN, SellerSKU: f.SellerSKU, Fulfilment: f.Fulfilment, VariantID: f.VariantID,
		InventoryItemID: f.InventoryItemID, ItemID: f.ItemID}, true
}

func ofItem(kind Kind, code string, i *Item) Finding {
	return Finding{Kind: kind, Code: code, Connection: i.Connection, Marketplace: i.Marketplace,
		ASIN: i.ASIN, SellerSKU: i.SellerSKU, Fulfilment: i.Fulfilment, VariantID: i.VariantID,
		InventoryItemID: i.InventoryItemID, ItemID: i.ItemID, Theirs: i.SKU, Title: i.Title}
}

func ofRow(kind Kind, code string, r *Row) Finding {
	return Finding{Kind: kind, Code: code, SKU: r.SKU, Connection: r.Connection,
		Marketplace: r.Marketplace, ASIN: r.ASIN, SellerSKU: r.SellerSKU, Fulfilment: r.Fulfilment,
		VariantID: r.VariantID, InventoryItemID: r.InventoryItemID, ItemID: r.ItemID}
}

// Audit is the result of one run.
type Audit struct {
	Index    uint64         // of the ledger, at which its SKUs were read first
	Counts   map[Kind]int   // of all findings
	Blocking map[string]int // connection → findings that must be cleared before it is on
	Cut      bool           // there are more findings than are kept
	findings []Finding      // in the order of their keys
}

// MaxFindings is how many findings are kept of one run, some 80 MB; beyond it they are counted only. A
// merchant with more has not begun to map.
const MaxFindings = 200_000

// Filter says which findings a page shows; an empty field is any.
type Filter struct {
	Kind       Kind
	Connection string
	After      string // Next of an earlier page, also of an earlier run
	Limit      int
}

// Page returns findings in the order of connection, kind, code and item.
func (a *Audit) Page(q Filter) (found []Finding, next string) {
	from, _ := slices.BinarySearchFunc(a.findings, q.After, func(f Finding, after string) int {
		if after == "" || f.key() > after {
			return 1
		}
		return -1
	})
	last := ""
	for i := from; i < len(a.findings); i++ {
		f := &a.findings[i]
		if q.Kind != "" && f.Kind != q.Kind || q.Connection != "" && f.Connection != q.Connection {
			continue
		}
		if len(found) == q.Limit {
			return found, last
		}
		found, last = append(found, *f), f.key()
	}
	return found, ""
}

func (a *Audit) sort() {
	type keyed struct {
		key string
		f   Finding
	}
	all := make([]keyed, len(a.findings))
	for i, f := range a.findings {
		all[i] = keyed{f.key(), f}
	}
	slices.SortStableFunc(all, func(x, y keyed) int { return cmp.Compare(x.key, y.key) })
	for i := range all {
		a.findings[i] = all[i].f
	}
}
