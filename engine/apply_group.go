package engine

// group runs several commands, each seeing the effects of those before it. Its own answer is
// remembered in front of those of its ops, and they are forgotten together: a repetition never does
// half of a group again.
func (l *Ledger) group(key Key, content uint64, g *Group, v *verdict, results bool) {
	if i := l.awayIn(g); i >= 0 {
		v.refuse(ReservationClosed, field{leaf: "id"})
		v.at = i
		return
	}
	var own uint64
	if !key.IsZero() {
		own = l.addAnswer(answerOf(key, content, v), nil)
	}
	l.work.grouped = l.work.grouped[:0]
	if g.Atomic {
		l.beginUndo()
	}
	each := &l.work.opVerdict
	for i, op := range g.Ops {
		each.inGroup = true
		l.run(opKey(key, g, i), op, each, results)
		if g.Atomic && each.refusal != Accepted {
			v.refusal, v.at = each.refusal, i
			v.shorts = append(v.shorts, each.shorts...)
			break
		}
		if results {
			l.work.grouped = l.encodeVerdict(l.work.grouped, each)
		}
	}
	v.ops = len(g.Ops)
	if !g.Atomic {
		return
	}
	if v.refusal == Accepted {
		l.allocateShort() // what the last op handed over to nobody
		l.keepUndo()
		return
	}
	l.rollBack()
	l.settleGroup(own, v)
	if results {
		l.encodeRefusedGroup(v, each)
	}
}

// opKey is the key of op i of a group, from 0. The group's own answer says all that there is to say of
// what an atomic group did to records.
func opKey(key Key, g *Group, i int) Key {
	if g.Atomic && onRecord(g.Ops[i]) {
		return Key{}
	}
	return key.At(i + 1)
}

// settleGroup writes the verdict of a refused group into its answer. Nobody has seen that answer:
// the entry is still being applied.
func (l *Ledger) settleGroup(own uint64, v *verdict) {
	if own == 0 {
		return
	}
	row := *l.remember.at(own)
	l.undoAnswers(own)
	if v.refusal == IdempotencyConflict || v.refusal == Overloaded || v.refusal.ofRecord() {
		return
	}
	l.addAnswer(answerOf(row.key, row.content, v), v.shorts)
}

// encodeRefusedGroup makes the results of the ops of a refused atomic group.
func (l *Ledger) encodeRefusedGroup(v, failed *verdict) {
	l.work.grouped = l.work.grouped[:0]
	failed.resv, failed.body, failed.stock, failed.balance = 0, 0, 0, false
	var idle verdict
	idle.reset(v.index)
	idle.refusal = NotAttempted
	for i := range v.ops {
		if i == v.at {
			l.work.grouped = l.encodeVerdict(l.work.grouped, failed)
		} else {
			l.work.grouped = l.encodeVerdict(l.work.grouped, &idle)
		}
	}
}
