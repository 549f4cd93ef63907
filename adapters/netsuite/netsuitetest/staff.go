package netsuitetest

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// edit changes a record as staff do.
func (a *account) edit(name string, change func(*record)) error {
	r, err := a.transaction(name)
	if err != nil {
		return err
	}
	s := &saving{act: &action{cause: "staff"}, old: r, r: r.clone()}
	change(s.r)
	if err := a.save(s); err != nil {
		return err
	}
	return nil
}

// derive makes a record from another as staff do, after change had its say.
func (a *account) derive(typ string, src *record, change func(*record)) error {
	t := recordTypes[lower(typ)]
	if t == nil || !slices.Contains(t.from, src.typ.name) {
		return fmt.Errorf("no %s of a %s", typ, src.typ.name)
	}
	s := &saving{act: &action{cause: "staff"}, r: &record{typ: t, values: values{}, source: src,
		lines: map[string][]*line{}}}
	if err := t.begin(a, s); err != nil {
		return err
	}
	change(s.r)
	if err := a.save(s); err != nil {
		return err
	}
	return nil
}

// pack fulfils one order, or a share of all.
func (a *account) pack(p Pack, seed uint64) error {
	if p.Order != "" {
		o, err := a.transaction(p.Order)
		if err != nil {
			return err
		}
		return a.packOrder(p, o)
	}
	rng := rand.New(rand.NewPCG(max(p.Seed, seed), uint64(a.numbers["itemFulfillment"])))
	for _, o := range slices.Clone(a.byType["salesOrder"]) {
		if rng.Float64()*100 >= p.Percent || len(a.packable(p, o)) == 0 || o.status == "A" ||
			o.status == "H" || o.status == "C" {
			continue
		}
		if err := a.packOrder(p, o); err != nil {
			return err
		}
	}
	return nil
}

// packable is what can be fulfilled of an order's lines, by location.
func (a *account) packable(p Pack, o *record) map[int64]map[int64]dec {
	out := map[int64]map[int64]dec{}
	for _, l := range o.items() {
		item := a.item(l.values)
		n := min(a.pickable(l), l.num("quantity")-l.picked)
		if !item.ships() {
			n = 0
		}
		if len(p.Lines) > 0 {
			i := slices.IndexFunc(p.Lines, func(x OrderLine) bool { return x.SKU == item.text("itemId") })
			if i < 0 {
				n = 0
			} else if p.Lines[i].Qty > 0 {
				n = min(n, whole(p.Lines[i].Qty))
			}
		}
		if n > 0 {
			at := l.ref("location")
			if out[at] == nil {
				out[at] = map[int64]dec{}
			}
			out[at][l.no] = n
		}
	}
	return out
}

func (a *account) packOrder(p Pack, o *record) error {
	parts := a.packable(p, o)
	if len(parts) == 0 {
		return fmt.Errorf("nothing is committed to %s", o.name())
	}
	for _, at := range slices.SortedFunc(maps.Keys(parts), cmp.Compare[int64]) {
		err := a.derive("itemFulfillment", o, func(r *record) {
			if p.Status != "" {
				r.values["shipStatus"] = enum(p.Status)
			} else {
				r.values["shipStatus"] = enum("C")
			}
			for _, l := range r.items() {
				n := parts[at][int64(l.num("orderLine")/one)]
				l.values["itemReceive"], l.values["quantity"] = n > 0, n
			}
			if p.Tracking != "" {
				r.append("package", &line{values: values{"packageTrackingNumber": p.Tracking + "-" +
					a.records["location"][at].name(), "packageWeight": one}})
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *account) bill(b Bill) error {
	o, err := a.transaction(b.Order)
	if err != nil {
		return err
	}
	if b.As == "" {
		b.As = "invoice"
	}
	return a.derive(b.As, o, func(*record) {})
}

func (a *account) receive(in Receive) error {
	o, err := a.transaction(in.Order)
	if err != nil {
		return err
	}
	at := a.byName("location", in.Location)
	if at == nil {
		return fmt.Errorf("no location %q", in.Location)
	}
	return a.derive("itemReceipt", o, func(r *record) {
		for _, l := range r.items() {
			if in.Location != "" || !l.has("location") {
				l.values["location"] = ref(at.id)
			}
			if l.values["itemReceive"] = true; in.NoRestock {
				l.values["restock"] = false
			}
		}
	})
}

func (a *account) adjust(in Adjust) error {
	item, at := a.itemBySKU(in.SKU), a.byName("location", in.Location)
	if item == nil || at == nil {
		return fmt.Errorf("no SKU %q or location %q", in.SKU, in.Location)
	}
	n, ok := parseDec(in.By)
	if to, set := parseDec(in.To); set {
		n, ok = to-a.bucket(item.id, at.id).onHand, true
	}
	if !ok {
		return fmt.Errorf("adjust %s: by or to is needed", in.SKU)
	}
	r := &record{typ: recordTypes["inventoryadjustment"], values: values{"account": ref(1)}}
	r.append("inventory", &line{values: values{"item": ref(item.id), "location": ref(at.id),
		"adjustQtyBy": n}})
	if err := a.save(&saving{act: &action{cause: "staff"}, r: r}); err != nil {
		return err
	}
	return nil
}

func (a *account) setPeriod(in Period) error {
	for _, p := range a.byType["accountingPeriod"] {
		if p.text("startDate") == in.Month+"-01" {
			p.values["closed"], p.values["allLocked"] = in.Closed, in.Closed
			a.journal.add(Entry{Kind: "staff", Cause: "staff", Op: "period", Type: p.typ.name,
				Record: p.id, Result: fmt.Sprintf("closed=%v", in.Closed)})
			return nil
		}
	}
	return fmt.Errorf("no period of %q", in.Month)
}

func (a *account) lock(in Lock) error {
	r, err := a.transaction(in.Record)
	if err != nil {
		return err
	}
	r.locked = in.Locked
	a.journal.add(Entry{Kind: "staff", Cause: "staff", Op: "lock", Type: r.typ.name, Record: r.id,
		External: r.external, Result: fmt.Sprintf("locked=%v", in.Locked)})
	return nil
}

func (a *account) setItem(in ItemState) error {
	item := a.itemBySKU(in.SKU)
	if item == nil {
		return fmt.Errorf("no SKU %q", in.SKU)
	}
	item.values["isInactive"] = in.Inactive
	item.modified = a.now()
	a.journal.add(Entry{Kind: "staff", Cause: "staff", Op: "item", Type: item.typ.name,
		Record: item.id, SKU: in.SKU, Result: fmt.Sprintf("inactive=%v", in.Inactive)})
	return nil
}
