package shopifytest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Edits is what staff do in the admin. Everything in it is done in the order of its fields, each as
// an action of its own.
type Edits struct {
	Shop      string         `json:"shop"`
	Stock     []StockEdit    `json:"stock"`
	Orders    []OrderEdit    `json:"orders"`
	Variants  []VariantEdit  `json:"variants"`
	Locations []LocationEdit `json:"locations"`
	Fulfil    []FulfilEdit   `json:"fulfil"`
	Moves     []MoveEdit     `json:"moves"`
	Holds     []HoldEdit     `json:"holds"`
	Merges    []string       `json:"merges"`  // orders whose fulfilment orders at one location become one
	Reopens   []string       `json:"reopens"` // orders whose fulfilment orders are cancelled and replaced
	Uninstall bool           `json:"uninstall"`
}

// StockEdit sets or adjusts one number.
type StockEdit struct {
	SKU      string `json:"sku"`
	Location string `json:"location"`
	State    string `json:"state"` // default available; on_hand moves available
	Set      *int64 `json:"set"`
	Adjust   int64  `json:"adjust"`
}

// OrderEdit adds and removes units of an order.
type OrderEdit struct {
	Order  string     `json:"order"` // id or name
	Add    []SaleLine `json:"add"`
	Remove []Units    `json:"remove"`
}

// Units are some units of a line, named by SKU or line id.
type Units struct {
	SKU     string `json:"sku"`
	Line    string `json:"line"`
	Qty     int64  `json:"qty"` // 0 for all
	Restock bool   `json:"restock"`
}

// VariantEdit changes a variant. A SKU that is new makes a variant.
type VariantEdit struct {
	SKU     string         `json:"sku"`
	NewSKU  string         `json:"new_sku"`
	Barcode string         `json:"barcode"`
	Policy  string         `json:"policy"`
	Price   string         `json:"price"`
	Stock   map[string]int `json:"stock"` // of a new variant
}

// LocationEdit switches a location on or off, or adds one.
type LocationEdit struct {
	Name   string `json:"name"`
	Active *bool  `json:"active"`
	Online *bool  `json:"online"`
}

// FulfilEdit ships all that is open of an order, or of one location of it.
type FulfilEdit struct {
	Order    string `json:"order"`
	Location string `json:"location"`
	Company  string `json:"company"`
	Number   string `json:"number"`
	Cancel   bool   `json:"cancel"` // cancels the newest fulfilment instead
}

// MoveEdit moves the open fulfilment orders of an order to a location.
type MoveEdit struct {
	Order string `json:"order"`
	To    string `json:"to"`
}

// HoldEdit holds the open fulfilment orders of an order, or releases them.
type HoldEdit struct {
	Order   string `json:"order"`
	Reason  string `json:"reason"` // default OTHER
	Release bool   `json:"release"`
}

var errEdit = errors.New("edit")

// Edit does what staff do. It stops at the first thing that cannot be done; the error names it,
// what came before it stays.
func (s *Server) Edit(in Edits) error {
	x, err := s.shop(in.Shop)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	var steps []func(*action) error
	for _, e := range in.Stock {
		steps = append(steps, func(a *action) error { return x.editStock(a, e) })
	}
	for _, e := range in.Orders {
		steps = append(steps, func(a *action) error { return x.editOrder(a, e) })
	}
	for _, e := range in.Variants {
		steps = append(steps, func(a *action) error { return x.editVariant(a, e) })
	}
	for _, e := range in.Locations {
		steps = append(steps, func(a *action) error { return x.editLocation(a, e) })
	}
	for _, e := range in.Fulfil {
		steps = append(steps, func(a *action) error { return x.editFulfil(a, e) })
	}
	for _, e := range in.Moves {
		steps = append(steps, func(a *action) error { return x.editMove(a, e) })
	}
	for _, e := range in.Holds {
		steps = append(steps, func(a *action) error { return x.editHold(a, e) })
	}
	for _, ref := range in.Merges {
		steps = append(steps, func(a *action) error { return x.each(ref, func(o *order) { x.merge(a, o) }) })
	}
	for _, ref := range in.Reopens {
		steps = append(steps, func(a *action) error { return x.each(ref, func(o *order) { x.reopen(a, o) }) })
	}
	if in.Uninstall {
		steps = append(steps, x.uninstall)
	}
	for _, do := range steps {
		a := x.begin("admin")
		err := do(a)
		x.finish(a)
		if err != nil {
			return fmt.Errorf("%w: %w", errEdit, err)
		}
	}
	return nil
}

func (s *shop) level(sku, place string) (*item, *location, error) {
	l := s.location(place)
	if place == "" {
		l = s.primary()
	}
	if l == nil || len(s.bySKU[sku]) == 0 {
		return nil, nil, fmt.Errorf("no SKU %q or location %q", sku, place)
	}
	return s.bySKU[sku][0].item, l, nil
}

func (s *shop) editStock(a *action, e StockEdit) error {
	i, l, err := s.level(e.SKU, e.Location)
	if err != nil {
		return err
	}
	x := a.levelFor(i, l)
	name := e.State
	if name == "" {
		name = "available"
	}
	now, _, ok := x.quantity(name)
	state := stateOf(name)
	if name == "on_hand" {
		state = available
	}
	if !ok || state < 0 || state == committed {
		return fmt.Errorf("stock: no state %q that staff can change", e.State)
	}
	delta := e.Adjust
	if e.Set != nil {
		delta = *e.Set - now
	}
	a.shift(x, state, delta)
	return nil
}

func (s *shop) needOrder(ref string) (*order, error) {
	if o := s.order(ref); o != nil {
		return o, nil
	}
	return nil, fmt.Errorf("no order %q", ref)
}

func (o *order) findLine(u Units) *line {
	_, id, _ := parseGID(u.Line)
	for _, l := range o.lines {
		if u.Line != "" && l.id == id || u.Line == "" && (l.sku == u.SKU || u.SKU == "") {
			return l
		}
	}
	return nil
}

func (s *shop) editOrder(a *action, e OrderEdit) error {
	o, err := s.needOrder(e.Order)
	if err != nil {
		return err
	}
	if !o.cancelled.IsZero() {
		return fmt.Errorf("order %s is cancelled", o.name)
	}
	edit := &orderEdit{order: o}
	for _, u := range e.Remove {
		l := o.findLine(u)
		if l == nil {
			return fmt.Errorf("order %s has no line %s%s", o.name, u.SKU, u.Line)
		}
		n := min(u.Qty, l.unfulfilled())
		if u.Qty == 0 {
			n = l.unfulfilled()
		}
		s.removeUnits(a, l, n, u.Restock)
		edit.removed = append(edit.removed, editDelta{l, n})
	}
	for _, w := range e.Add {
		if len(s.bySKU[w.SKU]) == 0 {
			return fmt.Errorf("no SKU %q", w.SKU)
		}
		l := s.lineOf(o, s.bySKU[w.SKU][0], max(1, w.Qty))
		s.addLine(a, l)
		edit.added = append(edit.added, editDelta{l, l.quantity})
	}
	s.edited(a, edit)
	return nil
}

func (s *shop) editVariant(a *action, e VariantEdit) error {
	if len(s.bySKU[e.SKU]) == 0 {
		v := s.addVariant(VariantConfig{SKU: e.SKU, Barcode: e.Barcode, Policy: e.Policy,
			Price: e.Price, Stock: e.Stock}, a.at)
		a.tell("products/create", v.product)
		a.log(Entry{Kind: "admin", Op: "variant_created", SKU: e.SKU})
		return nil
	}
	v := s.bySKU[e.SKU][0]
	if e.NewSKU != "" {
		s.bySKU[v.sku] = s.bySKU[v.sku][1:]
		v.sku = e.NewSKU
		s.bySKU[v.sku] = append(s.bySKU[v.sku], v)
	}
	if e.Barcode != "" {
		v.barcode = e.Barcode
	}
	if e.Policy != "" {
		v.policy = strings.ToUpper(e.Policy)
	}
	if m, ok := parseMoney(e.Price); ok {
		v.price = m
	}
	v.updated, v.product.updated, v.item.updated = a.at, a.at, a.at
	a.tell("products/update", v.product)
	a.log(Entry{Kind: "admin", Op: "variant_changed", SKU: v.sku})
	return nil
}

func (s *shop) editLocation(a *action, e LocationEdit) error {
	l := s.location(e.Name)
	if l == nil {
		s.addLocation(LocationConfig{Name: e.Name}, len(s.locations))
		l = s.locations[len(s.locations)-1]
	}
	if e.Online != nil {
		l.online = *e.Online
		a.tell("locations/update", l)
	}
	if e.Active != nil && l.active != *e.Active {
		l.active = *e.Active
		topic := "locations/deactivate"
		if l.active {
			topic = "locations/activate"
		}
		a.tell(topic, l)
	}
	a.log(Entry{Kind: "admin", Op: "location_changed", Location: l.name})
	return nil
}

func (s *shop) editFulfil(a *action, e FulfilEdit) error {
	o, err := s.needOrder(e.Order)
	if err != nil {
		return err
	}
	if e.Cancel {
		for i := len(o.fulfillments) - 1; i >= 0; i-- {
			if f := o.fulfillments[i]; f.status == "SUCCESS" {
				s.unfulfil(a, f)
				return nil
			}
		}
		return fmt.Errorf("order %s has no fulfilment", o.name)
	}
	shipped := false
	for _, fo := range append([]*fulfillmentOrder{}, o.fulfillmentOrders...) {
		if fo.status != "OPEN" || e.Location != "" && s.location(e.Location) != fo.loc {
			continue
		}
		lines, _ := fo.pick(nil)
		if len(lines) > 0 {
			shipped = true
			s.fulfil(a, shipment{lines, args{"company": e.Company, "number": e.Number}})
		}
	}
	if !shipped {
		return fmt.Errorf("order %s has nothing to ship", o.name)
	}
	return nil
}

func (s *shop) editMove(a *action, e MoveEdit) error {
	o, err := s.needOrder(e.Order)
	if err != nil {
		return err
	}
	to := s.location(e.To)
	if to == nil {
		return fmt.Errorf("no location %q", e.To)
	}
	for _, fo := range append([]*fulfillmentOrder{}, o.fulfillmentOrders...) {
		if fo.open() && fo.loc != to {
			lines, _ := fo.pick(nil)
			s.move(a, fo, to, lines)
		}
	}
	return nil
}

func (s *shop) editHold(a *action, e HoldEdit) error {
	o, err := s.needOrder(e.Order)
	if err != nil {
		return err
	}
	if e.Reason == "" {
		e.Reason = "OTHER"
	}
	for _, fo := range o.fulfillmentOrders {
		switch {
		case !fo.open():
		case e.Release:
			s.release(a, fo, nil)
		default:
			s.holdOn(a, &hold{fo: fo, reason: e.Reason}, nil)
		}
	}
	return nil
}

func (s *shop) each(ref string, do func(*order)) error {
	o, err := s.needOrder(ref)
	if err == nil {
		do(o)
	}
	return err
}

// uninstall ends all access of the first app: it hears of it, then its subscriptions and tokens
// end.
func (s *shop) uninstall(a *action) error {
	a.tell("app/uninstalled", s)
	s.finish(a)
	a.notes = nil
	s.uninstalled = true
	a.log(Entry{Kind: "admin", Op: "uninstalled"})
	return nil
}

// Cancels is who cancels what.
type Cancels struct {
	Shop    string   `json:"shop"`
	Orders  []string `json:"orders"`  // ids or names
	Percent float64  `json:"percent"` // of all open orders, drawn by the seed, in place of orders
	Seed    uint64   `json:"seed"`
	Reason  string   `json:"reason"`  // default CUSTOMER
	Restock *bool    `json:"restock"` // default true
	Refund  bool     `json:"refund"`
}

// Cancel cancels orders as staff do, at once. It returns the names of those that were cancelled;
// the error names one that cannot be.
func (s *Server) Cancel(in Cancels) ([]string, error) {
	x, err := s.shop(in.Shop)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	c := cancellation{reason: in.Reason, restock: in.Restock == nil || *in.Restock, refund: in.Refund}
	if c.reason == "" {
		c.reason = "CUSTOMER"
	}
	var chosen []*order
	for _, ref := range in.Orders {
		o, err := x.needOrder(ref)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errEdit, err)
		}
		if why := o.refuseCancel(); why != "" {
			return nil, fmt.Errorf("%w: order %s: %s", errEdit, o.name, why)
		}
		chosen = append(chosen, o)
	}
	if in.Percent > 0 {
		r := rand.New(rand.NewPCG(in.Seed, s.cfg.Seed))
		for _, o := range x.orders {
			if r.Float64()*100 < in.Percent && o.refuseCancel() == "" {
				chosen = append(chosen, o)
			}
		}
	}
	names := []string{}
	for _, o := range chosen {
		a := x.begin("admin")
		x.cancel(a, o, c)
		x.finish(a)
		names = append(names, o.name)
	}
	return names, nil
}
