package engine_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"holdfast/engine"
)

// twin is a second implementation of docs/LEDGER.md: naive, slow and obvious. It keeps no sum that
// it can add up again, undoes by keeping a copy, and shares no code with the ledger. The driver
// gives both the same commands and compares everything that can be seen.
//
// What it leaves out: codecs, checkpoints, and the pacing of shortfalls (it resolves each at once).
type twin struct {
	index    uint64
	now, due int64
	limits   engine.Limits
	nodes    []engine.Enrolment // by name

	skus      []*twinSKU // by number, from 1; place 0 is empty
	locations []*twinLocation
	channels  []*twinChannel
	rows      map[rowKey]*twinRow

	reservations []*twinReservation // by Seq
	seq          uint64             // of the newest
	closings     int                // places given to those that are closed
	retired      []twinRetired      // in the order in which they left memory
	audited      [][]byte           // keys of the audit of this entry
	records      twinRecords
	answers      []twinAnswer // oldest first

	lastEvent uint64
	events    []engine.Event  // of this entry
	expired   int             // holds that ended in this entry
	inGroup   bool            // what runs now is an op of a group
	atomic    bool            // and that group is atomic
	touched   map[uint32]bool // SKUs of which more became available somewhere in this command
}

// twinAnswer is a remembered answer.
type twinAnswer struct {
	key     engine.Key
	content string
	batch   int64 // ledger time of the first answer of its batch
	inGroup bool  // of an op of the group whose answer is in front of it
	result  engine.Result
}

func newTwin() *twin {
	return &twin{
		limits:    engine.DefaultLimits(),
		skus:      []*twinSKU{nil},
		locations: []*twinLocation{nil},
		channels:  []*twinChannel{nil},
		rows:      map[rowKey]*twinRow{},
		touched:   map[uint32]bool{},
		records: twinRecords{live: map[recordID]twinRecord{},
			archived: map[recordID]twinRecord{}},
	}
}

// apply runs one entry and returns the results of its ops.
func (w *twin) apply(index uint64, now, due int64, ops []engine.Op) []engine.Result {
	w.index, w.events, w.expired, w.audited = index, nil, 0, nil
	w.now = max(w.now, now)
	w.due = max(w.due, min(due, w.now))
	w.expire()
	w.allocateShort()
	var results []engine.Result
	for i, op := range ops {
		before := w.lastEvent
		r := w.run(op)
		if r.Refusal == engine.Accepted && !r.Replayed && changesRules(op.Command, w.lastEvent != before) {
			w.audited = append(w.audited, engine.AuditKey(index, i))
		}
		results = append(results, r)
	}
	w.forget()
	return results
}

// run answers one op: invalid, then the key, then the rest.
func (w *twin) run(op engine.Op) engine.Result {
	if twinInvalid(op.Command) {
		return engine.Result{Refusal: engine.Invalid, Index: w.index, At: -1}
	}
	content := contentOf(op.Command)
	if a := w.answer(op.Key); a != nil {
		if a.content != content {
			return engine.Result{Refusal: engine.IdempotencyConflict, Index: w.index, At: -1}
		}
		return w.replay(op, *a)
	}
	if g, ok := op.Command.(*engine.Group); ok {
		if i := w.awayIn(g); i >= 0 {
			return engine.Result{Refusal: engine.ReservationClosed, Index: w.index, At: i}
		}
		return w.group(op.Key, content, g)
	}
	r := w.settle(op.Command)
	w.remember(op.Key, content, r)
	return r
}

// settle runs a single command and what follows every command: the shortfalls of the rows that it
// took below zero, then short units on what it made available, then the views of the result.
func (w *twin) settle(c engine.Command) engine.Result {
	saved := w.clone()
	r := engine.Result{Index: w.index, At: -1}
	low := w.perform(c, &r)
	if r.Refusal != engine.Accepted {
		*w = *saved
	} else {
		w.shortfalls(low)
		if c, ok := c.(*engine.Release); !ok || !c.HandOver || !w.atomic {
			w.allocateShort()
		}
	}
	w.show(c, &r)
	return r
}

// perform does the command itself. It returns the rows that a shortfall must look at. When it
// refuses, what it changed so far does not count.
func (w *twin) perform(c engine.Command, r *engine.Result) []rowKey {
	if w.away(engine.ActsOn(c)) != nil {
		r.Refusal = engine.ReservationClosed
		return nil
	}
	switch c := c.(type) {
	case *engine.DefineSKU:
		w.defineSKU(c, r)
	case *engine.DefineLocation:
		w.defineLocation(c, r)
	case *engine.DefineChannel:
		w.defineChannel(c, r)
	case *engine.Delete:
		w.delete(c, r)
	case *engine.Set:
		return w.set(c, r)
	case *engine.Adjust:
		return w.adjust(c, r)
	case *engine.Move:
		w.move(c, r)
	case *engine.Reserve:
		w.reserve(c, r)
	case *engine.Add:
		w.add(c, r)
	case *engine.Extend:
		w.extend(c, r)
	case *engine.Commit:
		w.verb(twinCommit{}, c.ID, c.Picks, r)
	case *engine.Release:
		w.verb(twinRelease{reason: c.Reason}, c.ID, c.Picks, r)
	case *engine.Ship: // never changes what is available, so no shortfall follows
		w.verb(twinShip{note: strings.TrimSpace(c.Package + " " + c.Tracking)}, c.ID, c.Picks, r)
	case *engine.Return:
		w.returns(c, r)
	case *engine.Transfer:
		w.transfer(c, r)
	case *engine.Mirror:
		return w.mirror(c, r)
	case *engine.Tick:
	case *engine.Configure:
		w.configure(c)
	case *engine.Enrol:
		w.enrol(c, r)
	case *engine.Retire:
		w.retire(c)
	case *engine.Revive:
		w.revive(c, r)
	default:
		if !w.performRecord(c, r) {
			panic(fmt.Sprintf("the twin does not know %T", c))
		}
	}
	return nil
}

// group runs the commands of a group, each as an op with a key of its own. The answer of the group
// is older than theirs. Of an atomic group that is refused only the group's own is kept.
func (w *twin) group(key engine.Key, content string, g *engine.Group) engine.Result {
	saved := w.clone()
	r := engine.Result{Index: w.index, At: -1}
	w.remember(key, content, r)
	w.inGroup, w.atomic = true, g.Atomic
	defer func() { w.inGroup, w.atomic = false, false }()
	for i, c := range g.Ops {
		own := key.At(i + 1)
		if g.Atomic && isRecord(c) {
			own = engine.Key{} // there is nothing to say of it that the group does not say
		}
		op := w.run(engine.Op{Key: own, Command: c})
		r.Ops = append(r.Ops, op)
		if g.Atomic && op.Refusal != engine.Accepted {
			*w = *saved
			op.Reservation, op.Body, op.Stock, op.Replayed = nil, 0, nil, false
			r = engine.Result{Refusal: op.Refusal, Index: w.index, At: i, Short: op.Short,
				Ops: notAttempted(g, w.index)}
			r.Ops[i] = op
			w.remember(key, content, r)
			return r
		}
	}
	if g.Atomic {
		w.allocateShort()
	}
	return r
}

func notAttempted(g *engine.Group, index uint64) (all []engine.Result) {
	for range g.Ops {
		all = append(all, engine.Result{Refusal: engine.NotAttempted, Index: index, At: -1})
	}
	return all
}

// show puts the reservation or the balance that a command names into its result, as it is now.
func (w *twin) show(c engine.Command, r *engine.Result) {
	if id := reservationOf(c); id != "" {
		r.Reservation, r.Body = nil, 0
		if v := w.reservation(id); v != nil {
			r.Reservation = w.view(v)
		} else if v := w.away(id); v != nil {
			r.Body = v.version
		}
		return
	}
	sku, location := stockOf(c)
	k := rowKey{w.sku(sku), w.location(location)}
	if k.sku == 0 || k.location == 0 {
		r.Stock = nil
		return
	}
	if r.Stock == nil {
		r.Stock = &engine.StockResult{}
	}
	r.Stock.Balance = w.balance(k)
}

// remember keeps the verdict of an op under its key, in its place if it has one.
func (w *twin) remember(key engine.Key, content string, r engine.Result) {
	if key.IsZero() ||
		r.Refusal == engine.Invalid || r.Refusal == engine.IdempotencyConflict ||
		r.Refusal == engine.ReservationClosed || !w.inGroup && wrongGuess(r.Refusal) {
		return
	}
	kept := engine.Result{Refusal: r.Refusal, Existed: r.Existed, Index: r.Index, At: r.At}
	kept.Short = slices.Clone(r.Short[:min(8, len(r.Short))])
	if r.Stock != nil {
		kept.Stock = &engine.StockResult{Status: r.Stock.Status, Replayed: r.Stock.Replayed}
	}
	if a := w.answer(key); a != nil {
		a.result = kept
		return
	}
	a := twinAnswer{key: key, content: content, batch: w.now, inGroup: w.inGroup, result: kept}
	if n := len(w.answers); n > 0 && w.now < w.answers[n-1].batch+1000 {
		a.batch = w.answers[n-1].batch
	}
	w.answers = append(w.answers, a)
}

// replay answers an op from what is remembered, with its reservation or balance as it is now.
func (w *twin) replay(op engine.Op, a twinAnswer) engine.Result {
	r := a.result
	r.Replayed = true
	r.Short = slices.Clone(r.Short)
	if r.Stock != nil {
		r.Stock = &engine.StockResult{Status: r.Stock.Status, Replayed: r.Stock.Replayed}
	}
	g, ok := op.Command.(*engine.Group)
	if ok && r.At >= 0 {
		r.Ops = notAttempted(g, r.Index)
		r.Ops[r.At].Refusal, r.Ops[r.At].Short = r.Refusal, r.Short
		for i := range r.Ops {
			r.Ops[i].Replayed = true
		}
		return r
	}
	if ok {
		for i, c := range g.Ops {
			sub := engine.Result{Index: r.Index, At: -1, Replayed: true}
			switch b := w.answer(op.Key.At(i + 1)); {
			case b == nil:
				w.show(c, &sub)
			case b.content != contentOf(c):
				sub.Refusal = engine.IdempotencyConflict
			default:
				sub = w.replay(engine.Op{Key: b.key, Command: c}, *b)
			}
			r.Ops = append(r.Ops, sub)
		}
		return r
	}
	w.show(op.Command, &r)
	return r
}

func (w *twin) answer(key engine.Key) *twinAnswer {
	for i := range w.answers {
		if !key.IsZero() && w.answers[i].key == key {
			return &w.answers[i]
		}
	}
	return nil
}

// forget ends remembered answers, oldest first: above results_max, and a batch of answers (those
// of one second) when it ended results_age ago. With the answer of a group go those of its ops.
func (w *twin) forget() {
	for len(w.answers) > 0 {
		first := w.answers[0].batch
		ended := first + 1000
		for _, a := range w.answers {
			if a.batch != first {
				ended = a.batch
				break
			}
		}
		young := ended > w.now-w.limits.ResultsAge
		if young && int64(len(w.answers)) <= w.limits.ResultsMax && !w.answers[0].inGroup {
			return
		}
		w.answers = w.answers[1:]
	}
}

func (w *twin) configure(c *engine.Configure) {
	set := func(to *int64, v int64) {
		if v != 0 {
			*to = v
		}
	}
	if w.limits.ClusterID == [16]byte{} {
		w.limits.ClusterID = c.Limits.ClusterID
	}
	set(&w.limits.ResultsMax, c.Limits.ResultsMax)
	set(&w.limits.ResultsAge, c.Limits.ResultsAge)
	set(&w.limits.EventsMax, c.Limits.EventsMax)
	set(&w.limits.ShortfallStep, c.Limits.ShortfallStep)
	w.limits.ApplyVersion = max(w.limits.ApplyVersion, c.Limits.ApplyVersion)
	set(&w.limits.ClosedAfter, c.Limits.ClosedAfter)
	set(&w.limits.IDMemory, c.Limits.IDMemory)
	set(&w.limits.RecordsMax, c.Limits.RecordsMax)
}

func (w *twin) enrol(c *engine.Enrol, r *engine.Result) {
	next := engine.Enrolment{Node: c.Node, Incarnation: c.Incarnation, Folder: c.Folder}
	for i, e := range w.nodes {
		if e.Node != c.Node || e == next {
			continue
		}
		claims := e.Incarnation == c.Incarnation && e.Folder == [16]byte{}
		if c.Incarnation <= e.Incarnation && !claims {
			r.Refusal = engine.IncarnationUsed
			return
		}
		w.nodes[i] = next
		return
	}
	if !slices.Contains(w.nodes, next) {
		w.nodes = append(w.nodes, next)
		slices.SortFunc(w.nodes, func(a, b engine.Enrolment) int {
			return strings.Compare(a.Node, b.Node)
		})
	}
}

// contentOf is the command as a text: what a key is compared by. What the proposer looked up for a
// Set is not part of it, since a second try of the same request finds something else.
func contentOf(c engine.Command) string {
	if s, ok := c.(*engine.Set); ok {
		bare := *s
		bare.Basis, bare.BasisGone = 0, false
		c = &bare
	}
	if g, ok := c.(*engine.Group); ok {
		text := fmt.Sprintf("group %v", g.Atomic)
		for _, op := range g.Ops {
			text += "\n" + contentOf(op)
		}
		return text
	}
	text, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%T %s", c, text)
}

// reservationOf is the id that a command names; empty when it names none or is no verb.
func reservationOf(c engine.Command) string {
	switch c := c.(type) {
	case *engine.Reserve:
		return c.ID
	case *engine.Add:
		return c.ID
	case *engine.Extend:
		return c.ID
	case *engine.Commit:
		return c.ID
	case *engine.Release:
		return c.ID
	case *engine.Ship:
		return c.ID
	case *engine.Return:
		return c.ID
	case *engine.Transfer:
		return c.ID
	case *engine.Mirror:
		return c.ID
	}
	return ""
}

// stockOf is the SKU and the location whose balance a stock change answers with.
func stockOf(c engine.Command) (sku, location engine.Name) {
	switch c := c.(type) {
	case *engine.Set:
		return c.SKU, c.Location
	case *engine.Adjust:
		return c.SKU, c.Location
	case *engine.Move:
		return c.SKU, c.From
	}
	return "", ""
}
