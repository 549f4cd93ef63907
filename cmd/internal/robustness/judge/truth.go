package judge

import (
	"slices"
	"sort"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/robustness/history"
)

// truth is the events, by what they are about.
type truth struct {
	events       []client.Event
	stock        map[string][]stockAt      // by SKU, in order
	reservations map[string]*reservationAt // by id
	adjusts      map[string][]client.Event // by note: the operation's id
}

// stockAt is a balance from an index on.
type stockAt struct {
	index uint64
	history.Balance
}

// reservationAt is a reservation after each of its events.
type reservationAt struct {
	index []uint64
	kinds []string
	lines [][]history.Line // after each event
}

func (r *reservationAt) last() []history.Line { return r.lines[len(r.lines)-1] }

// at is the lines as they were when everything up to index had happened; nil: not there yet.
func (r *reservationAt) at(index uint64) []history.Line {
	n := sort.Search(len(r.index), func(i int) bool { return r.index[i] > index })
	if n == 0 {
		return nil
	}
	return r.lines[n-1]
}

// during lists what the lines were between two commands of the entry at index, and around it.
func (r *reservationAt) during(index uint64) [][]history.Line {
	from := sort.Search(len(r.index), func(i int) bool { return r.index[i] >= index })
	to := sort.Search(len(r.index), func(i int) bool { return r.index[i] > index })
	return r.lines[max(0, from-1):to]
}

func newTruth(events []client.Event) *truth {
	t := &truth{events: events, stock: map[string][]stockAt{},
		reservations: map[string]*reservationAt{}, adjusts: map[string][]client.Event{}}
	for _, e := range events {
		if e.Location != "" && e.SKU != "" {
			t.stock[e.SKU] = append(t.stock[e.SKU], stockAt{e.Index, balanceOf(e)})
		}
		switch {
		case e.Type == "stock.adjusted":
			t.adjusts[e.Note] = append(t.adjusts[e.Note], e)
		case e.Cause != "" && e.Channel != "":
			t.reservation(e)
		}
	}
	return t
}

// reservation adds an event to the reservation that it is about. A reservation of this load has at
// most one line for each SKU, so the SKU tells the line.
func (t *truth) reservation(e client.Event) {
	r := t.reservations[e.Cause]
	if r == nil {
		r = &reservationAt{}
		t.reservations[e.Cause] = r
	}
	var lines []history.Line
	if len(r.lines) > 0 {
		lines = slices.Clone(r.last())
	}
	at := slices.IndexFunc(lines, func(l history.Line) bool { return l.SKU == e.SKU })
	if at < 0 {
		lines, at = append(lines, history.Line{SKU: e.SKU}), len(lines)
	}
	move(&lines[at], e.Type, max(e.Qty, -e.Qty))
	r.index = append(r.index, e.Index)
	r.kinds = append(r.kinds, e.Type)
	r.lines = append(r.lines, lines)
}

// move changes a line as one event says. Committed units ship before held ones; a release takes
// held ones first: the order that the interface promises.
func move(l *history.Line, kind string, n int64) {
	switch kind {
	case "reservation.held":
		l.Held += n
	case "reservation.committed":
		l.Held, l.Committed = l.Held-n, l.Committed+n
	case "reservation.released":
		held := min(n, l.Held)
		l.Held, l.Committed, l.Released = l.Held-held, l.Committed-(n-held), l.Released+n
	case "reservation.expired":
		l.Held, l.Expired = l.Held-n, l.Expired+n
	case "reservation.shipped":
		committed := min(n, l.Committed)
		l.Committed, l.Held, l.Shipped = l.Committed-committed, l.Held-(n-committed), l.Shipped+n
	case "reservation.returned":
		l.Returned += n
	}
}

// sameLines compares lines whatever their order.
func sameLines(a, b []history.Line) bool {
	if len(a) != len(b) {
		return false
	}
	for _, l := range a {
		if !slices.Contains(b, l) {
			return false
		}
	}
	return true
}

// oversold walks all balances: no unit is promised twice, and only what may change a count does.
func (t *truth) oversold(v *verdict) {
	before := map[string]history.Balance{}
	for _, e := range t.events {
		if e.Location == "" || e.SKU == "" {
			continue
		}
		b := balanceOf(e)
		if b.Held < 0 || b.Committed < 0 || b.OnHand-b.Held-b.Committed < 0 {
			v.add(OracleOversold, "", "after event %d %s is %+v", e.Seq, e.SKU, b)
		}
		want, ok := follows(before[e.SKU], e)
		if ok && want != b {
			v.add(OracleOversold, "", "event %d (%s of %d) makes %s %+v, but it was %+v", e.Seq, e.Type,
				e.Qty, e.SKU, b, before[e.SKU])
		}
		before[e.SKU] = b
	}
}

// balanceOf is the stock after an event.
func balanceOf(e client.Event) history.Balance {
	return history.Balance{OnHand: e.OnHand, Held: e.Held, Committed: e.Committed}
}

// follows is the balance after e by its type and quantity alone. ok is false where these do not say
// from which kind of promise the units came.
func follows(b history.Balance, e client.Event) (history.Balance, bool) {
	n := max(e.Qty, -e.Qty)
	switch e.Type {
	case "stock.adjusted":
		b.OnHand += e.Qty
	case "reservation.held":
		b.Held += n
	case "reservation.committed":
		b.Held, b.Committed = b.Held-n, b.Committed+n
	case "reservation.expired":
		b.Held -= n
	case "reservation.returned":
		b.OnHand += n
	default:
		return b, false
	}
	return b, true
}
