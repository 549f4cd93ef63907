package engine

// remembered are the answers to commands that had a key: a queue in log order, with an index by key
// in the shards. Rows never change; the oldest end first.
type remembered struct {
	head, tail uint64 // answers head to tail-1 are known; numbers begin at 1
	chunks     map[uint64]*[rememberedChunk]answerRow
	shorts     []rememberedShort // of answers that were refused for want of stock, in their order
	marks      []rememberedMark  // one a second, in order
	pinned     uint64            // answers from this one on are kept for a running sweep; 0: none
	firstChunk uint64            // the first chunk that is kept
}

const rememberedChunk = 4096

// answerRow is one remembered answer, 40 bytes.
type answerRow struct {
	key     Key
	content uint64 // hash of the command
	index   uint64
	// extra is, of a set, the movements that it replayed; of a refusal the field that it is about,
	// packed; of a refused atomic group the place of the op that failed.
	extra   int32
	refusal Refusal
	status  StockStatus
	flags   uint8
	_       uint8
}

const (
	answerExisted uint8 = 1 << iota
	answerHasPlace
	answerInGroup // of an op of the group whose answer is in front of it
)

// rememberedShort is one short line of a refusal. The first eight are kept.
type rememberedShort struct {
	answer           uint64
	sku              uint32
	wanted, sellable int64
}

// rememberedMark says that answers from first on were given at at or later.
type rememberedMark struct {
	first uint64
	at    int64
}

const (
	rememberedShorts  = 8
	rememberedMarkGap = 1000 // ms: how exact the age of an answer is
	// evictedAnEntry bounds what one entry forgets, so that a lowered limit stalls nobody: more than
	// one entry can add.
	evictedAnEntry = 20_000
)

func (m *remembered) at(n uint64) *answerRow {
	return &m.chunks[n/rememberedChunk][n%rememberedChunk]
}

// findAnswer returns the number of the answer under a key, or 0.
func (l *Ledger) findAnswer(k Key) uint64 {
	sh := &l.shards[l.shardOf(k.Hi)]
	for p := sh.results.probe(k.Lo); p.next(); {
		n := l.remember.number(p.slot)
		if l.remember.at(n).key == k {
			return n
		}
	}
	return 0
}

// number turns the low 32 bits of an answer's number into the whole: fewer than 2^31 are known.
func (m *remembered) number(slot uint32) uint64 {
	n := m.head&^(1<<32-1) | uint64(slot)
	if n < m.head {
		n += 1 << 32
	}
	return n
}

// addAnswer remembers an answer and returns its number; nothing is known under its key.
func (l *Ledger) addAnswer(row answerRow, shorts []shortRow) uint64 {
	m := &l.remember
	if n := len(m.marks); n == 0 || l.now-m.marks[n-1].at >= rememberedMarkGap {
		m.marks = append(m.marks, rememberedMark{first: m.tail, at: l.now})
	}
	for i := range min(len(shorts), rememberedShorts) {
		m.shorts = append(m.shorts, rememberedShort{
			answer: m.tail, sku: shorts[i].sku,
			wanted: shorts[i].wanted, sellable: shorts[i].sellable,
		})
	}
	n := l.appendAnswer(row)
	l.shards[l.shardOf(row.key.Hi)].results.put(row.key.Lo, uint32(n))
	l.digest.add(hashAnswer(&row))
	return n
}

func (l *Ledger) appendAnswer(row answerRow) uint64 {
	m := &l.remember
	n := m.tail
	chunk := m.chunks[n/rememberedChunk]
	if chunk == nil {
		if m.chunks == nil {
			m.chunks = map[uint64]*[rememberedChunk]answerRow{}
		}
		chunk = new([rememberedChunk]answerRow)
		m.chunks[n/rememberedChunk] = chunk
	}
	chunk[n%rememberedChunk] = row
	m.tail++
	return n
}

// evictAnswers forgets, oldest first, what is too old or too much.
func (l *Ledger) evictAnswers() {
	m := &l.remember
	for n := 0; ; n++ {
		if m.head == m.tail {
			m.marks = nil // a running sweep may still read the old list
			return
		}
		// A group and its ops are forgotten together: a repetition does all of it again, or nothing.
		inGroup := l.remember.at(m.head).flags&answerInGroup != 0
		tooMany := m.tail-m.head > uint64(l.limits.ResultsMax)
		if !inGroup && (n >= evictedAnEntry || !tooMany && !l.tooOld()) {
			return
		}
		l.dropAnswer(m.head)
		m.head++
		m.trim()
		for len(m.shorts) > 0 && m.shorts[0].answer < m.head {
			m.shorts = m.shorts[1:]
		}
		for len(m.marks) > 1 && m.marks[1].first <= m.head {
			m.marks = m.marks[1:]
		}
	}
}

// tooOld reports whether the oldest answer has passed its age, to the second.
func (l *Ledger) tooOld() bool {
	marks, until := l.remember.marks, l.now-l.limits.ResultsAge
	if len(marks) > 1 {
		return marks[1].at <= until
	}
	return marks[0].at+rememberedMarkGap <= until
}

// trim frees the chunks that neither the ledger nor a running sweep needs.
func (m *remembered) trim() {
	until := m.head
	if m.pinned != 0 {
		until = min(until, m.pinned)
	}
	for ; (m.firstChunk+1)*rememberedChunk <= until; m.firstChunk++ {
		delete(m.chunks, m.firstChunk)
	}
}

// undoAnswers forgets the newest answers, down to a former tail.
func (l *Ledger) undoAnswers(tail uint64) {
	m := &l.remember
	for m.tail > tail && m.tail > m.head {
		m.tail--
		l.dropAnswer(m.tail)
	}
	m.tail = tail
	for n := len(m.shorts); n > 0 && m.shorts[n-1].answer >= tail; n-- {
		m.shorts = m.shorts[:n-1]
	}
	for n := len(m.marks); n > 0 && m.marks[n-1].first >= tail; n-- {
		m.marks = m.marks[:n-1]
	}
}

func (l *Ledger) dropAnswer(n uint64) {
	row := l.remember.at(n)
	l.shards[l.shardOf(row.key.Hi)].results.drop(row.key.Lo, uint32(n))
	l.digest.remove(hashAnswer(row))
}

// shortsOf returns the short lines of an answer.
func (m *remembered) shortsOf(n uint64) []rememberedShort {
	low, high := 0, len(m.shorts)
	for low < high {
		mid := int(uint(low+high) >> 1)
		if m.shorts[mid].answer < n {
			low = mid + 1
		} else {
			high = mid
		}
	}
	for high < len(m.shorts) && m.shorts[high].answer == n {
		high++
	}
	return m.shorts[low:high]
}

// Horizon is for how long, in ms, an answer is remembered now: the age limit, or less when so many
// answers were given that the oldest had to go early.
func (l *Ledger) Horizon() int64 {
	m := &l.remember
	if m.tail-m.head < uint64(l.limits.ResultsMax) || len(m.marks) == 0 {
		return l.limits.ResultsAge
	}
	return min(l.limits.ResultsAge, l.now-m.marks[0].at)
}

func hashAnswer(row *answerRow) uint64 {
	h := mixWide(row.key.Hi, row.key.Lo)
	h = mix(h, row.content)
	h = mix(h, row.index)
	return mixWide(h, uint64(uint32(row.extra))<<32|uint64(row.refusal)<<16|
		uint64(row.status)<<8|uint64(row.flags))
}
