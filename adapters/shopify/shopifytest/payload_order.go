package shopifytest

import (
	"fmt"
	"strconv"
	"strings"
)

// order writes the body that orders/create, updated, cancelled, fulfilled, partially_fulfilled and
// paid share. It shows the order as it is now.
func (w *writer) order(o *order) {
	w.ids("Order", o.id)
	if o.app == nil {
		w.number("app_id", 580111) // the online shop
	} else {
		w.number("app_id", o.app.id)
	}
	w.maybe("cancel_reason", strings.ToLower(o.cancelReason))
	w.time("cancelled_at", o.cancelled)
	w.time("closed_at", o.closed)
	w.flag("confirmed", o.confirmed)
	w.time("created_at", o.created)
	w.time("updated_at", o.updated)
	w.time("processed_at", o.processed)
	w.text("currency", o.currency)
	w.text("presentment_currency", o.currency)
	w.maybe("email", o.email)
	w.maybe("contact_email", o.email)
	w.maybe("phone", o.phone)
	w.text("name", o.name)
	w.number("number", int64(o.number-1000))
	w.number("order_number", int64(o.number))
	w.maybe("note", o.note)
	w.maybe("po_number", o.poNumber)
	w.text("tags", strings.Join(o.tags, ", "))
	w.flag("test", o.test)
	w.text("source_name", o.sourceName)
	w.maybe("source_identifier", o.sourceID)
	w.maybe("source_url", o.sourceURL)
	w.flag("taxes_included", o.taxesIncluded)
	w.text("financial_status", strings.ToLower(o.financialStatus()))
	w.maybe("fulfillment_status", restStatus(o.fulfillmentStatus()))
	if o.pos == nil {
		w.null("location_id")
	} else {
		w.number("location_id", o.pos.id)
	}
	w.null("browser_ip", "cart_token", "checkout_token", "client_details", "device_id",
		"landing_site", "landing_site_ref", "referring_site", "reference", "user_id", "payment_terms",
		"confirmation_number", "customer_locale", "merchant_business_entity_id",
		"merchant_of_record_app_id", "order_status_url", "token", "current_total_additional_fees_set",
		"current_total_duties_set", "original_total_additional_fees_set",
		"original_total_duties_set")
	for _, k := range []string{"buyer_accepts_marketing", "duties_included", "estimated_taxes",
		"tax_exempt"} {
		w.flag(k, false)
	}
	each(w, "note_attributes", o.attributes, func(p pair) {
		w.text("name", p.key)
		w.text("value", p.value)
	})
	w.orderMoney(o)
	w.orderParts(o)
}

// restStatus is null, partial or fulfilled.
func restStatus(s string) string {
	switch s {
	case "FULFILLED":
		return "fulfilled"
	case "PARTIALLY_FULFILLED":
		return "partial"
	}
	return ""
}

func (w *writer) orderMoney(o *order) {
	w.price("total_price", o.total(), o.currency)
	w.price("subtotal_price", o.subtotal(), o.currency)
	w.price("total_tax", o.taxTotal(), o.currency)
	w.price("total_discounts", o.discountTotal(), o.currency)
	w.price("total_line_items_price", o.subtotal()+o.discountTotal(), o.currency)
	w.price("current_total_price", o.currentTotal(), o.currency)
	w.price("current_subtotal_price", o.currentTotal()-o.shippingTotal()-o.addedTax(), o.currency)
	w.price("current_total_tax", o.taxTotal(), o.currency)
	w.price("current_total_discounts", o.discountTotal(), o.currency)
	w.set("total_shipping_price_set", o.shippingTotal(), o.currency)
	w.set("current_shipping_price_set", o.shippingTotal(), o.currency)
	w.set("total_cash_rounding_payment_adjustment_set", 0, o.currency)
	w.set("total_cash_rounding_refund_adjustment_set", 0, o.currency)
	w.text("total_outstanding", max(0, o.total()-o.paidTotal()).String())
	w.text("total_tip_received", "0.00")
	w.number("total_weight", 0)
	w.taxes(o, o.taxes)
	w.empty("discount_codes")
	var names []string
	for _, t := range o.transactions {
		names = addOnce(names, t.gateway)
	}
	w.key("payment_gateway_names")
	w.b = append(w.b, '[')
	for _, n := range names {
		w.text("", n)
	}
	w.b = append(w.b, ']')
}

func (w *writer) orderParts(o *order) {
	w.empty("discount_applications", "line_item_groups")
	w.key("line_items")
	w.b = append(w.b, '[')
	for _, l := range o.lines {
		w.open("")
		w.line(l, l.quantity)
		w.number("current_quantity", l.current)
		w.null("sales_line_item_group_id")
		w.empty("attributed_staffs")
		w.close()
	}
	w.b = append(w.b, ']')
	each(w, "fulfillments", o.fulfillments, w.fulfillment)
	each(w, "refunds", o.refunds, w.refund)
	each(w, "returns", o.returns, func(r *returnDoc) {
		w.ids("Return", r.id)
		w.text("status", strings.ToLower(r.status))
	})
	each(w, "shipping_lines", o.shipping, func(s shippingLine) {
		w.number("id", s.id)
		w.maybe("code", s.code)
		w.text("source", s.source)
		w.text("title", s.title)
		w.price("price", s.price, o.currency)
		w.price("discounted_price", s.price, o.currency)
		w.set("current_discounted_price_set", s.price, o.currency)
		w.null("carrier_identifier", "phone", "requested_fulfillment_service_id")
		w.flag("is_removed", false)
		w.empty("tax_lines", "discount_allocations")
	})
	for _, k := range []string{"shipping_address", "billing_address"} {
		if o.ship == nil {
			w.null(k)
			continue
		}
		w.open(k)
		w.address(o.ship)
		w.close()
	}
	w.null("customer")
}

func (w *writer) address(a *address) {
	w.text("first_name", a.FirstName)
	w.text("last_name", a.LastName)
	w.text("name", strings.TrimSpace(a.FirstName+" "+a.LastName))
	w.maybe("company", a.Company)
	w.text("address1", a.Address1)
	w.maybe("address2", a.Address2)
	w.text("city", a.City)
	w.text("zip", a.Zip)
	w.maybe("province", a.Province)
	w.maybe("province_code", a.ProvinceCode)
	w.maybe("country", a.Country)
	w.maybe("country_code", a.CountryCode)
	w.maybe("phone", a.Phone)
	w.null("latitude", "longitude")
}

func (w *writer) taxes(o *order, list []taxLine) {
	each(w, "tax_lines", list, func(t taxLine) {
		w.text("title", t.title)
		w.key("rate")
		if _, err := strconv.ParseFloat(t.rate, 64); err == nil {
			w.b = append(w.b, t.rate...)
		} else {
			w.b = append(w.b, '0')
		}
		w.price("price", t.price, o.currency)
	})
}

// line writes a line item. It has no inventory item and no location, as in life.
func (w *writer) line(l *line, quantity int64) {
	w.ids("LineItem", l.id)
	w.text("title", l.title)
	w.text("name", l.title)
	w.number("quantity", quantity)
	w.number("fulfillable_quantity", l.unfulfilled())
	w.text("fulfillment_service", "manual")
	w.maybe("fulfillment_status", lineStatus(l))
	w.flag("gift_card", l.giftCard)
	w.number("grams", 0)
	w.maybe("sku", l.sku)
	w.flag("requires_shipping", l.ships)
	w.flag("taxable", l.taxable)
	w.flag("product_exists", l.variant != nil)
	if l.variant == nil {
		w.null("variant_id", "product_id", "variant_inventory_management")
	} else {
		w.number("variant_id", l.variant.id)
		w.number("product_id", l.variant.product.id)
		if l.tracked {
			w.text("variant_inventory_management", "shopify")
		} else {
			w.null("variant_inventory_management")
		}
	}
	w.null("variant_title", "vendor")
	w.price("price", l.price, l.order.currency)
	w.price("total_discount", l.discount, l.order.currency)
	each(w, "properties", l.properties, func(p pair) {
		w.text("name", p.key)
		w.text("value", p.value)
	})
	w.taxes(l.order, l.taxes)
	w.empty("duties", "discount_allocations")
}

func lineStatus(l *line) string {
	switch done := l.fulfilled(); {
	case done == 0:
		return ""
	case l.unfulfilled() > 0:
		return "partial"
	}
	return "fulfilled"
}

func (f *fulfillment) name() string { return fmt.Sprintf("%s.%d", f.order.name, f.number) }

func (w *writer) fulfillment(f *fulfillment) {
	w.ids("Fulfillment", f.id)
	w.number("order_id", f.order.id)
	w.text("name", f.name())
	w.text("status", strings.ToLower(f.status))
	w.time("created_at", f.created)
	w.time("updated_at", f.updated)
	w.null("service", "shipment_status", "origin_address")
	w.number("location_id", f.loc.id)
	w.open("receipt")
	w.close()
	if f.order.ship == nil {
		w.null("destination")
	} else {
		w.open("destination")
		w.address(f.order.ship)
		w.close()
	}
	w.maybe("email", f.order.email)
	w.maybe("tracking_company", f.company)
	for _, t := range []struct {
		one, many string
		list      []string
	}{{"tracking_number", "tracking_numbers", f.numbers}, {"tracking_url", "tracking_urls", f.urls}} {
		if len(t.list) == 0 {
			w.null(t.one)
		} else {
			w.text(t.one, t.list[0])
		}
		w.key(t.many)
		w.b = append(w.b, '[')
		for _, v := range t.list {
			w.text("", v)
		}
		w.b = append(w.b, ']')
	}
	each(w, "line_items", f.lines, func(l *fulfillmentLine) { w.line(l.line, l.quantity) })
}

func (w *writer) refund(r *refund) {
	w.ids("Refund", r.id)
	w.number("order_id", r.order.id)
	w.time("created_at", r.created)
	w.time("processed_at", r.processed)
	w.maybe("note", r.note)
	w.flag("restock", r.restock)
	w.null("user_id")
	w.empty("duties", "order_adjustments", "refund_shipping_lines")
	w.set("total_duties_set", 0, r.order.currency)
	if r.returned == nil {
		w.null("return")
	} else {
		w.open("return")
		w.ids("Return", r.returned.id)
		w.close()
	}
	each(w, "refund_line_items", r.lines, func(l *refundLine) {
		w.number("id", l.id)
		w.number("quantity", l.quantity)
		w.number("line_item_id", l.line.id)
		w.text("restock_type", strings.ToLower(l.restock))
		if l.loc == nil {
			w.null("location_id")
		} else {
			w.number("location_id", l.loc.id)
		}
		w.price("subtotal", l.line.price*money(l.quantity), r.order.currency)
		w.price("total_tax", 0, r.order.currency)
		w.open("line_item")
		w.line(l.line, l.line.quantity)
		w.close()
	})
	each(w, "transactions", r.transactions, func(t *transaction) {
		w.ids("OrderTransaction", t.id)
		w.number("order_id", r.order.id)
		w.text("kind", strings.ToLower(t.kind))
		w.text("status", strings.ToLower(t.status))
		w.maybe("gateway", t.gateway)
		w.text("amount", t.amount.String())
		w.text("currency", r.order.currency)
		w.time("created_at", t.at)
		w.time("processed_at", t.processed)
		w.flag("test", t.test)
		w.flag("manual_payment_gateway", false)
		w.null("amount_rounding", "authorization", "device_id", "error_code", "location_id", "message",
			"payment_id", "source_name", "total_unsettled_set", "user_id")
		w.open("receipt")
		w.close()
		if t.parent == nil {
			w.null("parent_id")
		} else {
			w.number("parent_id", t.parent.id)
		}
	})
}
