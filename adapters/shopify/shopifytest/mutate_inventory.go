package shopifytest

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// rowLimit is how many entries an array of input may have.
const rowLimit = 250

var reasons = []string{"correction", "cycle_count_available", "damaged", "movement_canceled",
	"movement_created", "movement_received", "movement_updated", "other", "promotion",
	"quality_control", "received", "reservation_created", "reservation_deleted",
	"reservation_updated", "restock", "safety_stock", "shrinkage"}

// adjustmentGroup is what a stock mutation answers with.
type adjustmentGroup struct {
	id          int64
	at          time.Time
	reason, uri string
	app         *app
	changes     []stockChange
}

type stockChange struct {
	item   *item
	loc    *location
	name   string
	delta  int64
	ledger string
}

// row is one checked entry of a stock mutation.
type row struct {
	item   *item
	loc    *location
	want   int64 // the new value, or the delta
	from   *int64
	ledger string
}

func tooMany(a args, name string) *failure {
	if list, ok := a[name].([]any); ok && len(list) > rowLimit {
		return &failure{"MAX_INPUT_SIZE_EXCEEDED", fmt.Sprintf(
			"The input array size of %d is greater than the maximum allowed of %d.", len(list),
			rowLimit)}
	}
	return nil
}

// rows reads the entries and collects the user errors of all of them.
func (c *call) rows(list []args, name, amount string, bound int64) (rows []row, errs []userError) {
	seen := map[[2]int64]bool{}
	for i, in := range list {
		field := func(last string) []string { return []string{"input", name, fmt.Sprint(i), last} }
		r := row{want: in.number(amount), ledger: in.text("ledgerDocumentUri")}
		var ok bool
		if r.item, ok = find[*item](c.shop, in.text("inventoryItemId")); !ok {
			errs = append(errs, userError{field("inventoryItemId"),
				"The specified inventory item could not be found.", "INVALID_INVENTORY_ITEM"})
		}
		if r.loc, ok = find[*location](c.shop, in.text("locationId")); !ok {
			errs = append(errs, userError{field("locationId"),
				"The specified location could not be found.", "INVALID_LOCATION"})
		}
		if n, is := in["changeFromQuantity"].(int64); is {
			r.from = &n
		}
		if r.want > bound || r.want < -bound {
			code, word := "INVALID_QUANTITY_TOO_HIGH", "lower"
			if r.want < 0 {
				code, word = "INVALID_QUANTITY_TOO_LOW", "higher"
			}
			errs = append(errs, userError{field(amount), fmt.Sprintf(
				"The quantity must be %s than or equal to %d.", word, bound), code})
		}
		if r.item != nil && r.loc != nil {
			if r.item.variant.bundle {
				errs = append(errs, userError{field("inventoryItemId"),
					"The inventory item of a bundle cannot be changed.", "NON_MUTABLE_INVENTORY_ITEM"})
			}
			pair := [2]int64{r.item.id, r.loc.id}
			if seen[pair] && name == "quantities" {
				errs = append(errs, userError{field("inventoryItemId"),
					"The combination of inventoryItemId and locationId must be unique.",
					"NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"})
			}
			seen[pair] = true
			if x := r.item.level(r.loc); (x == nil || !x.active) && c.version < "2026-10" {
				errs = append(errs, userError{field("locationId"),
					"The specified inventory item is not stocked at the location.",
					"ITEM_NOT_STOCKED_AT_LOCATION"})
			}
		}
		rows = append(rows, r)
	}
	return rows, errs
}

// missingCAS refuses entries without changeFromQuantity: null is an answer, leaving it out is none.
func (c *call) missingCAS(list []args, typ string) *failure {
	for _, in := range list {
		if _, given := in["changeFromQuantity"]; !given && c.version >= "2026-04" {
			return &failure{"INVALID_FIELD_ARGUMENTS", typ +
				" must include the following argument: changeFromQuantity."}
		}
	}
	return nil
}

func checkReason(in args) []userError {
	var errs []userError
	if !slices.Contains(reasons, in.text("reason")) {
		errs = append(errs, userError{[]string{"input", "reason"}, "The specified reason is invalid. " +
			"Valid values are: " + strings.Join(reasons, ", ") + ".", "INVALID_REASON"})
	}
	if uri := in.text("referenceDocumentUri"); uri != "" && !validURI(uri) {
		errs = append(errs, userError{[]string{"input", "referenceDocumentUri"},
			"The specified reference document URI is invalid.", "INVALID_REFERENCE_DOCUMENT"})
	}
	return errs
}

func validURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != ""
}

// stale lists the rows whose compare-and-set does not hold.
func stale(rows []row, name, array string) (errs []userError, bad map[int]bool) {
	bad = map[int]bool{}
	for i, r := range rows {
		var now int64
		if x := r.item.level(r.loc); x != nil {
			now, _, _ = x.quantity(name)
		}
		if r.from != nil && *r.from != now {
			bad[i] = true
			errs = append(errs, userError{[]string{"input", array, fmt.Sprint(i), "changeFromQuantity"},
				"The changeFromQuantity argument does not match the persisted quantity.",
				"CHANGE_FROM_QUANTITY_STALE"})
		}
	}
	return errs, bad
}

func (c *call) inventorySetQuantities(a args) *payload {
	in := a.object("input")
	list := in.objects("quantities")
	if f := tooMany(in, "quantities"); f != nil {
		return &payload{fail: f}
	}
	if f := c.missingCAS(list, "InventoryQuantityInput"); f != nil {
		return &payload{fail: f}
	}
	name := in.text("name")
	if name != "available" && name != "on_hand" {
		return refused(userError{[]string{"input", "name"},
			"The quantity name must be either 'available' or 'on_hand'.", "INVALID_NAME"})
	}
	errs := checkReason(in)
	rows, more := c.rows(list, "quantities", "quantity", 1e9)
	errs = append(errs, more...)
	for i, r := range rows {
		if name == "on_hand" && r.want < 0 {
			errs = append(errs, userError{[]string{"input", "quantities", fmt.Sprint(i), "quantity"},
				"The quantity can't be negative.", "INVALID_QUANTITY_NEGATIVE"})
		}
	}
	if len(errs) > 0 {
		return refused(errs...)
	}
	late, bad := stale(rows, name, "quantities")
	if len(late) > 0 && c.srv.assumptions().StaleRowRejectsCall {
		return refused(late...)
	}
	g := c.group(in)
	for i, r := range rows {
		if bad[i] {
			continue
		}
		x := c.act.levelFor(r.item, r.loc)
		now, _, _ := x.quantity(name)
		c.apply(g, x, available, r.want-now, "")
	}
	return c.grouped(g, late)
}

func (c *call) inventoryAdjustQuantities(a args) *payload {
	in := a.object("input")
	list := in.objects("changes")
	if f := tooMany(in, "changes"); f != nil {
		return &payload{fail: f}
	}
	if f := c.missingCAS(list, "InventoryChangeInput"); f != nil {
		return &payload{fail: f}
	}
	name := in.text("name")
	state := stateOf(name)
	if state < 0 || state == committed {
		return refused(userError{[]string{"input", "name"}, "The quantity name is invalid.",
			"INVALID_QUANTITY_NAME"})
	}
	errs := checkReason(in)
	rows, more := c.rows(list, "changes", "delta", 2e9)
	errs = append(errs, more...)
	for i, r := range rows {
		errs = append(errs, ledgerFault(name, r.ledger,
			[]string{"input", "changes", fmt.Sprint(i), "ledgerDocumentUri"})...)
	}
	if len(errs) > 0 {
		return refused(errs...)
	}
	late, bad := stale(rows, name, "changes")
	if len(late) > 0 && c.srv.assumptions().StaleRowRejectsCall {
		return refused(late...)
	}
	g := c.group(in)
	for i, r := range rows {
		if !bad[i] {
			c.apply(g, c.act.levelFor(r.item, r.loc), state, r.want, r.ledger)
		}
	}
	return c.grouped(g, late)
}

// ledgerFault checks a ledger document: forbidden for available, needed for every other state.
func ledgerFault(state, uri string, field []string) []userError {
	switch {
	case state == "available" && uri != "":
		return []userError{{field, "A ledger document URI is not allowed when adjusting available.",
			"INVALID_AVAILABLE_DOCUMENT"}}
	case state != "available" && uri == "":
		return []userError{{field,
			"A ledger document URI is required except when adjusting available.",
			"INVALID_QUANTITY_DOCUMENT"}}
	case strings.HasPrefix(uri, "gid://shopify/"):
		return []userError{{field, "Internal (gid://shopify/) ledger documents are not allowed.",
			"INTERNAL_LEDGER_DOCUMENT"}}
	}
	return nil
}

// step is one checked change of inventoryMoveQuantities.
type step struct {
	item           *item
	loc            *location
	from, to       int
	n              int64
	fromDoc, toDoc string
}

func (c *call) inventoryMoveQuantities(a args) *payload {
	in := a.object("input")
	if f := tooMany(in, "changes"); f != nil {
		return &payload{fail: f}
	}
	errs := checkReason(in)
	var steps []step
	for i, ch := range in.objects("changes") {
		ends := []args{ch.object("from"), ch.object("to")}
		if f := c.missingCAS(ends, "InventoryMoveQuantityTerminalInput"); f != nil {
			return &payload{fail: f}
		}
		s, faults := c.planStep(ch, []string{"input", "changes", fmt.Sprint(i)})
		errs = append(errs, faults...)
		steps = append(steps, s)
	}
	if len(errs) > 0 {
		return refused(errs...)
	}
	g := c.group(in)
	for _, s := range steps {
		x := c.act.levelFor(s.item, s.loc)
		c.apply(g, x, s.from, -s.n, s.fromDoc)
		c.apply(g, x, s.to, s.n, s.toDoc)
	}
	return c.grouped(g, nil)
}

// planStep checks one change of a move between states.
func (c *call) planStep(ch args, at []string) (step, []userError) {
	fault := func(code, message string, field ...string) (step, []userError) {
		return step{}, []userError{{slices.Concat(at, field), message, code}}
	}
	from, to := ch.object("from"), ch.object("to")
	s := step{from: stateOf(from.text("name")), to: stateOf(to.text("name")),
		n: ch.number("quantity"), fromDoc: from.text("ledgerDocumentUri"),
		toDoc: to.text("ledgerDocumentUri")}
	var ok bool
	if s.item, ok = find[*item](c.shop, ch.text("inventoryItemId")); !ok {
		return fault("INVALID_INVENTORY_ITEM", "The specified inventory item could not be found.",
			"inventoryItemId")
	}
	if s.loc, ok = find[*location](c.shop, from.text("locationId")); !ok {
		return fault("INVALID_LOCATION", "The specified location could not be found.", "from",
			"locationId")
	}
	switch {
	case from.text("locationId") != to.text("locationId"):
		return fault("DIFFERENT_LOCATIONS",
			"The quantities can't be moved between different locations.")
	case s.from < 0 || s.to < 0 || s.from == committed || s.to == committed:
		return fault("INVALID_QUANTITY_NAME", "The quantity name is invalid.", "from", "name")
	case s.n < 0:
		return fault("INVALID_QUANTITY_NEGATIVE", "The quantity can't be negative.", "quantity")
	}
	errs := ledgerFault(from.text("name"), s.fromDoc, slices.Concat(at, []string{"from"}))
	errs = append(errs, ledgerFault(to.text("name"), s.toDoc, slices.Concat(at, []string{"to"}))...)
	x := s.item.level(s.loc)
	if x == nil {
		x = &level{}
	}
	errs = append(errs, staleEnd(x, from, slices.Concat(at, []string{"from", "changeFromQuantity"}))...)
	errs = append(errs, staleEnd(x, to, slices.Concat(at, []string{"to", "changeFromQuantity"}))...)
	return s, errs
}

func staleEnd(l *level, end args, field []string) []userError {
	want, given := end["changeFromQuantity"].(int64)
	if now, _, _ := l.quantity(end.text("name")); given && want != now {
		return []userError{{field,
			"The changeFromQuantity argument does not match the persisted quantity.",
			"CHANGE_FROM_QUANTITY_STALE"}}
	}
	return nil
}

func (c *call) group(in args) *adjustmentGroup {
	return &adjustmentGroup{id: c.srv.newID(), at: c.act.at, reason: in.text("reason"),
		uri: in.text("referenceDocumentUri"), app: c.app}
}

// apply changes a state and reports it, with the change of on_hand that comes with it.
func (c *call) apply(g *adjustmentGroup, x *level, state int, delta int64, ledger string) {
	if delta == 0 {
		return
	}
	c.act.shift(x, state, delta)
	g.changes = append(g.changes, stockChange{x.item, x.loc, stateNames[state], delta, ledger})
	if state != incoming {
		g.changes = append(g.changes, stockChange{x.item, x.loc, "on_hand", delta, ledger})
	}
}

// grouped answers with the group; one in which nothing changed is null, which is no failure.
func (c *call) grouped(g *adjustmentGroup, late []userError) *payload {
	p := done(map[string]any{})
	p.errs = late
	if len(g.changes) > 0 {
		c.shop.objects[g.id] = g
		p.values["inventoryAdjustmentGroup"] = g
	}
	return p
}

func (c *call) inventoryActivate(a args) *payload {
	it, ok := find[*item](c.shop, a.text("inventoryItemId"))
	if !ok {
		return refused(userError{field: []string{"inventoryItemId"},
			message: "The product couldn't be stocked because it wasn't found."})
	}
	loc, ok := find[*location](c.shop, a.text("locationId"))
	if !ok || !loc.active {
		return refused(userError{field: []string{"locationId"},
			message: "The product couldn't be stocked because the location wasn't found."})
	}
	if a.has("available") && a.has("onHand") {
		return refused(userError{field: []string{"available"},
			message: "Not allowed to set available and onHand quantities at the same time."})
	}
	x := it.level(loc)
	if x != nil && x.active && (a.has("available") || a.has("onHand")) {
		return refused(userError{field: []string{"available"}, message: "Not allowed to set available " +
			"quantity when the item is already active at the location."})
	}
	x = c.act.levelFor(it, loc)
	if a.has("available") {
		c.act.shift(x, available, a.number("available")-x.q[available])
	}
	if a.has("onHand") {
		c.act.shift(x, available, a.number("onHand")-x.onHand())
	}
	return done(map[string]any{"inventoryLevel": x})
}
