package engine

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// The events of one entry are one frame: a header that they share, then the events, in order.
//
//	0 version   1 number of events (4 bytes)   5 index, ledger time, first sequence, events
const (
	eventVersion     = 1
	eventFrameHeader = 5
)

// eventWriter builds the frame of one entry.
type eventWriter struct {
	coder
	count uint32
}

func (w *eventWriter) begin(index uint64, at int64, first uint64) {
	w.b = append(w.b[:0], eventVersion, 0, 0, 0, 0)
	w.count = 0
	w.uint(&index)
	w.int(&at)
	w.uint(&first)
}

// add appends an event. Every command of a sale makes one, so it is written in one piece; Event.read
// says the same in the other direction.
func (w *eventWriter) add(e *Event) {
	w.count++
	b := slices.Grow(w.b, maxEventNumbers+len(e.Cause)+len(e.Note))
	b = append(b, byte(e.Type))
	b = binary.AppendUvarint(b, uint64(e.SKU))
	b = binary.AppendUvarint(b, uint64(e.Location))
	b = binary.AppendUvarint(b, uint64(e.Channel))
	b = binary.AppendUvarint(b, zigzag(e.Qty))
	b = binary.AppendUvarint(b, zigzag(e.OnHand))
	b = binary.AppendUvarint(b, zigzag(e.Held))
	b = binary.AppendUvarint(b, zigzag(e.Committed))
	back := uint64(0) // how far back the previous event of the SKU at the location is; 0 is none
	if e.Prev != 0 {
		back = e.Seq - e.Prev
	}
	b = binary.AppendUvarint(b, back)
	b = binary.AppendUvarint(b, uint64(len(e.Cause)))
	b = append(b, e.Cause...)
	b = binary.AppendUvarint(b, uint64(len(e.Note)))
	w.b = append(b, e.Note...)
}

// maxEventNumbers is the most bytes of an event without its texts.
const maxEventNumbers = 1 + 10*binary.MaxVarintLen64

// frame returns what was built since begin, or nothing when there was no event. It is valid until
// the next begin.
func (w *eventWriter) frame() []byte {
	if w.count == 0 {
		return nil
	}
	binary.LittleEndian.PutUint32(w.b[1:], w.count)
	return w.b
}

// EventFrame is the events of one entry, being read.
type EventFrame struct {
	Index    uint64
	At       int64  // ledger time, ms since 1970
	FirstSeq uint64 // sequence of its first event
	Count    int    // number of its events
	rest     coder
	next     uint64
	left     int
}

// OpenEvents reads the header of a frame. It returns an error when p does not begin with a frame of
// a version that this build knows.
func OpenEvents(p []byte) (EventFrame, error) {
	if len(p) < eventFrameHeader || p[0] != eventVersion {
		return EventFrame{}, fmt.Errorf("events: not a frame of version %d", eventVersion)
	}
	f := EventFrame{Count: int(binary.LittleEndian.Uint32(p[1:]))}
	f.rest = coder{mode: reading, b: p[eventFrameHeader:]}
	f.rest.uint(&f.Index)
	f.rest.int(&f.At)
	f.rest.uint(&f.FirstSeq)
	if f.rest.bad != "" {
		return EventFrame{}, fmt.Errorf("events: %s", f.rest.bad)
	}
	f.next, f.left = f.FirstSeq, f.Count
	return f, nil
}

// Next reads the next event; false at the end, and at a fault, which Err then tells. The event's
// texts share the frame's bytes.
func (f *EventFrame) Next(e *Event) bool {
	if f.left == 0 || f.rest.bad != "" {
		return false
	}
	*e = Event{Seq: f.next, Index: f.Index, At: f.At}
	e.read(&f.rest, f.next)
	f.next++
	f.left--
	return f.rest.bad == ""
}

// Err is nil, or says why Next stopped before the last event.
func (f *EventFrame) Err() error {
	if f.rest.bad != "" {
		return fmt.Errorf("events: %s", f.rest.bad)
	}
	return nil
}

// read reads what eventWriter.add wrote.
func (e *Event) read(x *coder, seq uint64) {
	codeByte(x, &e.Type)
	e.SKU, e.Location = uint32(x.takeUvarint()), uint32(x.takeUvarint())
	e.Channel = uint32(x.takeUvarint())
	x.int(&e.Qty)
	e.Balance.wire(x)
	if back := x.takeUvarint(); back != 0 {
		e.Prev = seq - back
	}
	x.string(&e.Cause)
	x.string(&e.Note)
}
