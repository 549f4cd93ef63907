package shopifytest

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// fields maps the fields of one type of object to their resolvers.
type fields map[string]resolver

// on makes a resolver of a function on objects of one Go type.
func on[T any](f func(c *call, v T, a args) any) resolver {
	return func(c *call, self any, a args) any { return f(c, self.(T), a) }
}

// get is on for what needs neither the call nor arguments.
func get[T any](f func(v T) any) resolver {
	return func(_ *call, self any, _ args) any { return f(self.(T)) }
}

var resolvers = sync.OnceValue(func() map[string]fields {
	all := map[string]fields{"QueryRoot": merge(queryFields(), listFields())}
	for _, group := range []map[string]fields{shopTypes(), stockTypes(), orderTypes(), fulfilTypes(),
		returnTypes(), smallTypes()} {
		for name, f := range group {
			all[name] = f
		}
	}
	return all
})

// resolverOf finds the resolver of a field. Types of one pattern share theirs.
func resolverOf(typeName, field string) resolver {
	switch {
	case isConnection(typeName):
		return pageFields[field]
	case strings.HasSuffix(typeName, "Edge"):
		return edgeFields[field]
	case strings.HasSuffix(typeName, "UserError"):
		return errorFields[field]
	case strings.HasSuffix(typeName, "Payload"):
		return payloadField(field)
	case typeName == "Mutation":
		return func(*call, any, args) any { return nil } // planField.mutate runs it
	}
	r := resolvers()[typeName][field]
	if r == nil {
		return func(*call, any, args) any {
			return &failure{"NOT_SIMULATED", typeName + "." + field + " is not simulated"}
		}
	}
	return r
}

var pageFields = fields{
	"nodes": get(func(p *page) any { return some(p.nodes) }),
	"edges": get(func(p *page) any {
		out := make([]any, len(p.nodes))
		for i, n := range p.nodes {
			out[i] = edge{p.cursors[i], n}
		}
		return out
	}),
	"pageInfo": get(func(p *page) any { return p }),
}

var edgeFields = fields{
	"cursor": get(func(e edge) any { return e.cursor }),
	"node":   get(func(e edge) any { return e.node }),
}

var errorFields = fields{
	"field": get(func(e userError) any {
		if e.field == nil {
			return nil
		}
		return e.field
	}),
	"message": get(func(e userError) any { return e.message }),
	"code":    get(func(e userError) any { return text(e.code) }),
}

func payloadField(name string) resolver {
	if strings.HasSuffix(name, "serErrors") {
		return get(func(p *payload) any { return list(p.errs) })
	}
	return get(func(p *payload) any { return p.values[name] })
}

func some(v []any) []any {
	if v == nil {
		return []any{}
	}
	return v
}

// list makes a list of objects of a slice.
func list[T any](v []T) any {
	out := make([]any, len(v))
	for i := range v {
		out[i] = v[i]
	}
	return out
}

// text is null for "".
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// ref is null for a nil pointer, which as an any would not be nil.
func ref[T any](p *T) any {
	if p == nil {
		return nil
	}
	return p
}

func decimal(n int64) any { return strconv.FormatInt(n, 10) }

// typeName is the GraphQL type of an object: what the schema says, or, where that is an interface,
// what the object is.
func typeName(declared string, v any) string {
	if declared != "Node" && declared != "ReturnLineItemType" {
		return declared
	}
	switch v.(type) {
	case *order:
		return "Order"
	case *line:
		return "LineItem"
	case *level:
		return "InventoryLevel"
	case *item:
		return "InventoryItem"
	case *variant:
		return "ProductVariant"
	case *product:
		return "Product"
	case *location:
		return "Location"
	case *fulfillmentOrder:
		return "FulfillmentOrder"
	case *foLine:
		return "FulfillmentOrderLineItem"
	case *hold:
		return "FulfillmentHold"
	case *fulfillment:
		return "Fulfillment"
	case *fulfillmentLine:
		return "FulfillmentLineItem"
	case *adjustmentGroup:
		return "InventoryAdjustmentGroup"
	}
	return moreTypeNames(v)
}

func moreTypeNames(v any) string {
	switch v.(type) {
	case *refund:
		return "Refund"
	case *returnDoc:
		return "Return"
	case *returnLine:
		return "ReturnLineItem"
	case *reverseOrder:
		return "ReverseFulfillmentOrder"
	case *reverseLine:
		return "ReverseFulfillmentOrderLineItem"
	case *disposition:
		return "ReverseFulfillmentOrderDisposition"
	case *exchangeLine:
		return "ExchangeLineItem"
	case *transaction:
		return "OrderTransaction"
	case *subscription:
		return "WebhookSubscription"
	case *bulkOperation:
		return "BulkOperation"
	case *metafieldDefinition:
		return "MetafieldDefinition"
	}
	panic(fmt.Sprintf("no GraphQL type for %T", v))
}

// bag is an amount in the currency of the shop, which is that of the customer too.
type bag struct {
	amount   money
	currency string
}

func (o *order) bag(m money) any { return bag{m, o.currency} }
func (l *line) bag(m money) any  { return bag{m, l.order.currency} }

func smallTypes() map[string]fields {
	money := get(func(b bag) any { return b })
	return map[string]fields{
		"MoneyBag": {"shopMoney": money, "presentmentMoney": money},
		"MoneyV2": {
			"amount":       get(func(b bag) any { return b.amount }),
			"currencyCode": get(func(b bag) any { return b.currency }),
		},
		"PageInfo": {
			"hasNextPage":     get(func(p *page) any { return p.hasNext }),
			"hasPreviousPage": get(func(p *page) any { return p.hasPrev }),
			"startCursor": get(func(p *page) any {
				if len(p.cursors) == 0 {
					return nil
				}
				return p.cursors[0]
			}),
			"endCursor": get(func(p *page) any {
				if len(p.cursors) == 0 {
					return nil
				}
				return p.cursors[len(p.cursors)-1]
			}),
		},
		"Attribute": {
			"key":   get(func(p pair) any { return p.key }),
			"value": get(func(p pair) any { return p.value }),
		},
		"Job": {
			"id":   get(func(j *jobState) any { return "gid://shopify/Job/" + j.id }),
			"done": get(func(j *jobState) any { return j.done }),
		},
		"ApiVersion": {
			"handle":      get(func(v string) any { return v }),
			"displayName": get(func(v string) any { return v }),
			"supported":   get(func(v string) any { return v != "2027-01" && v != "unstable" }),
		},
		"App": {
			"id":     get(func(a *app) any { return gid{"App", a.id} }),
			"handle": get(func(a *app) any { return text(a.cfg.Name) }),
		},
		"OrderApp": {
			"id":   get(func(a *app) any { return gid{"App", a.id} }),
			"name": get(func(a *app) any { return a.cfg.Name }),
		},
		"Metafield":               metafieldFields(),
		"MetafieldDefinition":     definitionFields(),
		"MetafieldDefinitionType": {"name": get(func(d *metafieldDefinition) any { return d.kind })},
		"MetafieldCapabilities":   {"uniqueValues": get(func(d *metafieldDefinition) any { return d })},
		"MetafieldCapabilityUniqueValues": {"enabled": get(func(d *metafieldDefinition) any {
			return d.unique
		})},
		"WebhookSubscription": subscriptionFields(),
		"BulkOperation":       bulkFields(),
	}
}

func metafieldFields() fields {
	return fields{
		"id":        get(func(m *metafield) any { return gid{"Metafield", m.id} }),
		"namespace": get(func(m *metafield) any { return m.namespace }),
		"key":       get(func(m *metafield) any { return m.key }),
		"value":     get(func(m *metafield) any { return m.value }),
		"type":      get(func(m *metafield) any { return m.typ }),
	}
}

func definitionFields() fields {
	return fields{
		"id": get(func(d *metafieldDefinition) any {
			return gid{"MetafieldDefinition", d.id}
		}),
		"namespace":    get(func(d *metafieldDefinition) any { return d.namespace }),
		"key":          get(func(d *metafieldDefinition) any { return d.key }),
		"name":         get(func(d *metafieldDefinition) any { return d.name }),
		"ownerType":    get(func(d *metafieldDefinition) any { return d.owner }),
		"type":         get(func(d *metafieldDefinition) any { return d }),
		"capabilities": get(func(d *metafieldDefinition) any { return d }),
	}
}

func subscriptionFields() fields {
	return fields{
		"id": get(func(s *subscription) any {
			return gid{"WebhookSubscription", s.id}
		}),
		"legacyResourceId": get(func(s *subscription) any { return decimal(s.id) }),
		"topic":            get(func(s *subscription) any { return s.topic }),
		"uri":              get(func(s *subscription) any { return s.uri }),
		"format":           get(func(*subscription) any { return "JSON" }),
		"filter":           get(func(s *subscription) any { return text(s.filter) }),
		"name":             get(func(s *subscription) any { return text(s.name) }),
		"includeFields": get(func(s *subscription) any {
			return append([]string{}, s.fields...)
		}),
		"apiVersion": get(func(s *subscription) any { return s.version }),
		"createdAt":  get(func(s *subscription) any { return s.created }),
		"updatedAt":  get(func(s *subscription) any { return s.updated }),
	}
}
