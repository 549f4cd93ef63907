package httpapi

import (
	"fmt"
	"slices"

	"holdfast/engine"
)

// postStock changes stock: one group, at one index.
func postStock(c *call) error {
	text, err := c.body(false)
	if err != nil {
		return err
	}
	var in stockBody
	if err := stockBodies.decode(text, &in); err != nil {
		return err
	}
	if len(in.Changes) == 0 {
		return invalid("changes", "must have at least one change")
	}
	group := &engine.Group{Atomic: in.Atomic, Ops: make([]engine.Command, len(in.Changes))}
	keyed := false
	now := c.s.cfg.Now().UnixMilli()
	for i := range in.Changes {
		at := fmt.Sprintf("changes[%d]", i)
		v, err := in.Changes[i].verb(at)
		if err != nil {
			return err
		}
		o := in.Changes[i].op()
		if o.asOf > now {
			return invalid(at+".as_of", "must not be in the future")
		}
		keyed = keyed || verbs[v].key
		group.Ops[i] = o.stockCommand(v)
	}
	if err := c.needKey(keyed, "A change with adjust or move needs an Idempotency-Key."); err != nil {
		return err
	}
	r, err := c.submit(group)
	if err != nil {
		return changesProblem(err, &r, group)
	}
	b := appendUint(c.buf[:0], `{"index":`, r.Index)
	b = append(b, `,"results":[`...)
	for i := range r.Ops {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		b = appendChange(b, `"status":"`, &r.Ops[i])
		b = append(b, '}')
	}
	c.buf = append(b, `]}`...)
	return c.reply(200)
}

// op makes the common form of a change.
func (in *changeBody) op() *opBody {
	o := &opBody{sku: in.SKU, location: in.Location, from: in.From, to: in.To, source: in.Source,
		reason: in.Reason}
	for _, n := range []*int64{in.Set, in.Adjust, in.Move} {
		if n != nil {
			o.qty = *n
		}
	}
	if in.AsOf != "" {
		o.asOf, _ = parseTime(in.AsOf) // the pass has checked it
	}
	return o
}

// verb says what a change does and refuses members that do not belong to it. at is its path.
func (in *changeBody) verb(at string) (verb, error) {
	given := map[string]bool{"location": in.Location != "", "from": in.From != "",
		"to": in.To != "", "set": in.Set != nil, "adjust": in.Adjust != nil,
		"move": in.Move != nil, "reason": in.Reason != "", "as_of": in.AsOf != ""}
	v := verb(0)
	for _, candidate := range []verb{verbSet, verbAdjust, verbMove} {
		if !given[verbs[candidate].name] {
			continue
		}
		if v != 0 {
			return 0, invalid(at, "must have only one of set, adjust, move")
		}
		v = candidate
	}
	if v == 0 {
		return 0, invalid(at, "must have one of set, adjust, move")
	}
	spec := &verbs[v]
	for _, name := range []string{"location", "from", "to", "reason", "as_of"} {
		if given[name] && !slices.Contains(spec.single, name) {
			return 0, invalid(at+"."+name, "does not belong to "+spec.name)
		}
	}
	for _, name := range spec.required {
		if name != "sku" && !given[name] {
			return 0, invalid(at+"."+name, "is required for "+spec.name)
		}
	}
	if v == verbAdjust && *in.Adjust == 0 {
		return 0, invalid(at+".adjust", adjustRule)
	}
	if v == verbMove && in.From == in.To {
		return 0, invalid(at+".to", "must differ from from")
	}
	return v, nil
}

// appendChange appends what became of a change; name opens the member with its word.
func appendChange(b []byte, name string, r *engine.Result) []byte {
	b = append(b, name...)
	if r.Refusal != engine.Accepted {
		b = append(b, `refused","code":"`...)
		b = append(b, r.Refusal.String()...)
		b = append(b, '"')
		if r.Field != "" {
			b = appendTextIf(b, `,"at":`, r.Field)
		}
		if len(r.Short) > 0 {
			b = append(b, `,"short":`...)
			b = appendShort(b, r.Short)
		}
	} else if r.Stock != nil {
		b = append(b, r.Stock.Status.String()...)
		b = append(b, '"')
		b = appendInt(b, `,"replayed":`, r.Stock.Replayed)
	} else {
		b = append(b, `applied"`...)
	}
	if r.Stock != nil {
		b = appendBalance(b, r.Stock.Balance)
	}
	return b
}

// getStock shows a SKU's balances, now or as they were at an earlier index.
func getStock(c *call) error {
	sku, err := c.sku()
	if err != nil {
		return err
	}
	asOf, err := c.queryInt("as_of_index", 0, 1, 1<<63-1)
	if err != nil {
		return err
	}
	var rows []engine.LocationStock
	var r engine.Refusal
	if err := c.read(func(l *engine.Ledger) bool {
		rows, r = l.Stock(sku)
		return false
	}); err != nil {
		return err
	}
	if r != engine.Accepted {
		return c.unknown(r, "", sku)
	}
	index := c.index
	if asOf != 0 {
		if asOf > c.index {
			return invalid("as_of_index", fmt.Sprintf("must be at most the index now, %d", c.index))
		}
		if rows, err = c.rowsAsOf(rows, asOf); err != nil {
			return err
		}
		index = asOf
	}
	b := append(c.buf[:0], `{"sku":`...)
	b = appendText(b, sku)
	b = appendUint(b, `,"index":`, index)
	b = append(b, `,"locations":[`...)
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"location":`...)
		b = appendText(b, rows[i].Location)
		b = appendBalance(b, rows[i].Balance)
		b = append(b, '}')
	}
	c.buf = append(b, `]}`...)
	return c.reply(200)
}

// maxHistorySteps bounds how far one question may walk back.
const maxHistorySteps = 100_000

// rowsAsOf walks each row's events back to the newest one at or before an index. A row that had no
// event by then did not exist.
func (c *call) rowsAsOf(rows []engine.LocationStock, asOf uint64) ([]engine.LocationStock, error) {
	steps := 0
	var past []engine.LocationStock
	for _, row := range rows {
		for seq := row.LastEvent; seq != 0; {
			if steps++; steps > maxHistorySteps {
				return nil, newProblem(codeTooFar, fmt.Sprintf(
					"More than %d events lie between now and that index.", maxHistorySteps))
			}
			events, err := c.s.cfg.Ledger.Events(seq-1, 1)
			if err != nil {
				return nil, problemOf(err, false)
			}
			if len(events) != 1 || events[0].Seq != seq {
				return nil, fmt.Errorf("event %d is missing from the chain of a stock row", seq)
			}
			if events[0].Index <= asOf {
				row.Balance = events[0].Balance
				past = append(past, row)
				break
			}
			seq = events[0].Prev
		}
	}
	return past, nil
}
