package engine

// closedQueue are the reservations of which no unit waits for anything: those that can leave memory,
// in the order in which they were last changed. Numbers are given in log order and never again, and a
// reservation's number is part of its record, so that a ledger that was loaded has the same order as
// one that lived through.
//
// A closed reservation has no deadline, so the links of the wheel are free: they hold its number.
type closedQueue struct {
	head, tail uint64 // numbers head to tail-1; head is closed, or there is none and head is tail
	chunks     map[uint64]*[closedChunk]closedRow
}

// closedRow is one number, 16 bytes. Ref 0: that one is not closed any more, or was changed since.
type closedRow struct {
	at  int64 // ledger time, ms since 1970
	ref resvRef
}

const closedChunk = 4096

func (q *closedQueue) at(n uint64) *closedRow { return &q.chunks[n/closedChunk][n%closedChunk] }

// put gives a number to a reservation.
func (q *closedQueue) put(n uint64, row closedRow) {
	chunk := q.chunks[n/closedChunk]
	if chunk == nil {
		if q.chunks == nil {
			q.chunks = map[uint64]*[closedChunk]closedRow{}
		}
		chunk = new([closedChunk]closedRow)
		q.chunks[n/closedChunk] = chunk
	}
	chunk[n%closedChunk] = row
	q.head = min(q.head, n)
}

// drop frees a number.
func (q *closedQueue) drop(n uint64) {
	*q.at(n) = closedRow{}
	if n == q.head {
		q.skip()
	}
}

// skip moves the head over what is free, and lets go of chunks that are behind it.
func (q *closedQueue) skip() {
	for q.head < q.tail {
		chunk := q.chunks[q.head/closedChunk]
		if chunk != nil && chunk[q.head%closedChunk].ref != 0 {
			return
		}
		if q.head++; q.head%closedChunk == 0 {
			delete(q.chunks, q.head/closedChunk-1)
		}
	}
}

// cutTo takes back the numbers from tail on, which are free.
func (q *closedQueue) cutTo(tail uint64) {
	q.tail, q.head = tail, min(q.head, tail)
}

// closing is the number of a closed reservation.
func (r *resvRow) closing() uint64 { return uint64(r.later)<<32 | uint64(r.earlier) }

func (r *resvRow) setClosing(n uint64) { r.earlier, r.later = resvRef(n), resvRef(n>>32) }

// shut puts a reservation at the end of the queue: none of its units waits for anything any more.
func (l *Ledger) shut(ref resvRef, row *resvRow) {
	n := l.closed.tail
	l.closed.tail++
	row.flags |= isClosed
	row.setClosing(n)
	l.closed.put(n, closedRow{at: l.now, ref: ref})
}

// unshut takes a reservation out of the queue before it is changed.
func (l *Ledger) unshut(row *resvRow) {
	l.closed.drop(row.closing())
	row.flags &^= isClosed
	row.setClosing(0)
}
