package engine

import "math"

// Recall returns the remembered answer to op, if its key is known; also the refusal of another
// command under that key. It reads only, and is for answering repetitions without an entry. Names may
// be in either form; one whose number this ledger has not given yet can be anybody's, so nothing is
// known of such an op.
func (l *Ledger) Recall(op Op) (Result, bool) {
	var f faults
	if f.check(op.Command); op.Key.IsZero() || f.reason != "" {
		return Result{}, false
	}
	n := l.findAnswer(op.Key)
	content := l.contentOf(op.Command)
	if n == 0 || l.work.coder.bad != "" {
		return Result{}, false
	}
	var v verdict
	v.reset(l.index)
	l.recall(n, op.Key, content, op.Command, &v, true)
	r, err := DecodeResult(l.encodeVerdict(nil, &v), op.Command)
	return r, err == nil
}

func answerOf(key Key, content uint64, v *verdict) answerRow {
	row := answerRow{key: key, content: content, index: v.index, refusal: v.refusal, status: v.status}
	if v.existed {
		row.flags |= answerExisted
	}
	if v.inGroup {
		row.flags |= answerInGroup
	}
	switch {
	case v.at >= 0:
		row.flags |= answerHasPlace
		row.extra = int32(v.at)
	case v.refusal != Accepted:
		row.extra = v.field.pack()
	default:
		row.extra = int32(min(max(v.moved, math.MinInt32), math.MaxInt32))
	}
	return row
}

// recall answers from memory: the verdict as it was, what it is about as it is now.
func (l *Ledger) recall(n uint64, key Key, content uint64, c Command, v *verdict, results bool) {
	row := l.remember.at(n)
	if row.content != content {
		v.refuse(IdempotencyConflict, field{})
		return
	}
	v.replayed, v.refusal, v.index, v.status = true, row.refusal, row.index, row.status
	v.existed = row.flags&answerExisted != 0
	switch {
	case row.flags&answerHasPlace != 0:
		v.at = int(row.extra)
	case v.refusal != Accepted:
		v.field = unpackField(row.extra)
	default:
		v.moved = int64(row.extra)
	}
	for _, s := range l.remember.shortsOf(n) {
		v.lack(s.sku, s.wanted, s.sellable)
	}
	if g, ok := c.(*Group); ok {
		l.recallGroup(key, g, v, results)
		return
	}
	l.subject(c, v)
}

// subject finds what a command is about.
func (l *Ledger) subject(c Command, v *verdict) {
	switch c := c.(type) {
	case *Set:
		l.subjectStock(c.SKU, c.Location, v)
	case *Adjust:
		l.subjectStock(c.SKU, c.Location, v)
	case *Move:
		l.subjectStock(c.SKU, c.From, v)
	case *Mirror:
		v.balance = v.status != 0
		l.known(c.ID, v)
	case *Reserve:
		l.known(c.ID, v)
	case *Add, *Extend, *Commit, *Release, *Ship, *Return, *Transfer:
		l.known(ActsOn(c), v)
	}
}

func (l *Ledger) subjectStock(sku, location Name, v *verdict) {
	s, at := l.find(SKUName, sku), l.find(LocationName, location)
	if v.balance = s != 0 && at != 0; v.balance {
		v.stock = l.stockOf(s, at)
	}
}

// recallGroup puts together the results of a group's ops.
func (l *Ledger) recallGroup(key Key, g *Group, v *verdict, results bool) {
	l.work.grouped = l.work.grouped[:0]
	if v.ops = len(g.Ops); !results {
		return
	}
	var each verdict
	for i, op := range g.Ops {
		each.reset(v.index)
		each.replayed = true
		n := uint64(0)
		if v.refusal == Accepted {
			n = l.findAnswer(opKey(key, g, i))
		}
		switch {
		case n != 0:
			l.recall(n, key.At(i+1), l.contentOf(op), op, &each, true)
		case v.refusal == Accepted: // forgotten since: what it was about, without its words
			l.subject(op, &each)
		case i == v.at:
			each.refusal, each.shorts = v.refusal, append(each.shorts, v.shorts...)
		default:
			each.refusal = NotAttempted
		}
		l.work.grouped = l.encodeVerdict(l.work.grouped, &each)
	}
}
