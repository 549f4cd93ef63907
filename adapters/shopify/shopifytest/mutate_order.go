package shopifytest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func orderError(code, message string, field ...string) *userError {
	return &userError{code: code, message: message, field: field}
}

func (c *call) orderCreate(a args) *payload {
	in, options := a.object("order"), a.object("options")
	o, fault := c.draftOrder(in)
	if fault != nil {
		return refuse(fault)
	}
	d := draft{order: o, cause: "orderCreate", how: ignore}
	switch options.text("inventoryBehaviour") {
	case "DECREMENT_IGNORING_POLICY":
	case "DECREMENT_OBEYING_POLICY":
		d.how = obey
	default:
		d.bypass = true
	}
	if !c.shop.place(c.act, d) {
		return refuse(orderError("INVENTORY_CLAIM_FAILED", "Unable to reserve inventory", "order"))
	}
	for _, m := range o.metafields {
		if def := c.shop.definition("ORDER", m.namespace, m.key); def != nil && def.unique {
			c.shop.byMetafield[metafieldKey(m.namespace, m.key, m.value)] = o
		}
	}
	if f := in.object("fulfillment"); f != nil {
		c.fulfilAtOnce(o, f)
	}
	return done(map[string]any{"order": o})
}

// fulfilAtOnce is orderCreate with a fulfilment: everything ships from the location that it names.
func (c *call) fulfilAtOnce(o *order, f args) {
	loc, ok := find[*location](c.shop, f.text("locationId"))
	if !ok {
		return
	}
	for _, fo := range slices.Clone(o.fulfillmentOrders) {
		if !fo.open() {
			continue
		}
		lines, _ := fo.pick(nil)
		if fo.loc != loc {
			fo = c.shop.move(c.act, fo, loc, lines).moved
			lines, _ = fo.pick(nil)
		}
		c.shop.fulfil(c.act, shipment{lines: lines, tracking: args{
			"company": f["trackingCompany"], "number": f["trackingNumber"],
			"numbers": f["trackingNumbers"]}})
	}
}

// draftOrder checks the input of orderCreate and makes an order of it that is in no list yet.
func (c *call) draftOrder(in args) (*order, *userError) {
	o := &order{app: c.app, sourceName: in.text("sourceName"), sourceID: in.text("sourceIdentifier"),
		sourceURL: in.text("sourceUrl"), email: in.text("email"), phone: in.text("phone"),
		note: in.text("note"), poNumber: in.text("poNumber"), name: in.text("name"),
		currency: in.text("currency"), test: in.flag("test"), taxesIncluded: in.flag("taxesIncluded"),
		financial: in.text("financialStatus"), tags: in.texts("tags")}
	slices.Sort(o.tags)
	if o.currency == "" {
		o.currency = c.shop.cfg.Currency
	}
	if o.sourceName == "" {
		o.sourceName = fmt.Sprint(c.app.id)
	}
	if t := in.text("processedAt"); t != "" {
		at, err := time.Parse(time.RFC3339, t)
		if err != nil || c.version < "2026-07" && at.After(c.act.at) {
			return nil, orderError("PROCESSED_AT_INVALID", "Processed at is invalid", "order",
				"processedAt")
		}
		if at.After(c.act.at) {
			at = c.act.at
		}
		o.processed = at.UTC()
	}
	if in.has("customer") && in.has("customerId") {
		return nil, orderError("REDUNDANT_CUSTOMER_FIELDS",
			"Only one of customer and customerId can be given", "order")
	}
	for _, p := range in.objects("customAttributes") {
		o.attributes = append(o.attributes, pair{p.text("key"), p.text("value")})
	}
	if m := in.object("shippingAddress"); m != nil {
		o.ship, o.shipID = newAddress(m), c.srv.newID()
	}
	for _, fill := range []func(*order, args) *userError{c.draftLines, c.draftMoney,
		c.draftMetafields} {
		if fault := fill(o, in); fault != nil {
			return nil, fault
		}
	}
	return o, nil
}

func newAddress(m args) *address {
	return &address{FirstName: m.text("firstName"), LastName: m.text("lastName"),
		Company: m.text("company"), Address1: m.text("address1"), Address2: m.text("address2"),
		City: m.text("city"), Province: m.text("province"), ProvinceCode: m.text("provinceCode"),
		Country: m.text("country"), CountryCode: m.text("countryCode"), Zip: m.text("zip"),
		Phone: m.text("phone")}
}

// shopMoney reads an amount of a MoneyBagInput.
func shopMoney(in args, name string) money {
	m, _ := parseMoney(in.object(name).object("shopMoney").text("amount"))
	return m
}

func (c *call) draftLines(o *order, in args) *userError {
	list := in.objects("lineItems")
	if len(list) == 0 {
		return orderError("INVALID", "Line items must have at least one line item", "order",
			"lineItems")
	}
	for i, x := range list {
		field := []string{"order", "lineItems", fmt.Sprint(i)}
		l := &line{order: o, quantity: x.number("quantity"), sku: x.text("sku"),
			title: x.text("title"), price: shopMoney(x, "priceSet"), ships: x.flag("requiresShipping"),
			giftCard: x.flag("giftCard"), taxable: x["taxable"] != false}
		if l.quantity <= 0 {
			return orderError("INVALID", "Quantity must be greater than 0", append(field, "quantity")...)
		}
		if id := x.text("variantId"); id != "" {
			v, ok := find[*variant](c.shop, id)
			if !ok {
				return orderError("INVALID", "Variant does not exist", append(field, "variantId")...)
			}
			l.variant, l.tracked = v, v.item.tracked
			if l.sku == "" {
				l.sku = v.sku
			}
			if l.title == "" {
				l.title = v.product.title
			}
			if !x.has("priceSet") {
				l.price = v.price
			}
		}
		if l.variant == nil && l.title == "" {
			return orderError("INVALID", "Title can't be blank", append(field, "title")...)
		}
		for _, p := range x.objects("properties") {
			l.properties = append(l.properties, pair{p.text("name"), p.text("value")})
		}
		l.taxes = taxLines(x)
		o.lines = append(o.lines, l)
	}
	return nil
}

func taxLines(in args) []taxLine {
	var out []taxLine
	for _, t := range in.objects("taxLines") {
		out = append(out, taxLine{t.text("title"), t.text("rate"), shopMoney(t, "priceSet")})
	}
	return out
}

func (c *call) draftMoney(o *order, in args) *userError {
	o.taxes = taxLines(in)
	for _, x := range in.objects("shippingLines") {
		o.shipping = append(o.shipping, shippingLine{c.srv.newID(), x.text("title"), x.text("code"),
			x.text("source"), shopMoney(x, "priceSet")})
	}
	for _, x := range in.objects("transactions") {
		t := &transaction{id: c.srv.newID(), kind: x.text("kind"), status: x.text("status"),
			gateway: x.text("gateway"), amount: shopMoney(x, "amountSet"), at: c.act.at,
			processed: c.act.at, test: x.flag("test")}
		if t.kind == "" {
			t.kind = "SALE"
		}
		if t.status == "" {
			t.status = "SUCCESS"
		}
		c.shop.objects[t.id] = t
		o.transactions = append(o.transactions, t)
	}
	return nil
}

func metafieldKey(namespace, key, value string) string {
	return namespace + "\x00" + key + "\x00" + value
}

// definition finds a definition; an empty namespace is the app's own.
func (s *shop) definition(owner, namespace, key string) *metafieldDefinition {
	for _, d := range s.definitions {
		if d.owner == owner && d.namespace == namespace && d.key == key {
			return d
		}
	}
	return nil
}

func (c *call) namespace(given string) string {
	if given == "" {
		return fmt.Sprintf("app--%d", c.app.id)
	}
	return strings.Replace(given, "$app", fmt.Sprintf("app--%d", c.app.id), 1)
}

func (c *call) draftMetafields(o *order, in args) *userError {
	for i, x := range in.objects("metafields") {
		m := &metafield{id: c.srv.newID(), namespace: c.namespace(x.text("namespace")),
			key: x.text("key"), value: x.text("value"), typ: x.text("type")}
		def := c.shop.definition("ORDER", m.namespace, m.key)
		if def != nil {
			m.typ = def.kind
		}
		if def != nil && def.unique &&
			c.shop.byMetafield[metafieldKey(m.namespace, m.key, m.value)] != nil {
			if c.srv.assumptions().DuplicateIDMetafieldRefused {
				return orderError("INVALID", "Value has already been taken", "order", "metafields",
					fmt.Sprint(i), "value")
			}
			continue
		}
		o.metafields = append(o.metafields, m)
	}
	return nil
}

func (c *call) orderCancel(a args) *payload {
	o, ok := find[*order](c.shop, a.text("orderId"))
	if !ok {
		return refuse(orderError("NOT_FOUND", "Order does not exist", "orderId"))
	}
	method := a.object("refundMethod")
	switch why := o.refuseCancel(); {
	case a.has("refund") && method != nil:
		return refuse(orderError("INVALID",
			"Only one of the arguments `refund` or `refund_method` is allowed.", "refund"))
	case len(a.text("staffNote")) > 255:
		return refuse(orderError("INVALID",
			"Staff note is too long. Maximum length is 255 characters.", "staffNote"))
	case why != "":
		return refuse(orderError("INVALID", why, "orderId"))
	}
	job := c.shop.cancelLater(c.act, o, cancellation{reason: a.text("reason"),
		note: a.text("staffNote"), restock: a.flag("restock"),
		refund: a.flag("refund") || method.flag("originalPaymentMethodsRefund")})
	return done(map[string]any{"job": &jobState{id: job}})
}

// jobState is a job as one answer shows it.
type jobState struct {
	id   string
	done bool
}

func (c *call) orderClose(a args) *payload {
	o, ok := find[*order](c.shop, a.object("input").text("id"))
	if !ok {
		return refuse(orderError("", "Order does not exist", "id"))
	}
	if o.closed.IsZero() {
		o.closed = c.act.at
		c.act.touch(o)
	}
	return done(map[string]any{"order": o})
}

func (c *call) tagsAdd(a args) *payload {
	o, ok := find[*order](c.shop, a.text("id"))
	if !ok {
		return refuse(orderError("", "Resource does not exist", "id"))
	}
	before := len(o.tags)
	for _, t := range a.texts("tags") {
		o.tags = addOnce(o.tags, t)
	}
	slices.Sort(o.tags)
	if len(o.tags) > before {
		c.act.touch(o)
	}
	return done(map[string]any{"node": o})
}
