package judge

import (
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/anishathalye/porcupine"

	"holdfast/cmd/internal/robustness/history"
)

// state is what the model knows of one group: its SKUs' stock and its reservations, each sorted.
type state struct {
	stock        []skuStock
	reservations []placed
}

type skuStock struct {
	sku string
	history.Balance
}

type placed struct {
	id    string
	lines []history.Line
	took  [verbs]bool // each verb has taken a unit
}

// The verbs of the model.
const (
	commits = iota
	releases
	ships
	returns
	verbs
)

var verbOf = map[history.Kind]int{history.Commit: commits, history.Release: releases,
	history.Ship: ships, history.Return: returns}

// Model is the ledger of one group, as its interface promises it: strict reserves, whole verbs. An
// operation of unknown outcome may take effect at any time after its call, and as its return is
// never, it may come after everything else: then it did not happen for anyone.
func Model() porcupine.Model {
	seed := maphash.MakeSeed()
	return porcupine.Model{
		Init: func() any { return state{} },
		Step: func(s, in, _ any) (bool, any) {
			op, ok := in.(*history.Op)
			if !ok {
				return false, s
			}
			return s.(state).step(op)
		},
		Equal: func(a, b any) bool { return a.(state).equal(b.(state)) },
		Hash:  func(s any) uint64 { return maphash.String(seed, fmt.Sprint(s)) },
		DescribeOperation: func(in, _ any) string {
			return describe(in.(*history.Op))
		},
		DescribeState: func(s any) string { return fmt.Sprintf("%+v", s) },
	}
}

func (s state) equal(o state) bool {
	return slices.Equal(s.stock, o.stock) && slices.EqualFunc(s.reservations, o.reservations,
		func(a, b placed) bool {
			return a.id == b.id && a.took == b.took && slices.Equal(a.lines, b.lines)
		})
}

// step runs op. It reports whether its answer is one that this state gives.
func (s state) step(op *history.Op) (bool, state) {
	switch op.Kind {
	case history.ReadStock:
		return op.Stock != nil && *op.Stock == s.of(op.SKU), s
	case history.ReadReservation:
		r, known := s.find(op.Reservation)
		return known == (op.Outcome == history.Done) && sameLines(op.State, r.lines), s
	case history.Adjust:
		return s.adjust(op)
	case history.Reserve:
		return s.reserve(op)
	}
	return s.verb(op)
}

func (s state) of(sku string) history.Balance {
	for _, row := range s.stock {
		if row.sku == sku {
			return row.Balance
		}
	}
	return history.Balance{}
}

// with returns a copy in which sku has the balance b.
func (s state) with(sku string, b history.Balance) state {
	s.stock = slices.Clone(s.stock)
	i := sort.Search(len(s.stock), func(i int) bool { return s.stock[i].sku >= sku })
	if i == len(s.stock) || s.stock[i].sku != sku {
		s.stock = slices.Insert(s.stock, i, skuStock{sku: sku})
	}
	s.stock[i].Balance = b
	return s
}

func (s state) find(id string) (placed, bool) {
	i, ok := s.place(id)
	if !ok {
		return placed{}, false
	}
	return s.reservations[i], true
}

func (s state) place(id string) (int, bool) {
	return slices.BinarySearchFunc(s.reservations, id,
		func(r placed, id string) int { return strings.Compare(r.id, id) })
}

// keep returns a copy with r in it.
func (s state) keep(r placed) state {
	s.reservations = slices.Clone(s.reservations)
	i, ok := s.place(r.id)
	if !ok {
		s.reservations = slices.Insert(s.reservations, i, r)
	}
	s.reservations[i] = r
	return s
}

func (s state) adjust(op *history.Op) (bool, state) {
	b := s.of(op.SKU)
	b.OnHand += op.Qty
	right := op.Outcome == history.Unknown ||
		(op.Outcome == history.Done && (op.Replayed || op.Stock == nil || *op.Stock == b))
	return right, s.with(op.SKU, b)
}

func (s state) reserve(op *history.Op) (bool, state) {
	enough := true
	for _, ask := range op.Lines {
		b := s.of(ask.SKU)
		enough = enough && b.OnHand-b.Held-b.Committed >= ask.Qty
	}
	if !enough {
		return op.Outcome == history.Unknown || op.Code == "insufficient-stock", s
	}
	if op.Outcome == history.Refused {
		return false, s
	}
	r := placed{id: op.Reservation}
	for _, ask := range op.Lines {
		b := s.of(ask.SKU)
		b.Held += ask.Qty
		s = s.with(ask.SKU, b)
		r.lines = append(r.lines, history.Line{SKU: ask.SKU, Held: ask.Qty})
	}
	return showsNow(op, r.lines), s.keep(r)
}

// showsNow reports whether an answer may show these lines: one that was remembered, or never came,
// shows any.
func showsNow(op *history.Op, lines []history.Line) bool {
	return op.Outcome == history.Unknown || op.Replayed || sameLines(op.State, lines)
}

func (s state) verb(op *history.Op) (bool, state) {
	r, known := s.find(op.Reservation)
	if !known {
		return op.Outcome == history.Unknown || op.Code == "unknown-reservation", s
	}
	r.lines = slices.Clone(r.lines)
	verb := verbOf[op.Kind]
	taken := int64(0)
	next := s
	for i := range r.lines {
		l := &r.lines[i]
		b := next.of(l.SKU)
		taken += act(verb, l, &b)
		next = next.with(l.SKU, b)
	}
	if taken == 0 && !r.took[verb] {
		return op.Outcome == history.Unknown || op.Code == "wrong-state", s
	}
	if op.Outcome == history.Refused {
		return false, s
	}
	if taken > 0 {
		r.took[verb] = true
	}
	return showsNow(op, r.lines), next.keep(r)
}

// act does a verb to all of a line that it can act on and returns how many units that were.
func act(verb int, l *history.Line, b *history.Balance) int64 {
	held, committed := l.Held, l.Committed
	switch verb {
	case commits:
		l.Held, l.Committed = 0, committed+held
		b.Held, b.Committed = b.Held-held, b.Committed+held
		return held
	case releases:
		l.Held, l.Committed, l.Released = 0, 0, l.Released+held+committed
		b.Held, b.Committed = b.Held-held, b.Committed-committed
		return held + committed
	case ships:
		l.Held, l.Committed, l.Shipped = 0, 0, l.Shipped+held+committed
		b.Held, b.Committed = b.Held-held, b.Committed-committed
		b.OnHand -= held + committed
		return held + committed
	default:
		n := l.Shipped - l.Returned
		l.Returned += n
		b.OnHand += n
		return n
	}
}

func describe(op *history.Op) string {
	what := op.Reservation
	if what == "" {
		what = op.SKU
	}
	said := op.Code
	switch {
	case op.Outcome == history.Unknown:
		said = "?"
	case op.Stock != nil:
		said = fmt.Sprintf("%+v", *op.Stock)
	case op.Code == "":
		said = fmt.Sprintf("%+v", op.State)
	}
	return fmt.Sprintf("%s(%s %v %d) → %s at %d", op.Kind, what, op.Lines, op.Qty, said, op.Index)
}

// operations turns a group's history into the checker's. What did not happen is left out, and so
// are stale reads, which promise less: the events judge them.
func operations(ops []*history.Op) []porcupine.Operation {
	var all []porcupine.Operation
	for _, op := range ops {
		end := op.Return
		switch {
		case op.Stale, op.Outcome == history.Never, op.Kind == history.Again:
			continue
		case op.Outcome == history.Unknown && op.Kind.Reads():
			continue
		case op.Outcome == history.Unknown:
			end = math.MaxInt64
		}
		all = append(all, porcupine.Operation{ClientId: max(0, op.Client), Input: op, Call: op.Call,
			Return: end})
	}
	return all
}
