package shopifytest

import (
	"strconv"
	"strings"
	"time"
)

// payloads makes the bodies of webhooks in their REST form, version 2026-07 and later.
type payloads struct{ shop *shop }

// body makes the body of a topic about an object. The caller holds the lock of the shop.
func (p *payloads) body(topic string, about any) []byte {
	w := &writer{b: make([]byte, 0, 4096), shop: p.shop}
	w.open("")
	switch v := about.(type) {
	case *order:
		w.order(v)
	case *refund:
		w.refund(v)
	case *fulfillment:
		w.fulfillment(v)
	case *level:
		w.level(v)
	case *product:
		w.product(v)
	case *orderEdit:
		w.orderEdit(v)
	case *returnDoc:
		w.returned(topic, v)
	case *reverseOrder:
		w.text("admin_graphql_api_id", gid{"ReverseFulfillmentOrder", v.id}.String())
		w.text("status", strings.ToLower(v.status))
	case *moved:
		w.moved(v)
	case *hold:
		w.hold(topic, v)
	case *fulfillmentOrder:
		w.status("fulfillment_order", v)
	case *merged:
		w.merged(v)
	case *replaced:
		w.status("fulfillment_order", v.old)
		w.status("replacement_fulfillment_order", v.by)
	case *location:
		w.location(v)
	case *bulkOperation:
		w.bulk(v)
	case *shop:
		w.number("id", v.id)
		w.text("name", v.cfg.Name)
		w.text("domain", v.cfg.Domain)
		w.text("myshopify_domain", v.cfg.Domain)
		w.text("currency", v.cfg.Currency)
	}
	w.close()
	return w.b
}

// orderOf is the order that a webhook is about, nil where it is about none.
func orderOf(about any) *order {
	switch v := about.(type) {
	case *order:
		return v
	case *refund:
		return v.order
	case *fulfillment:
		return v.order
	case *orderEdit:
		return v.order
	case *returnDoc:
		return v.order
	case *moved:
		return v.original.order
	case *hold:
		return v.fo.order
	case *fulfillmentOrder:
		return v.order
	case *merged:
		return v.into.order
	case *replaced:
		return v.old.order
	}
	return nil
}

// writer appends JSON. Keys that are "" are left out: elements of a list.
type writer struct {
	b    []byte
	shop *shop
}

func (w *writer) key(k string) {
	if n := len(w.b); n > 0 && w.b[n-1] != '{' && w.b[n-1] != '[' {
		w.b = append(w.b, ',')
	}
	if k != "" {
		w.b = append(append(append(w.b, '"'), k...), '"', ':')
	}
}

func (w *writer) open(k string) { w.key(k); w.b = append(w.b, '{') }
func (w *writer) close()        { w.b = append(w.b, '}') }

func (w *writer) text(k, v string) { w.key(k); w.b = appendJSONString(w.b, v) }

// maybe is null for "".
func (w *writer) maybe(k, v string) {
	if v == "" {
		w.null(k)
		return
	}
	w.text(k, v)
}

func (w *writer) number(k string, n int64) { w.key(k); w.b = strconv.AppendInt(w.b, n, 10) }
func (w *writer) flag(k string, v bool)    { w.key(k); w.b = strconv.AppendBool(w.b, v) }

func (w *writer) null(keys ...string) {
	for _, k := range keys {
		w.key(k)
		w.b = append(w.b, "null"...)
	}
}

func (w *writer) empty(keys ...string) {
	for _, k := range keys {
		w.key(k)
		w.b = append(w.b, "[]"...)
	}
}

func (w *writer) time(k string, t time.Time) {
	if t.IsZero() {
		w.null(k)
		return
	}
	w.text(k, t.UTC().Format(time.RFC3339))
}

func (w *writer) ids(kind string, id int64) {
	w.number("id", id)
	w.text("admin_graphql_api_id", gid{kind, id}.String())
}

// price writes NAME and NAME_set.
func (w *writer) price(name string, m money, currency string) {
	w.text(name, m.String())
	w.set(name+"_set", m, currency)
}

func (w *writer) set(name string, m money, currency string) {
	w.open(name)
	for _, k := range []string{"shop_money", "presentment_money"} {
		w.open(k)
		w.text("amount", m.String())
		w.text("currency_code", currency)
		w.close()
	}
	w.close()
}

func each[T any](w *writer, k string, list []T, f func(T)) {
	w.key(k)
	w.b = append(w.b, '[')
	for _, v := range list {
		w.open("")
		f(v)
		w.close()
	}
	w.b = append(w.b, ']')
}

func (w *writer) level(l *level) {
	w.number("inventory_item_id", l.item.id)
	w.number("location_id", l.loc.id)
	w.number("available", l.q[available])
	w.time("updated_at", l.updated)
	w.text("admin_graphql_api_id", gid{"InventoryLevel", l.id}.String()+"?inventory_item_id="+
		strconv.FormatInt(l.item.id, 10))
}

func (w *writer) product(p *product) {
	w.ids("Product", p.id)
	w.text("title", p.title)
	w.null("body_html", "template_suffix", "image", "category")
	w.text("vendor", "")
	w.text("product_type", "")
	w.text("handle", handle(p.title))
	w.time("created_at", p.created)
	w.time("updated_at", p.updated)
	w.time("published_at", p.created)
	w.text("status", strings.ToLower(p.status))
	w.text("published_scope", "web")
	w.text("tags", "")
	place := int64(0)
	each(w, "variants", p.variants[:min(100, len(p.variants))], func(v *variant) {
		place++
		w.number("position", place)
		w.text("option1", v.title)
		w.null("option2", "option3", "image_id")
		w.ids("ProductVariant", v.id)
		w.number("product_id", p.id)
		w.maybe("sku", v.sku)
		w.maybe("barcode", v.barcode)
		w.text("title", v.title)
		w.text("price", v.price.String())
		w.null("compare_at_price")
		w.text("inventory_policy", strings.ToLower(v.policy))
		w.number("inventory_item_id", v.item.id)
		w.number("inventory_quantity", v.quantity())
		w.number("old_inventory_quantity", v.quantity())
		w.flag("taxable", true)
		w.time("created_at", v.created)
		w.time("updated_at", v.updated)
	})
	w.empty("options", "images", "media")
	each(w, "variant_gids", p.variants, func(v *variant) {
		w.text("admin_graphql_api_id", gid{"ProductVariant", v.id}.String())
		w.time("updated_at", v.updated)
	})
	w.flag("has_variants_that_requires_components", false)
}

func (w *writer) location(l *location) {
	w.ids("Location", l.id)
	w.text("name", l.name)
	w.text("country", l.country)
	w.text("country_code", l.country)
	w.flag("legacy", l.service != "")
	w.flag("active", l.active)
}

func (w *writer) bulk(b *bulkOperation) {
	w.text("admin_graphql_api_id", gid{"BulkOperation", b.id}.String())
	w.time("created_at", b.created)
	w.time("completed_at", b.completed)
	w.maybe("error_code", strings.ToLower(b.code))
	w.text("status", strings.ToLower(b.status))
	w.text("type", "query")
}

func (w *writer) fulfillmentOrder(k string, f *fulfillmentOrder) {
	w.open(k)
	w.text("id", gid{"FulfillmentOrder", f.id}.String())
	w.text("status", strings.ToLower(f.status))
	w.text("assigned_location_id", gid{"Location", f.loc.id}.String())
	w.close()
}

func (w *writer) status(k string, f *fulfillmentOrder) {
	w.open(k)
	w.text("id", gid{"FulfillmentOrder", f.id}.String())
	w.text("status", strings.ToLower(f.status))
	w.close()
}

func (w *writer) merged(m *merged) {
	each(w, "fulfillment_order_merges", []*merged{m}, func(m *merged) {
		w.status("fulfillment_order", m.into)
		each(w, "merge_intents", append([]*fulfillmentOrder{m.into}, m.from...),
			func(f *fulfillmentOrder) {
				w.text("fulfillment_order_id", gid{"FulfillmentOrder", f.id}.String())
			})
	})
}

func (w *writer) moved(m *moved) {
	w.fulfillmentOrder("original_fulfillment_order", m.original)
	w.fulfillmentOrder("moved_fulfillment_order", m.moved)
	w.text("destination_location_id", gid{"Location", m.to.id}.String())
	each(w, "fulfillment_order_line_items_requested", m.lines, func(x shipLine) {
		w.text("id", gid{"FulfillmentOrderLineItem", x.line.id}.String())
		w.number("quantity", x.qty)
	})
	w.open("source_location")
	w.text("id", gid{"Location", m.from.id}.String())
	w.close()
}

// hold writes fulfillment_holds/* and fulfillment_orders/placed_on_hold.
func (w *writer) hold(topic string, h *hold) {
	one := func(k string, h *hold) {
		w.open(k)
		w.text("id", gid{"FulfillmentHold", h.id}.String())
		w.text("reason", strings.ToLower(h.reason))
		w.maybe("reason_notes", h.notes)
		w.flag("held_by_requesting_app", h.app == w.shop.apps[0])
		w.maybe("handle", h.handle)
		if h.app == nil {
			w.null("held_by_app")
		} else {
			w.open("held_by_app")
			w.text("id", gid{"App", h.app.id}.String())
			w.close()
		}
		w.close()
	}
	if strings.HasPrefix(topic, "fulfillment_holds/") {
		w.open("fulfillment_order")
		w.text("id", gid{"FulfillmentOrder", h.fo.id}.String())
		w.close()
		one("fulfillment_hold", h)
		return
	}
	w.open("fulfillment_order")
	w.text("id", gid{"FulfillmentOrder", h.fo.id}.String())
	w.text("status", strings.ToLower(h.fo.status))
	w.key("fulfillment_holds")
	w.b = append(w.b, '[')
	for _, x := range h.fo.holds {
		one("", x)
	}
	w.b = append(w.b, ']')
	w.close()
	w.null("remaining_fulfillment_order")
	each(w, "held_fulfillment_order_line_items", h.fo.lines, func(l *foLine) {
		w.text("id", gid{"FulfillmentOrderLineItem", l.id}.String())
		w.number("quantity", l.remaining)
	})
	one("created_fulfillment_hold", h)
}

func (w *writer) returned(topic string, r *returnDoc) {
	w.ids("Return", r.id)
	w.text("status", strings.ToLower(r.status))
	if topic == "returns/close" {
		w.number("order_id", r.order.id)
		return
	}
	w.open("order")
	w.ids("Order", r.order.id)
	w.close()
	w.text("name", r.name())
	w.number("total_return_line_items", int64(len(r.lines)))
	each(w, "return_line_items", r.lines, func(l *returnLine) {
		w.ids("ReturnLineItem", l.id)
		w.number("quantity", l.quantity)
		w.text("return_reason", strings.ToLower(l.reason))
		w.text("return_reason_note", l.note)
		w.open("fulfillment_line_item")
		w.ids("FulfillmentLineItem", l.from.id)
		w.open("line_item")
		w.ids("LineItem", l.from.line.id)
		w.close()
		w.close()
	})
	w.empty("return_shipping_fees")
	each(w, "exchange_line_items", r.exchanges, func(e *exchangeLine) { w.ids("ExchangeLineItem", e.id) })
	w.number("total_exchange_line_items", int64(len(r.exchanges)))
}

func (w *writer) orderEdit(e *orderEdit) {
	w.open("order_edit")
	w.number("id", e.id)
	w.null("app_id")
	w.time("created_at", e.order.updated)
	w.time("committed_at", e.order.updated)
	w.flag("notify_customer", false)
	w.number("order_id", e.order.id)
	w.text("staff_note", "")
	w.null("user_id")
	w.open("line_items")
	for k, list := range map[string][]editDelta{"additions": e.added, "removals": e.removed} {
		each(w, k, list, func(d editDelta) {
			w.number("id", d.line.id)
			w.number("delta", d.delta)
		})
	}
	w.close()
	for _, k := range []string{"discounts", "shipping_lines"} {
		w.open(k)
		if k == "discounts" {
			w.open("line_item")
		}
		w.empty("additions", "removals")
		if k == "discounts" {
			w.close()
		}
		w.close()
	}
	w.close()
}
