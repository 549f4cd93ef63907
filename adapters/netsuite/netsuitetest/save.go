package netsuitetest

import (
	"slices"
	"time"
)

// saving is a record on its way to be saved.
type saving struct {
	act *action
	old *record // what is changed; nil when r is new
	r   *record // the changed copy, or the new one
}

func (s *saving) isNew() bool { return s.old == nil }

// save checks a record and then keeps it with all that follows from it: stock, the tallies and status
// of what it was made from, and the journal. An error means that nothing changed.
func (a *account) save(s *saving) *apiError {
	if err := a.checkCommon(s); err != nil {
		return err
	}
	if check := s.r.typ.check; check != nil {
		if err := check(a, s); err != nil {
			return err
		}
	}
	a.keep(s)
	return nil
}

// checkCommon is what every record must pass.
func (a *account) checkCommon(s *saving) *apiError {
	r := s.r
	if s.old != nil && s.old.locked {
		return refused("This record is locked by a user defined workflow.")
	}
	if r.external != "" {
		owner := a.byExternal[a.externalKeyOf(r.typ, r.external)]
		if owner != nil && owner != s.old {
			return duplicate(r.typ)
		}
	}
	if r.typ.family != transactionFamily {
		return nil
	}
	r.fallback("tranDate", a.now().In(a.zone).Format(time.DateOnly))
	r.fallback("subsidiary", a.subsidiaryOf(r))
	if err := a.checkPlaces(r); err != nil {
		return err
	}
	if !r.typ.posting {
		return nil
	}
	if s.old != nil {
		if err := a.checkPeriod(s.old); err != nil {
			return err
		}
	}
	return a.checkPeriod(r)
}

// duplicate is how a second record of one external id is refused.
func duplicate(t *recordType) *apiError {
	if t.family == "entity" {
		return refused("This entity already exists.")
	}
	return refused("This record already exists.")
}

func (a *account) subsidiaryOf(r *record) any {
	if c := a.get("customer", r.ref("entity")); c != nil {
		return c.values["subsidiary"]
	}
	for _, name := range []string{"location", "adjLocation"} {
		if l := a.get("location", r.ref(name)); l != nil {
			return l.values["subsidiary"]
		}
	}
	return ref(1)
}

// checkPlaces holds customer and locations to the subsidiary.
func (a *account) checkPlaces(r *record) *apiError {
	home := r.ref("subsidiary")
	if c := a.get("customer", r.ref("entity")); c != nil && c.ref("subsidiary") != home {
		return badValue(r.ref("entity"), "entity")
	}
	for _, v := range append([]values{r.values}, valuesOf(r.lines)...) {
		l := a.get("location", v.ref("location"))
		if l != nil && (l.ref("subsidiary") != home || l.flag("isInactive")) {
			return badValue(l.id, "location")
		}
	}
	return nil
}

func valuesOf(subs map[string][]*line) []values {
	var out []values
	for _, name := range []string{"item", "inventory"} {
		for _, l := range subs[name] {
			out = append(out, l.values)
		}
	}
	return out
}

func badValue(id int64, name string) *apiError {
	return refused("You have entered an Invalid Field Value %d for the following field: %s", id, name)
}

// checkPeriod refuses a posting record outside of the open periods.
func (a *account) checkPeriod(r *record) *apiError {
	for _, p := range a.byType["accountingPeriod"] {
		inside := p.text("startDate") <= r.text("tranDate") && r.text("tranDate") <= p.text("endDate")
		if given := r.ref("postingPeriod"); given == p.id || given == 0 && inside {
			if p.flag("closed") {
				return refused("The accounting period %s is closed. Choose an open posting period.",
					p.text("periodName"))
			}
			return nil
		}
	}
	return refused("The transaction date you specified is not within the date range of your " +
		"accounting period.")
}

// keep cannot fail: everything was checked.
func (a *account) keep(s *saving) {
	r, now := s.r, a.now()
	op := opUpdate
	if s.isNew() {
		op = opCreate
		r.created, r.by = now, s.act.cause
		a.insert(r)
		a.number(r)
		if r.source != nil {
			r.source.derived = append(r.source.derived, r)
		}
	} else {
		a.replace(s)
		r = s.old
	}
	r.modified = now
	r.version++
	s.r, s.act.record = r, r
	a.keyLines(r)
	a.apply(s.act, r.applied, -1)
	r.applied = nil
	if r.typ.moves != nil {
		r.applied = r.typ.moves(a, r)
	}
	a.apply(s.act, r.applied, 1)
	a.demand(s.act, r, func(l *line) dec { return l.committed })
	a.settle(s.act, r)
	a.journal.add(Entry{Kind: "record", Op: op, Cause: s.act.cause, Request: s.act.request,
		Client: s.act.client, Fault: s.act.fault, Type: r.typ.name, Record: r.id, External: r.external})
	a.finish(s.act)
}

// settle brings what a record was made from, and what waits for stock, up to date.
func (a *account) settle(act *action, r *record) {
	if r.source != nil {
		a.tally(act, r.source)
		r.source.status = a.statusOf(r.source)
		r.source.modified = a.now()
		r.source.version++
	}
	a.fill(act)
	r.status = a.statusOf(r)
}

// replace puts the changed copy in the place of the old record, whose address others hold.
func (a *account) replace(s *saving) {
	had := map[int64]dec{}
	for _, l := range s.old.items() {
		had[l.no] = l.committed
		if n := s.r.find("item", l.no); n == nil || n.ref("location") != l.ref("location") ||
			n.ref("item") != l.ref("item") {
			had[l.no] = 0
		}
	}
	a.release(s.act, s.old)
	if s.old.external != s.r.external {
		delete(a.byExternal, a.externalKeyOf(s.old.typ, s.old.external))
		if s.r.external != "" {
			a.byExternal[a.externalKeyOf(s.r.typ, s.r.external)] = s.old
		}
	}
	*s.old = *s.r
	for _, list := range s.old.lines {
		for _, l := range list {
			l.order = s.old
			l.committed, l.backordered = 0, 0
		}
	}
	a.demand(s.act, s.old, func(l *line) dec { return had[l.no] })
}

// number gives a transaction its document number.
func (a *account) number(r *record) {
	if r.typ.family != transactionFamily {
		return
	}
	a.numbers[r.typ.name]++
	n := r.typ.prefix + whole(10_000+a.numbers[r.typ.name]).String()
	r.fallback("tranId", n)
}

// keyLines gives lines the key that no other line of the account has.
func (a *account) keyLines(r *record) {
	for _, list := range r.lines {
		for _, l := range list {
			if l.key == 0 {
				l.key = a.nextID("line")
			}
		}
	}
}

// remove deletes a record, or refuses to; then nothing changed.
func (a *account) remove(act *action, r *record) *apiError {
	if r.locked {
		return refused("This record is locked by a user defined workflow.")
	}
	if len(r.derived) > 0 {
		return refused("This transaction cannot be deleted because it is linked to by one or more " +
			"transactions.")
	}
	if r.typ.posting {
		if err := a.checkPeriod(r); err != nil {
			return err
		}
	}
	a.release(act, r)
	act.record = r
	a.apply(act, r.applied, -1)
	delete(a.records[r.typ.family], r.id)
	a.byType[r.typ.name] = slices.DeleteFunc(a.byType[r.typ.name],
		func(x *record) bool { return x == r })
	if r.external != "" {
		delete(a.byExternal, a.externalKeyOf(r.typ, r.external))
	}
	if r.source != nil {
		r.source.derived = slices.DeleteFunc(r.source.derived, func(x *record) bool { return x == r })
	}
	a.settle(act, r)
	a.journal.add(Entry{Kind: "record", Op: opDelete, Cause: act.cause, Request: act.request,
		Client: act.client, Type: r.typ.name, Record: r.id, External: r.external})
	a.finish(act)
	return nil
}
