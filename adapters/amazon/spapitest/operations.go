package spapitest

import (
	"net/http"
	"net/url"
	"strings"
)

// operation is one operation of Amazon's models: where it is, how often it may be called, who may
// call it, and what it does.
type operation struct {
	name, method, path string
	rate, burst        float64
	roles              []string // one of them is needed
	scope              string   // grantless: the scope that is needed in place of a seller
	do                 func(*call) answer
}

var (
	ordersRole  = []string{RoleOrders}
	listingRole = []string{RoleListings}
	mcfRole     = []string{RoleMCF}
	moneyRole   = []string{RoleFinance}
)

const (
	listingItem = "/listings/2021-08-01/items/{sellerId}/{sku}"
	mcfOrders   = "/fba/outbound/2020-07-01/fulfillmentOrders"
	mcfOrderOf  = mcfOrders + "/{sellerFulfillmentOrderId}"
	noteSubs    = "/notifications/v1/subscriptions"
	noteDests   = "/notifications/v1/destinations"
)

// operations are those that are simulated. Rates and bursts are those of Amazon's models.
var operations = []operation{
	{"searchOrders", "GET", "/orders/2026-01-01/orders", 0.0056, 20, ordersRole, "", searchOrders},
	{"getOrder", "GET", "/orders/2026-01-01/orders/{orderId}", 0.5, 30, ordersRole, "", getOrder},
	{"confirmShipment", "POST", "/orders/v0/orders/{orderId}/shipmentConfirmation", 2, 10, ordersRole,
		"", confirmShipment},
	{"updateShipmentStatus", "POST", "/orders/v0/orders/{orderId}/shipment", 5, 15, ordersRole, "",
		updateShipmentStatus},
	{"getListingsItem", "GET", listingItem, 5, 10, listingRole, "", getListing},
	{"putListingsItem", "PUT", listingItem, 5, 10, listingRole, "", putListing},
	{"patchListingsItem", "PATCH", listingItem, 5, 5, listingRole, "", patchListing},
	{"deleteListingsItem", "DELETE", listingItem, 5, 5, listingRole, "", deleteListing},
	{"searchListingsItems", "GET", "/listings/2021-08-01/items/{sellerId}", 5, 5, listingRole, "",
		searchListings},
	{"getInventorySummaries", "GET", "/fba/inventory/v1/summaries", 2, 2, listingRole, "",
		inventorySummaries},
	{"getMarketplaceParticipations", "GET", "/sellers/v1/marketplaceParticipations", 0.016, 15, nil,
		"", participations},
	{"createFeedDocument", "POST", "/feeds/2021-06-30/documents", 0.5, 15, nil, "",
		createFeedDocument},
	{"getFeedDocument", "GET", "/feeds/2021-06-30/documents/{feedDocumentId}", 0.0222, 10, nil, "",
		getFeedDocument},
	{"createFeed", "POST", "/feeds/2021-06-30/feeds", 0.0083, 15, nil, "", createFeed},
	{"getFeeds", "GET", "/feeds/2021-06-30/feeds", 0.0222, 10, nil, "", getFeeds},
	{"getFeed", "GET", "/feeds/2021-06-30/feeds/{feedId}", 2, 15, nil, "", getFeed},
	{"cancelFeed", "DELETE", "/feeds/2021-06-30/feeds/{feedId}", 2, 15, nil, "", cancelFeed},
	{"createReport", "POST", "/reports/2021-06-30/reports", 0.0167, 15, nil, "", createReport},
	{"getReports", "GET", "/reports/2021-06-30/reports", 0.0222, 10, nil, "", getReports},
	{"getReport", "GET", "/reports/2021-06-30/reports/{reportId}", 2, 15, nil, "", getReport},
	{"cancelReport", "DELETE", "/reports/2021-06-30/reports/{reportId}", 0.0222, 10, nil, "",
		cancelReport},
	{"getReportDocument", "GET", "/reports/2021-06-30/documents/{reportDocumentId}", 0.0167, 15, nil,
		"", getReportDocument},
	{"getFulfillmentPreview", "POST", mcfOrders + "/preview", 2, 30, mcfRole, "", mcfPreview},
	{"createFulfillmentOrder", "POST", mcfOrders, 2, 30, mcfRole, "", createMCF},
	{"listAllFulfillmentOrders", "GET", mcfOrders, 2, 30, mcfRole, "", listMCF},
	{"getFulfillmentOrder", "GET", mcfOrderOf, 2, 30, mcfRole, "", getMCF},
	{"updateFulfillmentOrder", "PUT", mcfOrderOf, 2, 30, mcfRole, "", updateMCF},
	{"cancelFulfillmentOrder", "PUT", mcfOrderOf + "/cancel", 2, 30, mcfRole, "", cancelMCF},
	{"getPackageTrackingDetails", "GET", "/fba/outbound/2020-07-01/tracking", 2, 30, mcfRole, "",
		trackMCF},
	{"listTransactions", "GET", "/finances/2024-06-19/transactions", 0.5, 10, moneyRole, "",
		listTransactions},
	{"createDestination", "POST", noteDests, 1, 5, nil, scopeNotifications, createDestination},
	{"getDestinations", "GET", noteDests, 1, 5, nil, scopeNotifications, getDestinations},
	{"getDestination", "GET", noteDests + "/{destinationId}", 1, 5, nil, scopeNotifications,
		getDestination},
	{"deleteDestination", "DELETE", noteDests + "/{destinationId}", 1, 5, nil, scopeNotifications,
		deleteDestination},
	{"createSubscription", "POST", noteSubs + "/{notificationType}", 1, 5, nil, "",
		createSubscription},
	{"getSubscription", "GET", noteSubs + "/{notificationType}", 1, 5, nil, "", getSubscription},
	{"getSubscriptionById", "GET", noteSubs + "/{notificationType}/{subscriptionId}", 1, 5, nil,
		scopeNotifications, getSubscriptionByID},
	{"deleteSubscriptionById", "DELETE", noteSubs + "/{notificationType}/{subscriptionId}", 1, 5, nil,
		scopeNotifications, deleteSubscription},
}

// routes are the steps of the paths, split once.
var routes = func() [][]string {
	out := make([][]string, len(operations))
	for i, o := range operations {
		out[i] = strings.Split(o.path, "/")
	}
	return out
}()

// match finds the operation of a request and its path parameters, unescaped.
func match(method, path string) (*operation, map[string]string) {
	steps := strings.Split(path, "/")
	for i := range operations {
		if operations[i].method != method || len(routes[i]) != len(steps) {
			continue
		}
		if params, ok := bind(routes[i], steps); ok {
			return &operations[i], params
		}
	}
	return nil, nil
}

func bind(route, steps []string) (map[string]string, bool) {
	params := map[string]string{}
	for i, step := range route {
		name, ok := strings.CutPrefix(step, "{")
		if !ok {
			if step != steps[i] {
				return nil, false
			}
			continue
		}
		v, err := url.PathUnescape(steps[i])
		if err != nil || v == "" {
			return nil, false
		}
		params[strings.TrimSuffix(name, "}")] = v
	}
	return params, true
}

// call is one call of an operation.
type call struct {
	*exchange
	op     *operation
	grant  *grant
	acct   *account // nil for a grantless operation
	act    *action  // what it does; nil for a grantless operation
	params map[string]string
	query  url.Values
}

// answer is what comes of a call.
type answer struct {
	status int
	body   any // nil for no body
	result string
}

func ok(body any) answer { return answer{http.StatusOK, body, "ok"} }

// fail is an error in the envelope of all SP-API: errors[].
func fail(status int, code, message string) answer {
	return answer{status, errorList(code, message, ""), code}
}

func invalid(message string) answer { return fail(http.StatusBadRequest, "InvalidInput", message) }

func notFound(message string) answer { return fail(http.StatusNotFound, "NotFound", message) }

func errorList(code, message, details string) map[string]any {
	e := map[string]any{"code": code, "message": message}
	if details != "" {
		e["details"] = details
	}
	return map[string]any{"errors": []any{e}}
}

// payload is the envelope of the older APIs.
func payload(v any) answer { return ok(map[string]any{"payload": v}) }

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request, region, path string) {
	e := s.newExchange(w, r)
	e.entry.Region = region
	e.refuse = func(status int, code, message string) {
		writeJSON(w, status, errorList(code, message, ""))
	}
	op, params := match(r.Method, path)
	if region == "" || op == nil {
		e.refused(http.StatusNotFound, "NotFound", "The resource was not found.")
		return
	}
	c := &call{exchange: e, op: op, params: params, query: r.URL.Query()}
	e.entry.Op = op.name
	var why string
	c.grant, why = s.tokens.find(r.Header.Get("X-Amz-Access-Token"))
	if g := c.grant; g != nil {
		e.entry.App, c.acct = g.app.cfg.Name, g.acct
		if g.acct != nil {
			e.entry.Account = g.acct.cfg.Name
		}
	}
	if !e.read() {
		e.refused(http.StatusRequestEntityTooLarge, "InvalidInput", "The request is too large.")
		return
	}
	if e.strike() {
		return
	}
	c.tokenFault(&why)
	if a := c.admit(why); a != nil {
		c.log(a.status, a.result)
		c.answer(*a)
		return
	}
	c.answer(c.run())
}

// tokenFault does what the faults of tokens do, which is seen in the check that follows.
func (c *call) tokenFault(why *string) {
	if c.fault == nil || c.grant == nil {
		return
	}
	switch {
	case c.fault.Kind == FaultTokenExpired:
		c.srv.tokens.expire(c.grant)
		*why = expiredToken
	case c.fault.Kind == FaultTokenRevoked && c.acct != nil:
		c.srv.tokens.revoke(c.acct, c.grant.app, true)
		*why = "The access token you provided is revoked, malformed or invalid."
	}
}

// admit checks who calls and how often; nil lets the call in.
func (c *call) admit(why string) *answer {
	denied := func(details string) *answer {
		return &answer{http.StatusForbidden, errorList("Unauthorized", accessDenied, details),
			"Unauthorized"}
	}
	switch agent := c.r.Header.Get("User-Agent"); {
	case agent == "" || len(agent) > 500:
		a := invalid("The user-agent header is missing or longer than 500 characters.")
		return &a
	case why != "":
		return denied(why)
	case c.op.scope != "" && c.grant.scope != c.op.scope, c.op.scope == "" && c.acct == nil:
		return denied("")
	case c.acct != nil && c.acct.cfg.Region != c.entry.Region:
		return denied("")
	case !c.srv.tokens.role(c.grant.app, c.op.roles...):
		return denied("")
	}
	key := c.op.name + "|" + c.grant.app.cfg.Name
	if c.acct != nil {
		key += "|" + c.acct.cfg.Name
	}
	if !c.srv.limits.take(key, c.op.rate, c.op.burst) {
		return &answer{http.StatusTooManyRequests,
			errorList("QuotaExceeded", quotaExceeded, ""), "QuotaExceeded"}
	}
	return nil
}

// run does the work under the lock of the account, which makes the call one step, and logs it
// there.
func (c *call) run() answer {
	if c.acct == nil {
		a := c.op.do(c)
		c.log(a.status, a.result)
		return a
	}
	c.acct.mu.Lock()
	defer c.acct.mu.Unlock()
	c.act = c.acct.begin("api")
	c.act.request = c.n
	if c.fault != nil {
		c.act.fault = c.fault.id
	}
	a := c.op.do(c)
	c.log(a.status, a.result)
	return a
}

func (c *call) answer(a answer) {
	limited := a.status < 300 || a.status == http.StatusBadRequest || a.status == http.StatusNotFound
	if limited || a.status == http.StatusTooManyRequests && c.srv.assumptions().LimitHeaderOn429 {
		c.w.Header()["X-Amzn-Ratelimit-Limit"] = c.srv.limitHeader(c.op.rate)
	}
	var body []byte
	if a.body != nil {
		body = encode(a.body)
	}
	c.send(a.status, "application/json", body)
}

// list reads an array of the query, as csv or as repeated keys.
func (c *call) list(name string) []string {
	var out []string
	for _, v := range c.query[name] {
		for _, part := range strings.Split(v, ",") {
			if part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}
