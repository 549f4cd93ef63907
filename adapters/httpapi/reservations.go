package httpapi

import (
	"context"

	"holdfast/engine"
)

// postReservation reserves.
func postReservation(c *call) error {
	text, err := c.body(false)
	if err != nil {
		return err
	}
	var o opBody
	s := scan{in: text}
	s.readOp(verbReserve, verbs[verbReserve].single, &o)
	s.end()
	if s.bad != nil {
		return s.bad
	}
	return c.act(verbReserve, &o)
}

// verbHandler returns the handler of one verb on a reservation.
func verbHandler(v verb) func(*call) error {
	return func(c *call) error {
		id, err := c.id()
		if err != nil {
			return err
		}
		text, err := c.body(true)
		if err != nil {
			return err
		}
		var o opBody
		s := scan{in: text}
		s.readOp(v, verbs[v].single, &o)
		s.end()
		if s.bad != nil {
			return s.bad
		}
		o.id = id
		if err := c.needKey(o.needsKey(v), keyReason(v)); err != nil {
			return err
		}
		return c.act(v, &o)
	}
}

// keyReason says why a verb needs an Idempotency-Key.
func keyReason(v verb) string {
	if verbs[v].key {
		return "The verb " + verbs[v].name + " needs an Idempotency-Key."
	}
	return "A verb that names lines needs an Idempotency-Key."
}

// act submits one operation on a reservation and answers with the reservation as it is then.
func (c *call) act(v verb, o *opBody) error {
	r, err := c.submit(o.command(v))
	if err != nil {
		return err
	}
	if r.Reservation == nil {
		// Its id is no longer known: the answer of the key outlived it.
		c.buf = append(c.buf[:0], `{"id":`...)
		c.buf = appendText(c.buf, o.id)
		c.buf = appendUint(c.buf, `,"index":`, r.Index)
		c.buf = append(c.buf, '}')
		return c.reply(successStatus(v, &r))
	}
	c.buf = appendReservation(c.buf[:0], r.Reservation, r.Index)
	return c.reply(successStatus(v, &r))
}

// getReservation answers from memory, and where a reservation has left it from the body that memory
// names: as fresh as the index that the reply says.
func getReservation(c *call) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	var r engine.Reservation
	var version uint64
	var known, away bool
	if err := c.read(func(l *engine.Ledger) bool {
		if r, known = l.Reservation(id); !known {
			version, away = l.Retired(id)
		}
		return false
	}); err != nil {
		return err
	}
	if away {
		ctx, cancel := context.WithTimeout(c.s.base, c.s.cfg.LedgerTimeout)
		defer cancel()
		if r, err = c.s.cfg.Ledger.Retired(ctx, id, version); err != nil {
			return problemOf(err, false)
		}
		known = true
	}
	if !known {
		return c.unknown(engine.UnknownReservation, "", id)
	}
	c.buf = appendReservation(c.buf[:0], &r, c.index)
	return c.reply(200)
}

// sliceScan is how many rows a filtered list looks at in one hold of the ledger's lock.
const sliceScan = 256

// listReservations lists reservations in the order in which they were made: those that are in memory.
func listReservations(c *call) error {
	p, err := c.listed()
	if err != nil {
		return err
	}
	f, err := c.reservationFilter()
	if err != nil {
		return err
	}
	var scan *engine.ReservationScan
	var rows []engine.Reservation
	if err := c.read(func(l *engine.Ledger) bool {
		if scan == nil {
			scan = l.ScanReservations(f, p.after, p.limit+1)
		}
		if scan.Step(sliceScan) {
			return true
		}
		rows = scan.Page()
		return false
	}); err != nil {
		return err
	}
	more := len(rows) > p.limit
	if more {
		rows = rows[:p.limit]
	}
	return replyList(c, rows, more, func(r *engine.Reservation) uint64 { return r.Seq },
		func(b []byte, r *engine.Reservation) []byte { return appendReservation(b, r, 0) })
}

func (c *call) reservationFilter() (f engine.ReservationFilter, err error) {
	if f.SKU, err = c.query("sku", skuRule); err != nil {
		return f, err
	}
	if f.Channel, err = c.query("channel", idRule); err != nil {
		return f, err
	}
	if state := c.ctx.QueryArgs().Peek("state"); len(state) > 0 {
		if f.State = engine.ParseState(string(state)); f.State == 0 {
			return f, invalid("state",
				"must be one of held, committed, short, shipped, expired, released")
		}
	}
	return f, nil
}
