package spapi

import (
	"context"
	"strings"
	"time"

	"holdfast/adapters/lenient"
)

// Level is what Amazon has of one SKU in its own warehouses, as one marketplace sees it. Several
// marketplaces may see the same units: figures are never added.
type Level struct {
	ASIN      string         `json:"asin"`
	FNSKU     string         `json:"fnSku"`
	SellerSKU string         `json:"sellerSku"`
	Condition string         `json:"condition"`
	Updated   lenient.Moment `json:"lastUpdatedTime"`
	Total     lenient.Number `json:"totalQuantity"`
	Details   struct {
		Fulfillable lenient.Number `json:"fulfillableQuantity"`
		Working     lenient.Number `json:"inboundWorkingQuantity"`
		Shipped     lenient.Number `json:"inboundShippedQuantity"`
		Receiving   lenient.Number `json:"inboundReceivingQuantity"`
		Reserved    struct {
			Total      lenient.Number `json:"totalReservedQuantity"`
			Ordered    lenient.Number `json:"pendingCustomerOrderQuantity"`
			Transfer   lenient.Number `json:"pendingTransshipmentQuantity"`
			Processing lenient.Number `json:"fcProcessingQuantity"`
		} `json:"reservedQuantity"`
		Researching struct {
			Total lenient.Number `json:"totalResearchingQuantity"`
		} `json:"researchingQuantity"`
		Unfulfillable struct {
			Total lenient.Number `json:"totalUnfulfillableQuantity"`
		} `json:"unfulfillableQuantity"`
	} `json:"inventoryDetails"`

	// Complaint says what could not be read. A level with one is not to be believed.
	Complaint string `json:"-"`
}

// UnmarshalJSON always returns nil.
func (l *Level) UnmarshalJSON(b []byte) error {
	type plain Level
	l.Complaint = readLeniently(b, (*plain)(l))
	if d := &l.Details; l.Complaint == "" && (d.Fulfillable.Bad || d.Reserved.Ordered.Bad) {
		l.Complaint = "a quantity is no number"
	}
	return nil
}

// LevelsQuery asks for levels: all, those that changed since a moment, or those of some SKUs.
type LevelsQuery struct {
	MarketplaceID string
	Since         time.Time // at most 18 months ago; what is inbound alone does not show
	SKUs          []string  // at most 50
	// Token is that of the page before; it lives 30 s, and all else must be as it was.
	Token string
}

// MaxLevelSKUs is the most SKUs that one query names.
const MaxLevelSKUs = 50

// LevelsPage is a page of levels.
type LevelsPage struct {
	Levels []Level
	Next   string
}

// Levels reads a page of levels. It fails with a Fault; its code is [CodeExpired] when the token of
// a page is too old.
func (c *Client) Levels(ctx context.Context, l LevelsQuery) (*LevelsPage, error) {
	q := query{"granularityType": "Marketplace", "details": "true"}
	q.set("granularityId", l.MarketplaceID)
	q.set("marketplaceIds", l.MarketplaceID)
	q.time("startDateTime", l.Since)
	switch {
	case len(l.SKUs) > MaxLevelSKUs || len(l.SKUs) > 1 && strings.Contains(strings.Join(l.SKUs, ""), ","):
		return nil, Refused(CodePayload, "levels of at most %d SKUs, none with a comma", MaxLevelSKUs)
	case len(l.SKUs) == 1:
		q.set("sellerSku", l.SKUs[0])
	default:
		q.list("sellerSkus", l.SKUs)
	}
	q.set("nextToken", l.Token)
	var out struct {
		Payload *struct {
			Levels []Level `json:"inventorySummaries"`
		} `json:"payload"`
		Pagination struct {
			Next string `json:"nextToken"`
		} `json:"pagination"` // beside the payload
		Errors []apiError `json:"errors"`
	}
	if err := c.do(ctx, opInventory, call{query: q, out: &out}); err != nil {
		return nil, pageFault(err, l.Token)
	}
	if out.Payload == nil && len(out.Errors) > 0 {
		return nil, pageFault(wrappedFault(opInventory, "", out.Errors), l.Token)
	}
	if out.Payload == nil {
		return nil, Refused(CodeAnswer, "getInventorySummaries: an answer without a payload")
	}
	return &LevelsPage{Levels: out.Payload.Levels, Next: out.Pagination.Next}, nil
}
