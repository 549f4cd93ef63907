package spapi

import (
	"net/url"
	"strings"
)

// operation is one operation of the API. Tests hold all of them against Amazon's models, and their
// limits against its published ones.
type operation struct {
	name   string
	method string
	path   string // with {names} in the places of its arguments
	kind   opKind
	scope  string  // of a call without a seller; empty: the seller's token
	secret bool    // its request has something of a buyer, which an error might repeat
	rate   float64 // calls a second, to begin with: answers tell the true one
	burst  int
}

// opKind says whether an operation may be sent again when nobody knows what became of it.
type opKind uint8

const (
	reads    opKind = iota
	repeats         // the second time has the effect of the first
	sentOnce        // look before it is sent again
)

func (o *operation) writes() bool { return o.kind != reads }

// forNotifications is the scope of the calls about an application's destinations.
const forNotifications = "sellingpartnerapi::notifications"

// all is every operation, for the tests.
var all []*operation

func define(method, name, path string, kind opKind, rate float64, burst int) *operation {
	o := &operation{name: name, method: method, path: path, kind: kind, rate: rate, burst: burst}
	all = append(all, o)
	return o
}

// grantless marks an operation that belongs to the application, whoever the seller is.
func (o *operation) grantless() *operation {
	o.scope = forNotifications
	return o
}

// private marks an operation whose request has a buyer's address.
func (o *operation) private() *operation {
	o.secret = true
	return o
}

const (
	outbound2020 = "/fba/outbound/2020-07-01/fulfillmentOrders"
	listingPath  = "/listings/2021-08-01/items/{sellerId}/{sku}"
	destined     = "/notifications/v1/destinations"
	subscribed   = "/notifications/v1/subscriptions/{notificationType}"
)

var (
	opSearchOrders = define("GET", "searchOrders", "/orders/2026-01-01/orders", reads, 0.0056, 20)
	opGetOrder     = define("GET", "getOrder", "/orders/2026-01-01/orders/{orderId}", reads, 0.5, 30)

	// The same package reference again is an edit of that package.
	opConfirmShipment = define("POST", "confirmShipment",
		"/orders/v0/orders/{orderId}/shipmentConfirmation", repeats, 2, 10)

	opGetListing    = define("GET", "getListingsItem", listingPath, reads, 5, 10)
	opPutListing    = define("PUT", "putListingsItem", listingPath, repeats, 5, 10)
	opPatchListing  = define("PATCH", "patchListingsItem", listingPath, repeats, 5, 5)
	opDeleteListing = define("DELETE", "deleteListingsItem", listingPath, repeats, 5, 5)

	opInventory = define("GET", "getInventorySummaries", "/fba/inventory/v1/summaries", reads, 2, 2)

	// A document that nobody uses is forgotten by Amazon.
	opCreateFeedDocument = define("POST", "createFeedDocument", "/feeds/2021-06-30/documents",
		repeats, 0.5, 15)
	opCreateFeed = define("POST", "createFeed", "/feeds/2021-06-30/feeds", sentOnce, 0.0083, 15)
	opGetFeed    = define("GET", "getFeed", "/feeds/2021-06-30/feeds/{feedId}", reads, 2, 15)
	opGetFeeds   = define("GET", "getFeeds", "/feeds/2021-06-30/feeds", reads, 0.0222, 10)

	opGetFeedDocument = define("GET", "getFeedDocument",
		"/feeds/2021-06-30/documents/{feedDocumentId}", reads, 0.0222, 10)

	opCreateReport = define("POST", "createReport", "/reports/2021-06-30/reports", sentOnce, 0.0167, 15)
	opGetReport    = define("GET", "getReport", "/reports/2021-06-30/reports/{reportId}", reads, 2, 15)
	opGetReports   = define("GET", "getReports", "/reports/2021-06-30/reports", reads, 0.0222, 10)

	opGetReportDocument = define("GET", "getReportDocument",
		"/reports/2021-06-30/documents/{reportDocumentId}", reads, 0.0167, 15)

	opPreviewOutbound = define("POST", "getFulfillmentPreview", outbound2020+"/preview",
		reads, 2, 30).private()
	opCreateOutbound = define("POST", "createFulfillmentOrder", outbound2020, sentOnce, 2, 30).private()
	opGetOutbound    = define("GET", "getFulfillmentOrder",
		outbound2020+"/{sellerFulfillmentOrderId}", reads, 2, 30)
	opCancelOutbound = define("PUT", "cancelFulfillmentOrder",
		outbound2020+"/{sellerFulfillmentOrderId}/cancel", repeats, 2, 30)
	opTracking = define("GET", "getPackageTrackingDetails", "/fba/outbound/2020-07-01/tracking",
		reads, 2, 30)

	opGetDestinations   = define("GET", "getDestinations", destined, reads, 1, 5).grantless()
	opCreateDestination = define("POST", "createDestination", destined, sentOnce, 1, 5).grantless()
	opGetSubscription   = define("GET", "getSubscription", subscribed, reads, 1, 5)
	opSubscribe         = define("POST", "createSubscription", subscribed, sentOnce, 1, 5)
	opUnsubscribe       = define("DELETE", "deleteSubscriptionById", subscribed+"/{subscriptionId}",
		repeats, 1, 5).grantless()

	opTransactions = define("GET", "listTransactions", "/finances/2024-06-19/transactions", reads, 0.5, 10)

	opParticipations = define("GET", "getMarketplaceParticipations",
		"/sellers/v1/marketplaceParticipations", reads, 0.016, 15)
)

// address is the path of a call, each argument in its place as one segment. It fails with a Fault
// when an argument cannot be a segment: an empty one would be another path.
func (o *operation) address(args []string) (string, error) {
	var out strings.Builder
	rest := o.path
	for _, arg := range args {
		before, after, ok := strings.Cut(rest, "{")
		if !ok {
			break
		}
		if arg == "" || arg == "." || arg == ".." || len(arg) > maxArgument {
			return "", Refused(CodePayload, "%s: %q cannot be asked for by its name", o.name, cut(arg, 64))
		}
		out.WriteString(before)
		out.WriteString(segment(arg))
		_, rest, _ = strings.Cut(after, "}")
	}
	out.WriteString(rest)
	return out.String(), nil
}

// maxArgument bounds what stands in a path: a seller SKU has 40 characters.
const maxArgument = 512

// segment percent-encodes all but what may stand anywhere in a URL. A plus is encoded too: some
// gateways read it as a space.
func segment(text string) string {
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9',
			c == '-' || c == '.' || c == '_' || c == '~':
			out.WriteByte(c)
		default:
			out.WriteByte('%')
			out.WriteByte(hex[c>>4])
			out.WriteByte(hex[c&15])
		}
	}
	return out.String()
}

// query is the parameters of a call.
type query map[string]string

// set adds a parameter unless it is empty.
func (q query) set(name, value string) {
	if value != "" {
		q[name] = value
	}
}

// list adds an array, in the one way in which the models write it: with commas.
func (q query) list(name string, values []string) { q.set(name, strings.Join(values, ",")) }

// encode writes the parameters in the order of their names. A space is %20, never a plus.
func (q query) encode() string {
	values := make(url.Values, len(q))
	for name, value := range q {
		values.Set(name, value)
	}
	return strings.ReplaceAll(values.Encode(), "+", "%20")
}
