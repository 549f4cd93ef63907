package engine

import (
	"fmt"
	"math"
)

// Results travel from the node that applied a command to the node that was asked. They are written
// by [Ledger.Apply] straight from the state, and read here.
const resultVersion = 1

// The parts that a result may have.
const (
	resultReplayed = 1 << iota
	resultExisted
	resultField
	resultShort
	resultStock
	resultReservation
	resultOps
)

// AppendResult appends the encoded result to dst.
func AppendResult(dst []byte, r *Result) []byte {
	x := coder{mode: writing, b: dst}
	r.wire(&x)
	return x.b
}

// DecodeResult reads one result. Its strings share p, which must not be used again. It returns an
// error when p is not a whole result of a version that this build knows.
func DecodeResult(p []byte) (Result, error) {
	x := coder{mode: reading, b: p}
	var r Result
	r.wire(&x)
	if x.bad == "" && len(x.b) != 0 {
		x.bad = "bytes are left over"
	}
	if x.bad != "" {
		return Result{}, fmt.Errorf("result: %s", x.bad)
	}
	return r, nil
}

func (r *Result) wire(x *coder) {
	if parts := r.wireHead(x, 0); parts&resultOps != 0 {
		codeList(x, &r.Ops, MaxGroup, opResultWire)
	}
}

// wireHead codes all but the ops; it returns which parts there are. A writer that appends the
// reservation or the ops itself, at the end, says so in more.
func (r *Result) wireHead(x *coder, more uint8) (parts uint8) {
	version := uint8(resultVersion)
	parts = r.parts() | more
	codeByte(x, &version)
	if version != resultVersion {
		x.fail("a version is not known to this build")
	}
	codeByte(x, &parts)
	codeByte(x, &r.Refusal)
	x.uint(&r.Index)
	at := int64(r.At)
	x.int(&at)
	if x.mode == reading {
		if at < -1 || at > math.MaxInt32 {
			x.fail("a place is out of range")
		}
		r.At = int(at)
		r.Replayed, r.Existed = parts&resultReplayed != 0, parts&resultExisted != 0
	}
	if parts&resultField != 0 {
		x.string(&r.Field)
	}
	if parts&resultShort != 0 {
		codeList(x, &r.Short, MaxLines*MaxComponents, shortWire)
	}
	if parts&resultStock != 0 {
		part(x, &r.Stock).wire(x)
	}
	if x.mode == reading && parts&resultReservation != 0 {
		r.Reservation = newView()
	}
	if r.Reservation != nil {
		r.Reservation.wire(x)
	}
	return parts
}

func opResultWire(x *coder, op *Result) { op.wire(x) }

func (r *Result) parts() uint8 {
	var parts uint8
	for i, has := range [...]bool{
		r.Replayed, r.Existed, r.Field != "", len(r.Short) > 0, r.Stock != nil,
		r.Reservation != nil, len(r.Ops) > 0,
	} {
		if has {
			parts |= 1 << i
		}
	}
	return parts
}

// part makes room for a part that is being read.
func part[T any](x *coder, p **T) *T {
	if x.mode == reading {
		*p = new(T)
	}
	return *p
}

// newView returns a reservation with room for the usual one line at one location, in one piece.
func newView() *Reservation {
	v := new(struct {
		r     Reservation
		lines [1]ReservationLine
		at    [1]Allocation
	})
	v.lines[0].Allocations = v.at[:0]
	v.r.Lines = v.lines[:0]
	return &v.r
}

func shortWire(x *coder, s *ShortLine) {
	x.string(&s.SKU)
	x.int(&s.Wanted)
	x.int(&s.Sellable)
}

func (s *StockResult) wire(x *coder) {
	codeByte(x, &s.Status)
	x.int(&s.Replayed)
	s.Balance.wire(x)
}

func (b *Balance) wire(x *coder) {
	x.int(&b.OnHand)
	x.int(&b.Held)
	x.int(&b.Committed)
}

func (r *Reservation) wireHead(x *coder) {
	x.string(&r.ID)
	x.uint(&r.Seq)
	x.string(&r.Channel)
	codeByte(x, &r.State)
	codeByte(x, &r.Mode)
	x.bool(&r.Mirror)
	x.int(&r.Deadline)
}

func (r *Reservation) wire(x *coder) {
	r.wireHead(x)
	codeList(x, &r.Lines, MaxLines, reservationLineWire)
}

func reservationLineWire(x *coder, l *ReservationLine) {
	l.wireHead(x)
	codeList(x, &l.Allocations, MaxComponents*MaxChannelLocations, allocationWire)
}

// wireHead codes a line up to its allocations. Most of its counts are 0: a mask says which are not.
func (l *ReservationLine) wireHead(x *coder) {
	x.int(&l.Line)
	x.string(&l.Ref)
	x.string(&l.SKU)
	counts := [...]*int64{
		&l.Qty, &l.Wanted, &l.Held, &l.Committed, &l.Short, &l.Shipped, &l.Released, &l.Expired,
		&l.Returned,
	}
	mask := uint64(0)
	for i, v := range counts {
		if *v != 0 {
			mask |= 1 << i
		}
	}
	x.uint(&mask)
	for i, v := range counts {
		if mask&(1<<i) != 0 {
			x.int(v)
		}
	}
}

func allocationWire(x *coder, a *Allocation) {
	x.string(&a.SKU)
	x.string(&a.Location)
	x.int(&a.Held)
	x.int(&a.Committed)
	x.int(&a.Shipped)
}
