package engine

import (
	"encoding/binary"
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
	resultAsAsked // alone: a reserve of one line got all its units at one place
	resultOps
	resultBody
)

// AppendResult appends the encoded result to dst.
func AppendResult(dst []byte, r *Result) []byte {
	x := coder{mode: writing, b: dst}
	r.wire(&x)
	return x.b
}

// DecodeResult reads the result of a command. Its strings share p, which must not be used again, and
// those of c. It returns an error when p is not a whole result, of a version that this build knows,
// of such a command.
func DecodeResult(p []byte, c Command) (Result, error) {
	var r Result
	err := r.Decode(p, c)
	return r, err
}

// Decode is DecodeResult into r, whose Reservation may be used again: what an earlier result pointed
// to must not be used any more. After an error r is the zero result.
func (r *Result) Decode(p []byte, c Command) error {
	room := r.Reservation
	*r = Result{}
	var bad string
	if len(p) > 1 && p[1] == resultAsAsked {
		bad = r.decodeAsAsked(p, c, room)
	} else {
		x := coder{mode: reading, b: p}
		if r.wire(&x); x.bad == "" && len(x.b) != 0 {
			x.bad = "bytes are left over"
		}
		bad = x.bad
	}
	if bad != "" {
		*r = Result{}
		return fmt.Errorf("result: %s", bad)
	}
	return nil
}

// appendAsAsked appends the result of a plain reserve: what its caller cannot know.
func appendAsAsked(dst []byte, index, seq uint64, deadline int64, location string) []byte {
	dst = append(dst, resultVersion, resultAsAsked, byte(Accepted))
	dst = binary.AppendUvarint(dst, index)
	dst = binary.AppendUvarint(dst, zigzag(-1)) // At
	dst = binary.AppendUvarint(dst, seq)
	dst = binary.AppendUvarint(dst, zigzag(deadline))
	dst = binary.AppendUvarint(dst, uint64(len(location)))
	return append(dst, location...)
}

// decodeAsAsked reads what appendAsAsked wrote, and fills in the rest from the command. It returns what
// is wrong.
func (r *Result) decodeAsAsked(p []byte, c Command, room *Reservation) (bad string) {
	asked, ok := c.(*Reserve)
	if !ok || len(asked.Lines) != 1 {
		return "it is of another command"
	}
	x := coder{mode: reading, b: p[2:]}
	if p[0] != resultVersion || len(x.b) == 0 || x.b[0] != byte(Accepted) {
		return "it is neither of this version nor accepted"
	}
	x.b = x.b[1:]
	index := x.takeUvarint()
	at := x.takeUvarint()
	seq, deadline := x.takeUvarint(), unzigzag(x.takeUvarint())
	location := x.takeString()
	if x.bad != "" || len(x.b) != 0 || at != zigzag(-1) {
		return "it is cut off, or bytes are left over"
	}
	if room == nil {
		room = newView()
	}
	r.Index, r.At, r.Reservation = index, -1, room
	line := &asked.Lines[0]
	*room = Reservation{
		ID: asked.ID, Seq: seq, Channel: string(asked.Channel), State: Held, Mode: asked.Mode,
		Deadline: deadline, Lines: grow(room.Lines, 1),
	}
	to := &room.Lines[0]
	*to = ReservationLine{
		Line: 1, SKU: string(line.SKU), Qty: line.Qty, Wanted: line.Qty, Held: line.Qty,
		Allocations: grow(to.Allocations, 1),
	}
	if asked.Commit {
		room.State, to.Held, to.Committed = Committed, 0, line.Qty
	}
	to.Allocations[0] = Allocation{
		SKU: to.SKU, Location: location, Held: to.Held, Committed: to.Committed,
	}
	return ""
}

func (r *Result) wire(x *coder) {
	if parts := r.wireHead(x, 0); parts&resultOps != 0 {
		codeList(x, &r.Ops, MaxGroup, opResultWire)
	}
}

// wireHead codes all but the ops; it returns which parts there are. A writer that appends the
// reservation or the ops itself, at the end, says so in more.
func (r *Result) wireHead(x *coder, more uint64) (parts uint64) {
	version := uint8(resultVersion)
	parts = r.parts() | more
	codeByte(x, &version)
	if version != resultVersion {
		x.fail("a version is not known to this build")
	}
	x.uint(&parts)
	if parts&resultAsAsked != 0 {
		x.fail("it is as asked, and has other parts")
	}
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
	if parts&resultBody != 0 {
		x.uint(&r.Body)
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

func (r *Result) parts() uint64 {
	var parts uint64
	for i, has := range [...]bool{
		r.Replayed, r.Existed, r.Field != "", len(r.Short) > 0, r.Stock != nil,
		r.Reservation != nil, false, len(r.Ops) > 0, r.Body != 0,
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
