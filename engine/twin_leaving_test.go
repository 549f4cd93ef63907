package engine_test

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"holdfast/engine"
)

// twinRetired is a reservation that left memory. The twin keeps all of it, and what the ledger wrote.
type twinRetired struct {
	was     *twinReservation
	version uint64
}

func (w *twin) nextSeq() uint64 {
	w.seq++
	return w.seq
}

// rank gives a reservation that was changed its place among those that can leave memory.
func (w *twin) rank(v *twinReservation) {
	v.closing = 0
	if v.sum((*twinLine).live) == 0 {
		w.closings++
		v.closing, v.closedAt = w.closings, w.now
	}
}

// away returns the reservation with an id that has left memory, or nil.
func (w *twin) away(id string) *twinRetired {
	for i := range w.retired {
		if w.retired[i].was.id == id {
			return &w.retired[i]
		}
	}
	return nil
}

func (w *twin) awayIn(g *engine.Group) int {
	return slices.IndexFunc(g.Ops, func(c engine.Command) bool {
		return w.away(engine.ActsOn(c)) != nil
	})
}

func (w *twin) retire(c *engine.Retire) {
	var closed []*twinReservation
	for _, v := range w.reservations {
		if v.closing > 0 {
			closed = append(closed, v)
		}
	}
	slices.SortFunc(closed, func(a, b *twinReservation) int { return cmp.Compare(a.closing, b.closing) })
	for n, v := range closed {
		if int64(n) == c.Count || v.closedAt > w.now-w.limits.ClosedAfter {
			break
		}
		w.retired = append(w.retired, twinRetired{was: v, version: w.index})
		w.reservations = slices.DeleteFunc(w.reservations, func(o *twinReservation) bool { return o == v })
	}
	for range c.Count {
		if len(w.retired) == 0 || (w.retired[0].was.closedAt/1000+1)*1000+w.limits.IDMemory > w.now {
			return
		}
		w.retired = w.retired[1:]
	}
}

// revive takes the word of the record "damaged" for one that is.
func (w *twin) revive(c *engine.Revive, r *engine.Result) {
	old := w.away(c.ID)
	if old == nil || old.version != c.Version {
		return
	}
	if string(c.Record) == "damaged" {
		r.Refusal = engine.ReservationClosed
		return
	}
	v := old.was
	w.retired = slices.DeleteFunc(slices.Clone(w.retired), func(o twinRetired) bool { return o.was == v })
	v = v.clone()
	w.reservations = append(w.reservations, v)
	slices.SortFunc(w.reservations, func(a, b *twinReservation) int { return cmp.Compare(a.seq, b.seq) })
	w.rank(v)
}

// changesRules reports whether a command leaves an audit: one that changed a definition or limits.
func changesRules(c engine.Command, changed bool) bool {
	switch c.(type) {
	case *engine.DefineSKU, *engine.DefineLocation, *engine.DefineChannel, *engine.Delete:
		return changed
	case *engine.Configure:
		return true
	}
	return false
}

// leave makes a command about leaving memory.
func (w *world) leave() engine.Command {
	switch n := w.IntN(100); {
	case n < 45:
		return &engine.Retire{Count: 1 + int64(w.IntN(6))}
	case n < 50:
		return &engine.Retire{Count: 100}
	case n < 53:
		return &engine.Configure{Limits: engine.Limits{ClosedAfter: 1 + int64(w.IntN(6000)),
			IDMemory: 1 + int64(w.IntN(60_000))}}
	case n < 57:
		return &engine.Revive{ID: w.someID(), Version: uint64(w.IntN(100))}
	case n < 61:
		return &engine.Revive{ID: w.someID(), Record: []byte("damaged")}
	case n < 70:
		return &engine.Revive{ID: fmt.Sprintf("m%d", w.IntN(4))}
	}
	return &engine.Revive{ID: w.someID()}
}

// bodies are the newest bodies of a ledger, as the disk would have them, by table and key.
type bodies map[string]keptBody

type keptBody struct {
	version uint64
	value   []byte
}

func bodyKey(t engine.BodyTable, key []byte) string { return string(append([]byte{byte(t)}, key...)) }

func (k bodies) take(index uint64, list []engine.Body) {
	for _, b := range list {
		if len(b.Value) == 0 {
			delete(k, bodyKey(b.Table, b.Key))
			continue
		}
		k[bodyKey(b.Table, b.Key)] = keptBody{index, bytes.Clone(b.Value)}
	}
}

// fill gives the revives of an entry what they do not say themselves.
func (k bodies) fill(e entry) entry {
	e.ops = slices.Clone(e.ops)
	for i, op := range e.ops {
		c, ok := op.command.(*engine.Revive)
		if !ok {
			continue
		}
		body := k[bodyKey(engine.BodyOfReservation, engine.ReservationKey(c.ID))]
		full := *c
		if full.Version == 0 {
			full.Version = body.version
		}
		if len(full.Record) == 0 {
			full.Record = body.value
		}
		e.ops[i].command = &full
	}
	return e
}

// compareRetired compares what has left memory: the id is known with its version, the body shows what
// it was, and the ledger itself has it no more.
func (d *driver) compareRetired() string {
	for _, v := range d.twin.retired {
		version, ok := d.ledger.Retired(v.was.id)
		if !ok || version != v.version {
			return fmt.Sprintf("%s left at %d, the ledger says %d %v", v.was.id, v.version, version, ok)
		}
		if _, ok := d.ledger.Reservation(v.was.id); ok {
			return fmt.Sprintf("%s has left, and is there", v.was.id)
		}
		body := d.bodies[bodyKey(engine.BodyOfReservation, engine.ReservationKey(v.was.id))]
		got, ok := d.ledger.ReservationOf(body.value)
		want := printReservation(*d.twin.view(v.was))
		if g := printReservation(got); !ok || body.version != v.version || want != g {
			return fmt.Sprintf("body of index %d\ntwin:   %s\nledger: %s", body.version, want, g)
		}
	}
	return ""
}

// compareAudit compares which ops of the entry left an audit.
func (d *driver) compareAudit() string {
	var got [][]byte
	for _, b := range d.out.Bodies {
		if b.Table == engine.BodyOfAudit {
			got = append(got, b.Key)
		}
	}
	if !slices.EqualFunc(got, d.twin.audited, bytes.Equal) {
		return fmt.Sprintf("audit: twin %x, ledger %x", d.twin.audited, got)
	}
	return ""
}
