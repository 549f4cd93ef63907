package shopifytest

import (
	"strings"
)

// byID is the resolver of a field that finds one object by its id.
func byID[T any](kind string) resolver {
	return func(c *call, _ any, a args) any {
		id := a.text("id")
		if k, _, ok := parseGID(id); !ok || k != kind {
			return &failure{"RESOURCE_NOT_FOUND", "Invalid global id '" + id + "'"}
		}
		v, ok := find[*T](c.shop, id)
		if !ok {
			return nil
		}
		return v
	}
}

func (c *call) node(id string) any {
	switch v := c.shop.lookup(id).(type) {
	case nil:
		return nil
	case *subscription:
		if v.deleted {
			return nil
		}
		return v
	default:
		return v
	}
}

func queryFields() fields {
	return fields{
		"shop":                   get(func(s *shop) any { return s }),
		"currentAppInstallation": on(func(c *call, _ *shop, _ args) any { return c.app }),
		"publicApiVersions": get(func(*shop) any {
			return list(append(append([]string{}, versions...), "2027-01", "unstable"))
		}),
		"node": on(func(c *call, _ *shop, a args) any { return c.node(a.text("id")) }),
		"nodes": on(func(c *call, _ *shop, a args) any {
			ids := a.texts("ids")
			if len(ids) > rowLimit {
				return tooMany(a, "ids")
			}
			out := make([]any, len(ids))
			for i, id := range ids {
				out[i] = c.node(id)
			}
			return out
		}),
		"order":                   byID[order]("Order"),
		"productVariant":          byID[variant]("ProductVariant"),
		"product":                 byID[product]("Product"),
		"inventoryItem":           byID[item]("InventoryItem"),
		"inventoryLevel":          byID[level]("InventoryLevel"),
		"fulfillmentOrder":        byID[fulfillmentOrder]("FulfillmentOrder"),
		"fulfillment":             byID[fulfillment]("Fulfillment"),
		"refund":                  byID[refund]("Refund"),
		"return":                  byID[returnDoc]("Return"),
		"reverseFulfillmentOrder": byID[reverseOrder]("ReverseFulfillmentOrder"),
		"bulkOperation":           byID[bulkOperation]("BulkOperation"),
		"location": on(func(c *call, s *shop, a args) any {
			if !a.has("id") {
				return s.primary()
			}
			return byID[location]("Location")(c, s, a)
		}),
		"job": on(func(c *call, s *shop, a args) any {
			id := strings.TrimPrefix(a.text("id"), "gid://shopify/Job/")
			finished, ok := s.jobs[id]
			if !ok {
				return nil
			}
			return &jobState{id, finished}
		}),
	}
}

// listFields are the fields at the top that are connections or computed.
func listFields() fields {
	return fields{
		"orders":            on((*call).orders),
		"orderByIdentifier": on((*call).orderByIdentifier),
		"fulfillmentOrders": on((*call).fulfillmentOrders),
		"productVariants": on(func(c *call, s *shop, a args) any {
			return paginate(search(c, s.variants, a.text("query"), (*variant).matches), a,
				idCursor(func(v *variant) int64 { return v.id }))
		}),
		"inventoryItems": on(func(c *call, s *shop, a args) any {
			found := search(c, s.variants, a.text("query"), (*variant).matches)
			items := make([]*item, len(found))
			for i, v := range found {
				items[i] = v.item
			}
			return paginate(items, a, idCursor(func(i *item) int64 { return i.id }))
		}),
		"locations": on(func(_ *call, s *shop, a args) any {
			var out []*location
			for _, l := range s.locations {
				if (l.active || a.flag("includeInactive")) &&
					(l.service == "" || a.flag("includeLegacy")) {
					out = append(out, l)
				}
			}
			return paginate(out, a, idCursor(func(l *location) int64 { return l.id }))
		}),
		"webhookSubscriptions": on(func(c *call, s *shop, a args) any {
			return paginate(s.subscribed(c.app, a), a, idCursor(func(x *subscription) int64 {
				return x.id
			}))
		}),
		"returnableFulfillments":  on((*call).returnableFulfillments),
		"returnReasonDefinitions": on(reasonDefinitions),
		"inventoryProperties":     get(func(s *shop) any { return s }),
	}
}

func (c *call) orderByIdentifier(s *shop, a args) any {
	in := a.object("identifier")
	if in.has("id") {
		return byID[order]("Order")(c, s, in)
	}
	id := in.object("customId")
	namespace := c.namespace(id.text("namespace"))
	def := s.definition("ORDER", namespace, id.text("key"))
	if def == nil || !def.unique {
		return &failure{"NOT_FOUND", "Metafield definition of type 'id' is required when using " +
			"custom ids."}
	}
	return ref(s.byMetafield[metafieldKey(namespace, id.text("key"), id.text("value"))])
}

func (c *call) fulfillmentOrders(s *shop, a args) any {
	var out []*fulfillmentOrder
	for _, o := range s.orders {
		for _, fo := range o.fulfillmentOrders {
			if fo.open() || a.flag("includeClosed") {
				out = append(out, fo)
			}
		}
	}
	out = search(c, out, a.text("query"), (*fulfillmentOrder).matches)
	return paginate(out, a, idCursor(func(f *fulfillmentOrder) int64 { return f.id }))
}

// returnable is a fulfilment with what may come back of it.
type returnable struct{ f *fulfillment }

func (c *call) returnableFulfillments(s *shop, a args) any {
	o, ok := find[*order](s, a.text("orderId"))
	var out []returnable
	if ok {
		for _, f := range o.fulfillments {
			if f.status == "SUCCESS" && len(f.returnableLines()) > 0 {
				out = append(out, returnable{f})
			}
		}
	}
	return paginate(out, a, idCursor(func(r returnable) int64 { return r.f.id }))
}

func (f *fulfillment) returnableLines() []*fulfillmentLine {
	var out []*fulfillmentLine
	for _, l := range f.lines {
		if l.returnable() > 0 {
			out = append(out, l)
		}
	}
	return out
}

// returnReasons are some of Shopify's standard reasons.
var returnReasons = []string{"unknown", "unwanted", "wrong-item", "defective", "size-too-small",
	"size-too-large", "not-as-described", "style", "color", "other"}

type reasonDefinition struct {
	n      int64
	handle string
}

func reasonDefinitions(_ *call, _ *shop, a args) any {
	var out []reasonDefinition
	for i, h := range returnReasons {
		out = append(out, reasonDefinition{int64(i + 1), h})
	}
	return paginate(out, a, idCursor(func(d reasonDefinition) int64 { return d.n }))
}

func shopTypes() map[string]fields {
	return map[string]fields{
		"Shop": {
			"id":                   get(func(s *shop) any { return gid{"Shop", s.id} }),
			"name":                 get(func(s *shop) any { return s.cfg.Name }),
			"myshopifyDomain":      get(func(s *shop) any { return s.cfg.Domain }),
			"currencyCode":         get(func(s *shop) any { return s.cfg.Currency }),
			"ianaTimezone":         get(func(*shop) any { return "America/New_York" }),
			"timezoneAbbreviation": get(func(*shop) any { return "EST" }),
			"email":                get(func(s *shop) any { return "owner@" + s.cfg.Domain }),
			"createdAt":            get(func(s *shop) any { return s.created }),
			"plan":                 get(func(s *shop) any { return s }),
		},
		"ShopPlan": {
			"publicDisplayName":  get(func(*shop) any { return "Simulated" }),
			"shopifyPlus":        get(func(*shop) any { return false }),
			"partnerDevelopment": get(func(*shop) any { return true }),
		},
		"AppInstallation": {
			"id":           get(func(a *app) any { return gid{"AppInstallation", a.id} }),
			"app":          get(func(a *app) any { return a }),
			"accessScopes": get(func(*app) any { return list(scopes) }),
		},
		"AccessScope": {"handle": get(func(s string) any { return s })},
		"Location": {
			"id":                   get(func(l *location) any { return gid{"Location", l.id} }),
			"legacyResourceId":     get(func(l *location) any { return decimal(l.id) }),
			"name":                 get(func(l *location) any { return l.name }),
			"isActive":             get(func(l *location) any { return l.active }),
			"activatable":          get(func(l *location) any { return !l.active }),
			"isPrimary":            get(func(l *location) any { return l.isPrimary }),
			"fulfillsOnlineOrders": get(func(l *location) any { return l.online }),
			"isFulfillmentService": get(func(l *location) any { return l.service != "" }),
			"shipsInventory":       get(func(l *location) any { return l.active }),
			"hasActiveInventory":   on(hasActiveInventory),
			"address":              get(func(l *location) any { return l }),
			"fulfillmentService": get(func(l *location) any {
				if l.service == "" {
					return nil
				}
				return l
			}),
		},
		"FulfillmentService": {
			"id": get(func(l *location) any {
				return gid{"FulfillmentService", l.serviceID}
			}),
			"handle":              get(func(l *location) any { return l.service }),
			"inventoryManagement": get(func(*location) any { return true }),
		},
		"LocationAddress": {
			"countryCode":  get(func(l *location) any { return l.country }),
			"provinceCode": get(func(*location) any { return nil }),
			"zip":          get(func(*location) any { return nil }),
			"city":         get(func(*location) any { return nil }),
			"address1":     get(func(*location) any { return nil }),
		},
	}
}

func hasActiveInventory(c *call, l *location, _ args) any {
	for _, v := range c.shop.variants {
		if x := v.item.level(l); x != nil && x.active {
			return true
		}
	}
	return false
}
