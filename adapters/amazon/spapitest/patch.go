package spapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// patchOp is one operation of a patch.
type patchOp struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value []obj  `json:"value"`

	name string // of the attribute
}

// submission is a change of a listing: by patchListingsItem, putListingsItem, deleteListingsItem or
// a message of a feed.
type submission struct {
	id, sku      string
	market       marketplace
	productType  string
	requirements string
	patches      []patchOp
	put          map[string][]obj // the attributes of a put
	delete       bool
	partial      bool // a put that leaves what it does not name
	feed         bool
}

// decodeNumbers reads JSON and keeps numbers as they are written.
func decodeNumbers(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return dec.Decode(into)
}

// listingCall checks what all calls about one listing share.
func (c *call) listingCall() (marketplace, *answer) {
	var m marketplace
	bad := func(a answer) (marketplace, *answer) { return m, &a }
	if c.params["sellerId"] != c.acct.cfg.SellerID {
		return bad(fail(403, "Unauthorized", accessDenied))
	}
	c.entry.SKU = c.params["sku"]
	ids := c.list("marketplaceIds")
	single := c.op.method == "PUT" || c.op.method == "DELETE"
	if len(ids) == 0 || single && len(ids) > 1 || !c.acct.sells(ids) {
		return bad(invalid("Invalid 'marketplaceIds' provided."))
	}
	if mode := c.query.Get("mode"); mode != "" && mode != "VALIDATION_PREVIEW" {
		return bad(invalid("Invalid 'mode' provided."))
	}
	m, _ = c.acct.market(ids[0])
	return m, nil
}

func patchListing(c *call) answer {
	m, refused := c.listingCall()
	if refused != nil {
		return *refused
	}
	var in struct {
		ProductType string    `json:"productType"`
		Patches     []patchOp `json:"patches"`
	}
	if err := decodeNumbers(c.body, &in); err != nil {
		return fail(400, "BAD_REQUEST", "The request body is not valid: "+err.Error())
	}
	if in.ProductType == "" || len(in.Patches) == 0 {
		return fail(400, "BAD_REQUEST", "productType and patches are required.")
	}
	for i := range in.Patches {
		if why := in.Patches[i].check(); why != "" {
			return fail(400, "BAD_REQUEST", why)
		}
	}
	if c.acct.bySKU[c.params["sku"]] == nil {
		return fail(404, "NOT_FOUND", fmt.Sprintf("SKU '%s' not found in marketplace %s",
			c.params["sku"], m.id))
	}
	return c.submit(submission{sku: c.params["sku"], market: m, productType: in.ProductType,
		patches: in.Patches})
}

// check reads the path; the answer says what is wrong with the operation as such.
func (p *patchOp) check() string {
	switch p.Op {
	case "add", "replace", "merge", "delete":
	default:
		return "Invalid patch operation: " + p.Op
	}
	name, fine := strings.CutPrefix(p.Path, "/attributes/")
	if !fine || name == "" || strings.Contains(name, "/") {
		return "Invalid patch path, only top-level attributes can be patched: " + p.Path
	}
	p.name = name
	return ""
}

func putListing(c *call) answer {
	m, refused := c.listingCall()
	if refused != nil {
		return *refused
	}
	var in struct {
		ProductType  string           `json:"productType"`
		Requirements string           `json:"requirements"`
		Attributes   map[string][]obj `json:"attributes"`
	}
	if err := decodeNumbers(c.body, &in); err != nil || in.ProductType == "" || in.Attributes == nil {
		return fail(400, "BAD_REQUEST", "The request body is not valid.")
	}
	in.Requirements = orElse(in.Requirements, "LISTING")
	switch in.Requirements {
	case "LISTING", "LISTING_PRODUCT_ONLY", "LISTING_OFFER_ONLY":
	default:
		return fail(400, "BAD_REQUEST", "Invalid requirements: "+in.Requirements)
	}
	return c.submit(submission{sku: c.params["sku"], market: m, productType: in.ProductType,
		requirements: in.Requirements, put: in.Attributes})
}

func deleteListing(c *call) answer {
	m, refused := c.listingCall()
	if refused != nil {
		return *refused
	}
	if c.acct.bySKU[c.params["sku"]] == nil {
		return fail(404, "NOT_FOUND", "SKU '"+c.params["sku"]+"' not found")
	}
	return c.submit(submission{sku: c.params["sku"], market: m, delete: true})
}

// submit answers a change of a listing: 200 also where it is INVALID. An accepted one takes effect
// later.
func (c *call) submit(s submission) answer {
	s.id = strings.ReplaceAll(c.srv.newUUID(), "-", "")
	issues := c.acct.examine(&s)
	status, result := "ACCEPTED", "ok"
	switch {
	case len(issues) > 0:
		status = "INVALID"
		result = "INVALID:" + issues[0].code
	case c.query.Get("mode") != "":
		status = "VALID"
	default:
		c.act.accept(s)
	}
	c.entry.Doc = s.id
	return answer{200, obj{"sku": s.sku, "status": status, "submissionId": s.id,
		"issues": issuesJSON(issues)}, result}
}

// accept lets a submission take effect after a while.
func (a *action) accept(s submission) {
	x, srv := a.acct, a.acct.srv
	wait := srv.period(srv.timing().Patch.draw(x.rng))
	fault := srv.faults.pick([]string{FaultPatchDelay, FaultPatchIssue}, victim{
		account: x.cfg.Name, region: x.cfg.Region, sku: s.sku})
	if fault != nil {
		a.log(Entry{Kind: "fault", Op: fault.Kind, Fault: fault.id, SKU: s.sku, Doc: s.id})
		if fault.Kind == FaultPatchDelay {
			wait += fault.delay()
		}
	}
	at := a.at.Add(wait)
	assumed := srv.assumptions()
	if l := x.bySKU[s.sku]; l != nil {
		ordered := assumed.PatchesKeepOrder && !s.feed || assumed.FeedKeepsOrder && s.feed
		if ordered && at.Before(l.effect) {
			at = l.effect
		}
		if at.After(l.effect) {
			l.effect = at
		}
	}
	request := a.request
	take := func(a *action) {
		a.request = request
		if fault != nil {
			a.fault = fault.id
		}
		a.effect(s, fault != nil && fault.Kind == FaultPatchIssue)
	}
	if wait == 0 && at.Equal(a.at) {
		take(&action{acct: x, at: a.at, cause: "api"})
		return
	}
	srv.clock.After(at.Sub(a.at), func() { x.do("api", take) })
}

// effect is a submission that takes effect, or does not and leaves an issue.
func (a *action) effect(s submission, fails bool) {
	x := a.acct
	l := x.bySKU[s.sku]
	if fails && l != nil {
		l.issues = append(l.issues, issue{"18027", "The submission could not be processed.", "ERROR",
			nil})
		a.log(Entry{Kind: "listing", Op: "issue", SKU: s.sku, Doc: s.id})
		a.tellIssues(l)
		return
	}
	if s.delete {
		if l != nil {
			x.removeListing(a, l)
		}
		return
	}
	created := l == nil
	if created {
		if s.put == nil {
			return // it was deleted before the patch took effect
		}
		l = x.newListing(a, s.sku)
		l.markets = []marketplace{s.market}
		l.kind = s.productType
	}
	hadIssues := len(l.issues) > 0
	l.issues = nil
	a.log(Entry{Kind: "listing", Op: "applied", SKU: s.sku, Doc: s.id})
	if s.put != nil {
		a.replaceListing(l, s, created)
	}
	for _, p := range s.patches {
		a.patch(l, p, s.id)
	}
	l.updated = a.at
	l.refreshTitle()
	a.tellStatus(l)
	if hadIssues {
		a.tellIssues(l)
	}
}

// replaceListing does a put: all attributes are those that are given, for that marketplace.
func (a *action) replaceListing(l *listing, s submission, created bool) {
	if !l.in(s.market) {
		l.markets = append(append([]marketplace{}, l.markets...), s.market)
	}
	if !s.partial {
		for name := range l.attrs {
			l.attrs.remove(name, []obj{{"marketplace_id": s.market.id}})
		}
		if l.own && !created {
			l.lead, l.restock = 0, ""
		}
	}
	if created {
		l.own = true
		a.log(Entry{Kind: "listing", Op: "created", SKU: l.sku, Doc: s.id})
	}
	for name, values := range s.put {
		if name == "merchant_suggested_asin" && len(values) > 0 {
			if asin, isText := values[0]["value"].(string); isText && asin != "" {
				l.asin = asin
			}
		}
		a.patch(l, patchOp{Op: "replace", name: name, Value: values}, s.id)
	}
}

func (x *account) removeListing(a *action, l *listing) {
	l.gone = true
	delete(x.bySKU, l.sku)
	for i, y := range x.listings {
		if y == l {
			x.listings = append(x.listings[:i:i], x.listings[i+1:]...)
			break
		}
	}
	a.tellStatus(l)
}

// refreshTitle takes the title from item_name.
func (l *listing) refreshTitle() {
	for _, v := range l.attrs["item_name"] {
		if title, isText := v["value"].(string); isText {
			l.title = title
			return
		}
	}
}

// patch does one operation.
func (a *action) patch(l *listing, p patchOp, submission string) {
	if p.name != "fulfillment_availability" {
		l.attrs.apply(p.Op, p.name, p.Value)
		return
	}
	for _, v := range p.Value {
		if v["fulfillment_channel_code"] == defaultChannel {
			a.patchDefault(l, p.Op, v, submission)
		} else if code, isText := v["fulfillment_channel_code"].(string); isText {
			a.convert(l, code, p.Op)
		}
	}
	if len(p.Value) == 0 && p.Op == "delete" {
		l.own = false
	}
}

// convert changes who fulfils: AMAZON_* as a channel, or its end.
func (a *action) convert(l *listing, code, op string) {
	if op == "delete" {
		l.fba, l.stranded = "", false
		return
	}
	l.fba, l.own, l.stranded = code, false, false
	a.log(Entry{Kind: "listing", Op: "converted", SKU: l.sku, Channel: "AFN"})
}

// patchDefault changes the merchant's own entry: its quantity and how long it takes to ship.
func (a *action) patchDefault(l *listing, op string, v obj, submission string) {
	if op == "delete" {
		l.own, l.stranded = false, false
		if l.quantity != 0 {
			a.setQuantity(l, 0, submission)
		}
		return
	}
	if l.fba != "" && !l.own {
		if !a.acct.srv.assumptions().QuantityStrandsFBA {
			a.log(Entry{Kind: "listing", Op: "quantity_ignored", SKU: l.sku, Doc: submission})
			return
		}
		l.own, l.stranded = true, true
		a.log(Entry{Kind: "listing", Op: "stranded", SKU: l.sku, Doc: submission})
	}
	l.own = true
	if op != "merge" { // what is not named is gone: the handling time too
		l.lead, l.restock = 0, ""
	}
	if n, fine := number(v["lead_time_to_ship_max_days"]); fine {
		l.lead = n
	}
	if text, isText := v["restock_date"].(string); isText {
		l.restock = text
	}
	if n, fine := number(v["quantity"]); fine {
		a.setQuantity(l, n, submission)
	} else if op != "merge" {
		a.setQuantity(l, 0, submission)
	}
}

func number(v any) (int64, bool) {
	n, isNumber := v.(json.Number)
	if !isNumber {
		return 0, false
	}
	i, err := n.Int64()
	return i, err == nil
}

// examine finds what makes a submission INVALID.
func (x *account) examine(s *submission) []issue {
	var out []issue
	bad := func(code, attribute, format string, args ...any) {
		out = append(out, issue{code, fmt.Sprintf(format, args...), "ERROR", []string{attribute}})
	}
	l := x.bySKU[s.sku]
	if l != nil && !s.delete && s.productType != "PRODUCT" && s.productType != l.kind &&
		l.kind != "PRODUCT" {
		bad("90004", "product_type", "The product type %s is not that of the listing.", s.productType)
	}
	for _, p := range s.patches {
		out = append(out, p.examine()...)
	}
	for name, values := range s.put {
		p := patchOp{Op: "replace", name: name, Value: values}
		out = append(out, p.examine()...)
	}
	required := map[string][]string{
		"LISTING": {"item_name"}, "LISTING_PRODUCT_ONLY": {"item_name"},
		"LISTING_OFFER_ONLY": {"merchant_suggested_asin", "condition_type"}}[s.requirements]
	for _, name := range required {
		if s.put != nil && len(s.put[name]) == 0 && !s.partial {
			bad("90220", name, "'%s' is required but not supplied.", name)
		}
	}
	return out
}

// examine finds what is wrong with the values of one attribute.
func (p *patchOp) examine() []issue {
	var out []issue
	bad := func(code, format string, args ...any) {
		out = append(out, issue{code, fmt.Sprintf(format, args...), "ERROR", []string{p.name}})
	}
	if strings.ToLower(p.name) != p.name {
		bad("90000900", "The attributes are invalid: %s", p.name)
	}
	for _, v := range p.Value {
		if name, found := camel(v); found {
			bad("90000900", "The attributes are invalid: %s", name)
		}
		if p.name != "fulfillment_availability" {
			continue
		}
		code, isText := v["fulfillment_channel_code"].(string)
		qty, hasQty := number(v["quantity"])
		_, hasLead := v["lead_time_to_ship_max_days"]
		switch {
		case !isText:
			bad("99022", "The field 'fulfillment_channel_code' for the attribute "+
				"'fulfillment_availability' does not have enough values. "+
				"The required minimum is '1' value(s).")
		case code != defaultChannel && !strings.HasPrefix(code, "AMAZON_"):
			bad("90244", "'%s' is not a valid value of 'fulfillment_channel_code'.", code)
		case p.Op != "delete" && v["quantity"] != nil && (!hasQty || qty < 0):
			bad("90225", "'quantity' must be a whole number of at least 0.")
		case p.Op != "delete" && hasLead && !hasQty:
			bad("90220", "'quantity' is required but not supplied.")
		}
	}
	return out
}

// inEffect is when the last accepted change of a listing takes effect.
func (l *listing) inEffect(now time.Time) bool { return !l.effect.After(now) }
