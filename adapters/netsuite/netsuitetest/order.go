package netsuitetest

import (
	"strings"
)

// checkOrder completes and refuses sales orders, return authorisations and transfer orders.
func (a *account) checkOrder(s *saving) *apiError {
	r := s.r
	if r.is("transferOrder") {
		if !r.has("location") || !r.has("transferLocation") ||
			r.ref("location") == r.ref("transferLocation") {
			return refused("Please enter value(s) for: From Location, To Location")
		}
	} else if err := a.checkBuyer(r); err != nil {
		return err
	}
	r.fallback("orderStatus", enum(a.assumed.DefaultOrderStatus))
	if len(r.items()) == 0 {
		return refused("Please choose an item to add")
	}
	for _, l := range r.items() {
		if err := a.completeLine(r, l); err != nil {
			return err
		}
	}
	if err := a.checkEdit(s); err != nil {
		return err
	}
	return a.total(r)
}

func (a *account) checkBuyer(r *record) *apiError {
	if a.get("customer", r.ref("entity")) == nil {
		return refused("Please enter value(s) for: Customer")
	}
	r.fallback("currency", ref(1))
	if r.text("discountRate") != "" && !r.has("discountItem") {
		return refused("Please enter value(s) for: Discount Item")
	}
	return nil
}

// completeLine sources what a line does not say from its item and its order.
func (a *account) completeLine(r *record, l *line) *apiError {
	item := a.item(l.values)
	if item == nil {
		return refused("Please enter value(s) for: Item")
	}
	if item.flag("isInactive") {
		return badValue(item.id, "item")
	}
	if !item.ships() {
		l.fallback("quantity", one)
	}
	if !l.has("quantity") {
		return refused("Please enter value(s) for: Quantity")
	}
	if item.ships() && l.num("quantity") <= 0 {
		return refused("Invalid number (must be positive)")
	}
	if r.has("location") && (item.ships() || r.typ.posting) {
		l.fallback("location", ref(r.ref("location")))
	}
	if r.demands() {
		l.fallback("commitInventory", enum("1"))
	}
	l.parts = a.partsOf(item)
	price(l, item)
	return nil
}

// price computes the amount of a line. A price level other than custom overrules the rate that came
// with it: that is how totals come to differ by cents.
func price(l *line, item *record) {
	level := l.enum("price")
	switch {
	case level != "" && level != "-1":
		l.values["rate"] = item.num("basePrice")
		delete(l.values, "amount")
	case !l.has("rate") && l.has("amount"):
		l.values["rate"] = l.num("amount").over(max(l.num("quantity"), 1))
	case !l.has("rate"):
		l.values["rate"] = item.num("basePrice")
	}
	if level == "" {
		l.values["price"] = enum("-1")
	}
	if !l.has("amount") {
		l.values["amount"] = l.num("rate").times(l.num("quantity"), cent)
	}
}

// checkEdit refuses changes that what was shipped or billed does not allow.
func (a *account) checkEdit(s *saving) *apiError {
	if s.isNew() {
		return nil
	}
	for _, old := range s.old.items() {
		used := max(old.picked, old.billed, old.received)
		if used == 0 {
			continue
		}
		l := s.r.find("item", old.no)
		switch {
		case l == nil:
			return refused("You cannot delete line %d: it was fulfilled, received or billed.", old.no)
		case l.ref("item") != old.ref("item"):
			return refused("You cannot change the item of line %d: it was fulfilled, received or billed.",
				old.no)
		case l.num("quantity") < used:
			return refused("The quantity of line %d cannot be less than the %s that was fulfilled, "+
				"received or billed.", old.no, used)
		}
	}
	if s.old.enum("orderStatus") == "B" && s.r.enum("orderStatus") == "A" && len(s.old.derived) > 0 {
		return refused("This order has been fulfilled and can not go back to Pending Approval.")
	}
	return nil
}

// total adds up a record: lines, discount, shipping, handling and tax, each rounded to cents.
func (a *account) total(r *record) *apiError {
	r.subtotal, r.discount, r.tax = 0, 0, 0
	taxed := map[string]bool{}
	for _, l := range r.items() {
		r.subtotal += l.num("amount").rounded()
		taxed[l.text("taxDetailsReference")] = true
	}
	if rate := r.text("discountRate"); rate != "" {
		percent, isPercent := strings.CutSuffix(rate, "%")
		n, ok := parseDec(strings.TrimSpace(percent))
		if !ok {
			return refused("Invalid rate value (must be number or percent): %s", rate)
		}
		r.discount = n.rounded()
		if isPercent {
			r.discount = r.subtotal.times(n.over(whole(100)), cent)
		}
	}
	if r.flag("taxDetailsOverride") { // without it NetSuite computes tax by itself: here there is none
		for _, l := range r.lines["taxDetails"] {
			if at := l.text("taxDetailsReference"); !taxed[at] || at == "" {
				return refused("The tax details reference %q is not that of a line.", at)
			}
			r.tax += l.num("taxAmount").rounded()
		}
	}
	r.total = r.subtotal + r.discount + r.tax + r.num("shippingCost").rounded() +
		r.num("handlingCost").rounded()
	return nil
}

func (a *account) checkCustomer(s *saving) *apiError {
	r := s.r
	name := r.text("companyName")
	if r.flag("isPerson") {
		name = strings.TrimSpace(r.text("firstName") + " " + r.text("lastName"))
		if r.text("firstName") == "" || r.text("lastName") == "" {
			return refused("Please enter value(s) for: First Name, Last Name")
		}
	}
	if name == "" {
		return refused("Please enter value(s) for: Company Name")
	}
	if !r.has("subsidiary") {
		if len(a.byType["subsidiary"]) > 1 {
			return refused("Please enter value(s) for: Primary Subsidiary")
		}
		r.values["subsidiary"] = ref(1)
	}
	r.fallback("currency", ref(1))
	r.fallback("entityId", name)
	for _, c := range a.byType["customer"] {
		if c != s.old && c.text("entityId") == r.text("entityId") {
			return duplicate(r.typ) // names of customers are unique where numbers are not made for them
		}
	}
	return nil
}

// beginReturn makes the lines of a return from what an order shipped, or a bill billed.
func (a *account) beginReturn(s *saving) *apiError {
	src := s.r.source
	copyHead(s.r, src)
	s.r.values["orderStatus"] = enum(a.assumed.DefaultOrderStatus)
	for _, from := range src.items() {
		item := a.item(from.values)
		n := from.num("quantity")
		if src.is("salesOrder") && item.ships() {
			n = from.shipped
		}
		if n <= 0 {
			continue
		}
		s.r.append("item", copyLine(from, n))
	}
	if len(s.r.items()) == 0 {
		return refused("You can not initialize returnAuthorization: invalid reference %d", src.id)
	}
	return nil
}

// copyHead takes what a record shares with the one it is made from.
func copyHead(to, from *record) {
	for _, name := range []string{"entity", "subsidiary", "currency", "exchangeRate", "otherRefNum",
		"shippingAddress", "billingAddress", "email", "taxDetailsOverride", "location", "memo",
		"shipMethod", "transferLocation"} {
		if v, ok := from.values[name]; ok && to.typ.fields[lower(name)] != nil {
			to.values[name] = v
		}
	}
}

// copyLine makes a line of n units of another record's line. The amount follows the units.
func copyLine(from *line, n dec) *line {
	l := &line{values: values{"orderLine": whole(from.no), "quantity": n, "item": from.values["item"]}}
	for _, name := range []string{"rate", "price", "description", "location", "taxDetailsReference"} {
		if v, ok := from.values[name]; ok {
			l.values[name] = v
		}
	}
	if n == from.num("quantity") && from.has("amount") {
		l.values["amount"] = from.values["amount"]
	}
	return l
}
