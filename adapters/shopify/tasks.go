package shopify

import "slices"

// kindName is the kind of connections that this package is for.
const kindName = "shopify"

// The tasks that this package does. The first group is queued by package orders, the second by
// webhooks and by the adapter itself.
const (
	taskOrder    = "shopify.order"
	taskFulfil   = "shopify.fulfilment"
	taskTracking = "shopify.tracking"
	taskCancel   = "shopify.cancel"
	taskReturn   = "shopify.return"
	taskReceipt  = "shopify.receipt"
	taskRefund   = "shopify.refund"
	taskHold     = "shopify.hold"
	taskRelease  = "shopify.release_hold"
	taskMove     = "shopify.move"
	taskClose    = "shopify.close"

	taskPlaces  = "shopify.fulfilment_orders" // where the order is to leave from
	taskRead    = "shopify.read"              // an order, whole
	taskReturns = "shopify.returns"           // the returns of an order
	taskOwner   = "shopify.owner"             // whose a fulfilment order or a return is
	taskProduct = "shopify.product"           // the variants of a product
	taskCheck   = "shopify.check"             // scopes, locations, version
)

// TaskKinds are the kinds of task that [Shops] does.
var TaskKinds = []string{taskOrder, taskFulfil, taskTracking, taskCancel, taskReturn, taskReceipt,
	taskRefund, taskHold, taskRelease, taskMove, taskClose, taskPlaces, taskRead, taskReturns,
	taskOwner, taskProduct, taskCheck}

// ReadKinds are the kinds of task that change nothing in a shop.
var ReadKinds = []string{taskPlaces, taskRead, taskReturns, taskOwner, taskProduct, taskCheck}

// ownerPayload names the thing whose order is looked for.
type ownerPayload struct {
	ID gid `json:"id"`
}

// PlacesTask reports whether a task of a kind is about from where an order is to leave.
func PlacesTask(kind string) bool { return kind == taskPlaces || kind == taskMove }

// ReadsOnly reports whether a task of a kind changes nothing in the shop.
func ReadsOnly(kind string) bool { return slices.Contains(ReadKinds, kind) }
