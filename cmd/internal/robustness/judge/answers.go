package judge

import (
	"slices"
	"sort"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/robustness/history"
)

// write holds one write against the events.
func (t *truth) write(v *verdict, op *history.Op) {
	if op.Replayed && !op.Doubt {
		v.add(OracleNever, op.ID, "its answer was a remembered one, but every try before was said not "+
			"to have happened")
	}
	switch op.Kind {
	case history.Adjust:
		t.adjust(v, op)
	case history.Reserve:
		t.reserve(v, op)
	default:
		t.verb(v, op)
	}
}

// effects counts how often something happened, and where.
func effects(v *verdict, op *history.Op, at []uint64) {
	switch {
	case op.Outcome == history.Done && len(at) == 0:
		v.add(OracleLost, op.ID, "it was acknowledged at index %d and there is no event of it", op.Index)
	case len(at) > 1:
		v.add(OracleOnce, op.ID, "it happened at indexes %v", at)
	case op.Outcome == history.Done && at[0] != op.Index:
		v.add(OracleLost, op.ID, "it was acknowledged at index %d and happened at %d", op.Index, at[0])
	case op.Outcome == history.Never && len(at) > 0:
		v.add(OracleNever, op.ID, "every answer said that it did not happen, and it did at %d", at[0])
	case op.Outcome == history.Refused && len(at) > 0:
		v.add(OracleNever, op.ID, "it was refused (%s), and it happened at %d", op.Code, at[0])
	}
}

func (t *truth) adjust(v *verdict, op *history.Op) {
	var at []uint64
	for _, e := range t.adjusts[op.ID] {
		at = append(at, e.Index)
		if e.SKU != op.SKU || e.Qty != op.Qty {
			v.add(OracleLost, op.ID, "it asked for %d of %s and became %d of %s", op.Qty, op.SKU, e.Qty,
				e.SKU)
		}
	}
	effects(v, op, at)
	if op.Outcome == history.Done && !op.Replayed && op.Stock != nil && len(at) == 1 {
		if b := balanceOf(t.adjusts[op.ID][0]); b != *op.Stock {
			v.add(OracleRead, op.ID, "the answer says %+v, the event %+v", *op.Stock, b)
		}
	}
}

func (t *truth) reserve(v *verdict, op *history.Op) {
	var at []uint64
	r := t.reservations[op.Reservation]
	if r != nil {
		taken := map[string]int64{}
		for i, kind := range r.kinds {
			if kind != "reservation.held" {
				continue
			}
			if !slices.Contains(at, r.index[i]) {
				at = append(at, r.index[i])
			}
		}
		for _, l := range r.last() {
			taken[l.SKU] = l.Held + l.Committed + l.Shipped + l.Released + l.Expired
		}
		for _, ask := range op.Lines {
			if taken[ask.SKU] != ask.Qty && len(at) == 1 {
				v.add(OracleOnce, op.ID, "%d of %s were asked for, and %d taken", ask.Qty, ask.SKU,
					taken[ask.SKU])
			}
		}
	}
	effects(v, op, at)
	if op.Outcome == history.Done && len(at) == 1 {
		t.state(v, op, r)
	}
}

// verb holds a verb's answer against the events of its reservation: it says what the reservation
// was after it, at its index. A verb that found nothing to do has no event, and needs none.
func (t *truth) verb(v *verdict, op *history.Op) {
	r := t.reservations[op.Reservation]
	switch {
	case op.Outcome == history.Done && r == nil:
		v.add(OracleLost, op.ID, "it was acknowledged on %s at index %d, of which there is no event",
			op.Reservation, op.Index)
	case op.Outcome == history.Done:
		t.state(v, op, r)
	case op.Outcome == history.Refused && op.Code == "unknown-reservation" && r != nil &&
		r.index[0] < op.Index:
		v.add(OracleLost, op.ID, "at index %d %s was not known, but it is since %d", op.Index,
			op.Reservation, r.index[0])
	}
}

// state holds the lines of an answer against the events. An answer that was remembered shows the
// reservation as it is at some later moment.
func (t *truth) state(v *verdict, op *history.Op, r *reservationAt) {
	if op.Replayed || len(op.State) == 0 {
		return
	}
	for _, lines := range r.during(op.Index) {
		if sameLines(lines, op.State) {
			return
		}
	}
	v.add(OracleLost, op.ID, "at index %d it was told that %s is %+v; the events say %+v", op.Index,
		op.Reservation, op.State, r.at(op.Index))
}

// read holds a read against the state at its index: all of that index has happened, and nothing
// later.
func (t *truth) read(v *verdict, op *history.Op) {
	switch {
	case op.Outcome != history.Done && op.Code == "":
	case op.Kind == history.ReadStock && op.Outcome == history.Done:
		rows := t.stock[op.SKU]
		n := sort.Search(len(rows), func(i int) bool { return rows[i].index > op.Index })
		var want history.Balance
		if n > 0 {
			want = rows[n-1].Balance
		}
		if *op.Stock != want {
			v.add(OracleRead, op.ID, "%s showed %s at index %d as %+v; the events say %+v", op.Node,
				op.SKU, op.Index, *op.Stock, want)
		}
	case op.Kind == history.ReadReservation:
		var want []history.Line
		if r := t.reservations[op.Reservation]; r != nil {
			want = r.at(op.Index)
		}
		known := op.Outcome == history.Done
		if known != (want != nil) || !sameLines(op.State, want) {
			v.add(OracleRead, op.ID, "%s showed %s at index %d as %+v (%s); the events say %+v", op.Node,
				op.Reservation, op.Index, op.State, op.Code, want)
		}
	}
}

// again compares the answer to a repeated key with the first.
func again(v *verdict, op, first *history.Op) {
	if first == nil || (op.Outcome != history.Done && op.Outcome != history.Refused) {
		return
	}
	if op.Status != first.Status || op.Code != first.Code || op.Index != first.Index || !op.Replayed {
		v.add(OracleReplay, op.ID, "%s was answered %d %s at index %d; sent again, %s answered %d %s at "+
			"index %d (remembered: %v)", first.ID, first.Status, first.Code, first.Index, op.Node,
			op.Status, op.Code, op.Index, op.Replayed)
	}
}

// order checks that what began after another had ended is not earlier in the log. Reads that may be
// stale are not held to that.
func order(v *verdict, ops []history.Op) {
	var byCall, byReturn []*history.Op
	for i := range ops {
		op := &ops[i]
		settled := op.Outcome == history.Done || op.Outcome == history.Refused
		if settled && !op.Stale && op.Kind != history.Again && op.Index > 0 {
			byCall, byReturn = append(byCall, op), append(byReturn, op)
		}
	}
	sort.Slice(byCall, func(i, j int) bool { return byCall[i].Call < byCall[j].Call })
	sort.Slice(byReturn, func(i, j int) bool { return byReturn[i].Return < byReturn[j].Return })
	var newest *history.Op
	ended := 0
	for _, op := range byCall {
		for ended < len(byReturn) && byReturn[ended].Return < op.Call {
			if newest == nil || byReturn[ended].Index > newest.Index {
				newest = byReturn[ended]
			}
			ended++
		}
		if newest != nil && op.Index < newest.Index {
			v.add(OracleOrder, op.ID, "%s answered it at index %d, after %s had been answered at index %d",
				op.Node, op.Index, newest.ID, newest.Index)
		}
	}
}

// holds checks the ends of holds against their deadlines, all in ledger time: never before, and not
// behind an entry that is later by more than a second. What is over at the end, readAt, has ended
// although nothing else happened.
func (t *truth) holds(v *verdict, ops []history.Op, readAt int64) {
	deadlines := map[string]int64{}
	for _, op := range ops {
		if op.Kind == history.Reserve && op.Outcome == history.Done && op.Deadline > 0 && !op.Replayed {
			deadlines[op.Reservation] = op.Deadline
		}
	}
	open := map[string]int64{}
	type due struct {
		id string
		at int64
	}
	var queue []due // by deadline
	now := int64(0)
	for _, e := range t.events {
		now = max(now, e.At.UnixMilli())
		for len(queue) > 0 && queue[0].at+leakSlack < now {
			id := queue[0].id
			queue = queue[1:]
			if _, still := open[id]; still && !endsAt(t, id, e) {
				v.add(OracleHold, id, "it was due at %d, and event %d of %d came before its end",
					deadlines[id], e.Seq, now)
			}
		}
		switch e.Type {
		case "reservation.held":
			if at, ok := deadlines[e.Cause]; ok {
				open[e.Cause] = at
				i := sort.Search(len(queue), func(i int) bool { return queue[i].at > at })
				queue = slices.Insert(queue, i, due{e.Cause, at})
			}
		case "reservation.expired":
			if at, ok := deadlines[e.Cause]; ok && e.At.UnixMilli() < at {
				v.add(OracleHold, e.Cause, "it was due at %d and ended at %d", at, e.At.UnixMilli())
			}
			delete(open, e.Cause)
		case "reservation.committed", "reservation.released", "reservation.shipped":
			delete(open, e.Cause) // the load does these to all units at once
		}
	}
	for id, at := range open {
		if end := max(now, readAt); at+leakSlack < end {
			v.add(OracleHold, id, "it was due at %d and is still held at %d", at, end)
		}
	}
}

// leakSlack is how much later than its deadline a hold may end, ms.
const leakSlack = 1000

// endsAt reports whether the reservation ends in the very entry of e: that one ends all that is due
// before it does anything else, and its events have one time.
func endsAt(t *truth, id string, e client.Event) bool {
	r := t.reservations[id]
	i := slices.Index(r.kinds, "reservation.expired")
	return i >= 0 && r.index[i] == e.Index
}
