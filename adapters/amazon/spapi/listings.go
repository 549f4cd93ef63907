package spapi

import (
	"context"
	"encoding/json"
	"strings"

	"holdfast/adapters/lenient"
)

// Listing is what a seller offers under one SKU.
type Listing struct {
	SKU       string           `json:"sku"`
	Summaries []ListingSummary `json:"summaries"`
	Issues    []Issue          `json:"issues"`
	Offers    []struct {
		MarketplaceID string `json:"marketplaceId"`
		Type          string `json:"offerType"` // B2C, B2B
		Price         Money  `json:"price"`
	} `json:"offers"`
	Availability []Availability             `json:"fulfillmentAvailability"`
	Attributes   map[string]json.RawMessage `json:"attributes"`
	ProductTypes []struct {
		MarketplaceID string `json:"marketplaceId"`
		ProductType   string `json:"productType"`
	} `json:"productTypes"`
}

// ListingSummary is a listing in one marketplace.
type ListingSummary struct {
	MarketplaceID string         `json:"marketplaceId"`
	ASIN          string         `json:"asin"`
	ProductType   string         `json:"productType"`
	FNSKU         string         `json:"fnSku"`
	Title         string         `json:"itemName"`
	Status        []string       `json:"status"` // BUYABLE, DISCOVERABLE
	Updated       lenient.Moment `json:"lastUpdatedDate"`
}

// Availability is units under one way of fulfilling.
type Availability struct {
	Channel  string          `json:"fulfillmentChannelCode"`
	Quantity *lenient.Number `json:"quantity"`
}

// DefaultChannel is the fulfilment channel of a seller who sends himself.
const DefaultChannel = "DEFAULT"

// ByAmazon reports whether Amazon holds the stock: AMAZON_NA, AMAZON_EU, AMAZON_JP and others.
func (a *Availability) ByAmazon() bool {
	return strings.HasPrefix(strings.ToUpper(a.Channel), "AMAZON")
}

// FulfilledBy says who fulfils a listing: ByAmazon as soon as any channel is Amazon's, because a
// quantity for such a listing strands its stock; ByMerchant when there are others only; empty when
// it does not say.
func (l *Listing) FulfilledBy() string {
	by := ""
	for i := range l.Availability {
		if l.Availability[i].ByAmazon() {
			return ByAmazon
		}
		if l.Availability[i].Channel != "" {
			by = ByMerchant
		}
	}
	return by
}

// Issue is what Amazon says of a listing, or of a change of it.
type Issue struct {
	Code         string   `json:"code"`
	Message      string   `json:"message"`
	Severity     string   `json:"severity"` // ERROR, WARNING, INFO
	Attributes   []string `json:"attributeNames"`
	Categories   []string `json:"categories"`
	Marketplaces []string `json:"marketplaceIds"`
	Enforcements *struct {
		Actions []struct {
			Action string `json:"action"`
		} `json:"actions"`
	} `json:"enforcements"`
}

// The severity of an issue that keeps a change from being made.
const SeverityError = "ERROR"

// ListingKey names a listing.
type ListingKey struct {
	SellerID     string
	SKU          string
	Marketplaces []string
}

// The data that a listing comes with when it is asked for.
const (
	WithSummaries    = "summaries"
	WithAttributes   = "attributes"
	WithIssues       = "issues"
	WithOffers       = "offers"
	WithAvailability = "fulfillmentAvailability"
	WithProductTypes = "productTypes"
)

// Listing reads a listing. It fails with a Fault; its code is [CodeGone] where there is none.
func (c *Client) Listing(ctx context.Context, k ListingKey, include ...string) (*Listing, error) {
	q := query{}
	q.list("marketplaceIds", k.Marketplaces)
	q.list("includedData", include)
	out := new(Listing)
	err := c.do(ctx, opGetListing, call{args: []string{k.SellerID, k.SKU}, query: q, out: out})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// PatchOp is one change of a listing: of one whole attribute.
type PatchOp struct {
	Op    string `json:"op"`   // add, replace, merge, delete
	Path  string `json:"path"` // /attributes/NAME
	Value []any  `json:"value,omitempty"`
}

// Patch is changes of a listing.
type Patch struct {
	ProductType string    `json:"productType"`
	Patches     []PatchOp `json:"patches"`
}

// AnyProductType is taken for changes of an offer alone.
const AnyProductType = "PRODUCT"

const availabilityPath = "/attributes/fulfillment_availability"

type writtenAvailability struct {
	Channel  string `json:"fulfillment_channel_code"`
	Quantity int64  `json:"quantity"`
}

// QuantityOp sets how many units the seller himself offers. It merges, so that the handling time
// and the date of restocking stay; it is the only way to write a quantity.
func QuantityOp(quantity int64) PatchOp {
	return PatchOp{Op: "merge", Path: availabilityPath,
		Value: []any{writtenAvailability{DefaultChannel, quantity}}}
}

// QuantityPatch is the whole patch of a quantity.
func QuantityPatch(quantity int64) Patch {
	return Patch{ProductType: AnyProductType, Patches: []PatchOp{QuantityOp(quantity)}}
}

// NewListing is the whole of a listing.
type NewListing struct {
	ProductType  string         `json:"productType"`
	Requirements string         `json:"requirements,omitempty"` // OfferOnly, and no other by us
	Attributes   map[string]any `json:"attributes"`
}

// OfferOnly says that a listing offers a product that is in the catalogue already.
const OfferOnly = "LISTING_OFFER_ONLY"

// Submission is what Amazon says of a change. ACCEPTED is not done: it takes effect some minutes
// later.
type Submission struct {
	SKU    string  `json:"sku"`
	Status string  `json:"status"` // ACCEPTED, INVALID, VALID
	ID     string  `json:"submissionId"`
	Issues []Issue `json:"issues"`
}

// The answers to a change of a listing.
const (
	SubmissionAccepted = "ACCEPTED"
	SubmissionInvalid  = "INVALID"
	SubmissionValid    = "VALID" // of a preview
)

// PatchListing changes a listing; preview only asks whether it could. It fails with a Fault: its
// code is [CodeInvalid] when Amazon answers 200 and INVALID, and the Submission says why. The
// success of a change says that it was accepted, and not that it is in effect.
func (c *Client) PatchListing(ctx context.Context, k ListingKey, p Patch, preview bool) (
	*Submission, error) {
	for _, op := range p.Patches {
		if err := checkQuantity(op); err != nil {
			return nil, err
		}
	}
	return c.submit(ctx, opPatchListing, k, p, preview)
}

// PutListing makes a listing, or writes one anew as a whole. It fails as [Client.PatchListing]
// does.
func (c *Client) PutListing(ctx context.Context, k ListingKey, n NewListing, preview bool) (
	*Submission, error) {
	return c.submit(ctx, opPutListing, k, n, preview)
}

// DeleteListing deletes a listing. It fails as [Client.PatchListing] does.
func (c *Client) DeleteListing(ctx context.Context, k ListingKey) (*Submission, error) {
	return c.submit(ctx, opDeleteListing, k, nil, false)
}

// checkQuantity refuses what would strand stock or wipe a handling time: a quantity that replaces,
// is for another channel than the seller's own, or is negative.
func checkQuantity(op PatchOp) error {
	if !strings.HasPrefix(op.Path, availabilityPath) {
		return nil
	}
	fault := Refused(CodePayload, "a quantity is written by QuantityOp, and is not negative")
	if op.Op != "merge" || len(op.Value) != 1 {
		return fault
	}
	w, ok := op.Value[0].(writtenAvailability)
	if !ok || w.Channel != DefaultChannel || w.Quantity < 0 {
		return fault
	}
	return nil
}

func (c *Client) submit(ctx context.Context, op *operation, k ListingKey, body any, preview bool) (
	*Submission, error) {
	q := query{}
	q.list("marketplaceIds", k.Marketplaces)
	if body != nil {
		q.set("includedData", WithIssues)
	}
	want := SubmissionAccepted
	if preview {
		q.set("mode", "VALIDATION_PREVIEW")
		want = SubmissionValid
	}
	out := new(Submission)
	err := c.do(ctx, op, call{args: []string{k.SellerID, k.SKU}, query: q, body: body, out: out})
	if err != nil {
		return nil, err
	}
	switch {
	case out.Status == want, preview && out.Status == SubmissionAccepted:
		return out, nil
	case out.Status == SubmissionInvalid:
		return out, Refused(CodeInvalid, "%s of %s: %s", op.name, cut(k.SKU, 64), issuesText(out.Issues))
	}
	return out, &Fault{code: CodeAnswer, class: classBug, retryable: true, unknown: true,
		detail: op.name + " of " + cut(k.SKU, 64) + ": the unknown status " + cut(out.Status, 64)}
}

// issuesText is the errors among issues, for people.
func issuesText(issues []Issue) string {
	const most = 5
	var all []string
	for i := range issues {
		if is := &issues[i]; strings.EqualFold(is.Severity, SeverityError) && len(all) < most {
			all = append(all, cut(is.Code, 32)+" "+cut(is.Message, 200))
		}
	}
	if len(all) == 0 {
		return "without a reason"
	}
	return strings.Join(all, "; ")
}
