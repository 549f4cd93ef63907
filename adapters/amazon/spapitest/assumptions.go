package spapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Assumptions holds one switch for each thing that Amazon does not document or that its pages and
// its sellers tell differently. Where a seller account tells, the switch goes and the answer stays.
type Assumptions struct {
	// ChangeAtCreation: ORDER_CHANGE is sent when an order is placed, with status Pending. Its
	// schema has that status; an answer of support relayed in selling-partner-api-docs 3278 says
	// that only existing orders are told about.
	ChangeAtCreation bool `json:"change_at_creation"`

	// PriceWhilePending: searchOrders shows prices of PENDING orders. Orders v0 documents that it
	// does not; a seller in Japan saw them in 2026-01-01 (selling-partner-api-models 5139).
	PriceWhilePending bool `json:"price_while_pending"`

	// MissingRoleDenies: included data without the role for it is answered 403. Off: it is left
	// out. Sellers report both (selling-partner-api-models 5319).
	MissingRoleDenies bool `json:"missing_role_denies"`

	// MCFInOrders: multi-channel orders appear in searchOrders as NON_AMAZON. The text of the
	// status UNFULFILLABLE in the model implies it.
	MCFInOrders bool `json:"mcf_in_orders"`

	// PatchesKeepOrder: two patches of one SKU take effect in the order in which they were
	// accepted. Not documented; submissions have no sequence number.
	PatchesKeepOrder bool `json:"patches_keep_order"`

	// FeedKeepsOrder: a feed's message takes effect after patches of that SKU that were accepted
	// before it, and before those accepted after it. An open question in Amazon's own discussion
	// 109; off by default, so a patch overtakes a feed that still waits.
	FeedKeepsOrder bool `json:"feed_keeps_order"`

	// QuantityStrandsFBA: a DEFAULT quantity for a listing fulfilled by AMAZON_* is added beside
	// it and switches its offer to the seller, as in selling-partner-api-models 2061 and 4265 and
	// the changelog of the inventory feed. Off: it is accepted and ignored.
	QuantityStrandsFBA bool `json:"quantity_strands_fba"`

	// BuyableNeedsStock: a listing with quantity 0 is not BUYABLE. Not documented.
	BuyableNeedsStock bool `json:"buyable_needs_stock"`

	// NoInventoryKeeps: cancelling with the reason NoInventory does not give units back to the
	// listing; every other cancellation does (Amazon's seller support, 2010).
	NoInventoryKeeps bool `json:"no_inventory_keeps"`

	// CancelledShowsZero: items of a cancelled order show quantity 0, as sellers report of v0.
	CancelledShowsZero bool `json:"cancelled_shows_zero"`

	// LimitHeaderOn429: x-amzn-RateLimit-Limit stands on 429 too. The models declare it on 200,
	// 400 and 404 only; some clients read it there.
	LimitHeaderOn429 bool `json:"limit_header_on_429"`

	// MCFDuplicateRefused: a second createFulfillmentOrder with the same id is answered 400. Off:
	// it is answered 200 and changes nothing. The exact code is not documented.
	MCFDuplicateRefused bool `json:"mcf_duplicate_refused"`

	// MCFChecksStock: createFulfillmentOrder with FillOrKill and too little stock is answered 400.
	// Off: the order becomes Invalid or Unfulfillable when it is validated.
	MCFChecksStock bool `json:"mcf_checks_stock"`

	// StatusChangedSpelling: LISTINGS_ITEM_STATUS_CHANGE says LISTINGS_ITEM_STATUS_CHANGED in the
	// message, as its schema does. Off: as the example in that schema.
	StatusChangedSpelling bool `json:"status_changed_spelling"`

	// EmptyReportCancelled: a report without rows ends CANCELLED, as the reports model says of a
	// report that has no data to return. Off: it is DONE with the line of headings alone.
	EmptyReportCancelled bool `json:"empty_report_cancelled"`
}

// Documented returns the assumptions as the design makes them.
func Documented() Assumptions {
	return Assumptions{ChangeAtCreation: true, MCFInOrders: true, PatchesKeepOrder: true,
		QuantityStrandsFBA: true, NoInventoryKeeps: true, MCFDuplicateRefused: true,
		StatusChangedSpelling: true, EmptyReportCancelled: true}
}

// merged lays switches over a, given as JSON. The error names one that is not known.
func (a Assumptions) merged(text json.RawMessage) (Assumptions, error) {
	if len(text) == 0 {
		return a, nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&a); err != nil {
		return a, fmt.Errorf("assumptions: %w", err)
	}
	return a, nil
}
