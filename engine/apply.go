package engine

import "fmt"

// Output receives what one Apply produced. It is reused from entry to entry.
type Output struct {
	// WantResults asks for an encoded result of every op: on the node that somebody waits on.
	WantResults bool
	// Expired is the number of reservations whose hold ended.
	Expired int
	// Events is the frame of the entry's events, empty when nothing happened. It is valid until the
	// next Apply.
	Events []byte
	// Bodies is what the entry puts aside, valid until the next Apply.
	Bodies []Body
	// Archived are the keys of records that left memory while their bodies stay, valid as Bodies are.
	Archived []Body
	results  []byte
	ends     []int
}

// Result returns the encoded result of op i, from 0; see [DecodeResult]. It is valid until the next
// Apply with this Output.
func (o *Output) Result(i int) []byte {
	from := 0
	if i > 0 {
		from = o.ends[i-1]
	}
	return o.results[from:o.ends[i]]
}

// scratch is room that is reused from command to command, so that apply allocates nothing.
type scratch struct {
	op       int  // the one that is applied, from 0; -1 outside of any
	opKind   kind // of that op, kindEnd until it is known
	commands [kindEnd]Command
	coder    coder
	faults   faults
	verdict  verdict
	// opVerdict is of the op of a group, beside that of the group.
	opVerdict verdict
	ahead     lookahead
	plan      plan
	supply    supply
	acts      []act
	units     []unit
	kit       []kitPart
	marks     []markRow
	refs      []string
	blob      []byte
	raised    []stockRef // rows that became more available during the command
	fallen    []stockRef // rows that a shortfall may have come to
	expiring  []resvRef
	waiting   []claim
	losers    []claim
	sources   []uint32
	steps     int64 // places that shortfalls may still change in this entry
	load      int64 // rows that this entry has looked at; see entryLoad
	result    Result
	view      Reservation
	record    resvRecord
	stock     StockResult
	grouped   []byte // encoded results of a group's ops
}

// entryLoad bounds the work of one entry, in rows looked at: some 100 ms. A short command can ask for
// much: a verb on a thousand kits, a count that thousands of holds depend on. Once an entry has used
// up its share, commands that follow in it are refused as Overloaded and shortfalls wait for the next
// entry, so that nobody can make an entry that stalls every node, or events and results without end.
const (
	entryLoad   = 1_000_000
	entryEvents = 64 << 20 // bytes of events, for the same reason
)

// verdict is what became of one command, before it is encoded.
type verdict struct {
	refusal  Refusal
	replayed bool
	existed  bool
	index    uint64
	field    field
	at       int
	shorts   []shortRow
	status   StockStatus
	moved    int64 // of a set: movements replayed
	stock    stockRef
	balance  bool // the result has the balance of stock, zero if there is no row yet
	resv     resvRef
	body     uint64 // version of the body of a reservation that has left memory
	ops      int    // of a group: how many results there are in scratch.grouped
	inGroup  bool
}

// shortRow says that more was wanted of a SKU than there was.
type shortRow struct {
	sku              uint32
	wanted, sellable int64
}

func (v *verdict) reset(index uint64) {
	*v = verdict{index: index, at: -1, shorts: v.shorts[:0], inGroup: v.inGroup}
}

func (v *verdict) refuse(r Refusal, at field) { v.refusal, v.field = r, at }

func (v *verdict) lack(sku uint32, wanted, sellable int64) {
	v.shorts = append(v.shorts, shortRow{sku: sku, wanted: wanted, sellable: sellable})
}

// Apply runs one entry: it moves the time, ends what is due, goes on with what is unfinished, and
// runs the ops in order. The index must be above Index. It cannot fail: an op that cannot be decoded
// was never written by [EntryBuilder], and is a panic that names the index; a [Configure] that raises
// the apply version above what this build knows is a panic with a *[VersionError].
func (l *Ledger) Apply(index uint64, e Entry, out *Output) {
	l.begin(index, e)
	out.results, out.ends = out.results[:0], out.ends[:0]
	out.Expired = l.expire()
	l.allocateShort()
	l.resumeShortfalls()
	l.work.ahead.begin(e.ops)
	for i := range e.Count {
		l.work.op, l.work.opKind = i, kindEnd
		op := l.nextOp()
		l.work.opKind = op.head.kind
		if err := l.applyOp(op, out); err != nil {
			panic(fmt.Sprintf("engine: entry %d: op %d: %v", index, i, err))
		}
	}
	l.work.op = -1
	l.work.shrink()
	l.evictAnswers()
	out.Events, out.Bodies = l.events.frame(), l.bodies.finish()
	out.Archived = l.stillAway()
	if index%digestEvery == 0 {
		l.keepDigests(index + 1)
	}
}

// applyOp runs one op and adds its result. It fails, with nothing done, when the op cannot be decoded.
func (l *Ledger) applyOp(op *seenOp, out *Output) error {
	if op.err != nil {
		return op.err
	}
	if op.isPlain {
		if ref, ok := l.reservePlain(&op.plain); ok {
			if out.WantResults {
				out.results = l.encodeAsAsked(out.results, ref)
				out.ends = append(out.ends, len(out.results))
			}
			return nil
		}
	}
	c, err := l.work.decode(op.head.kind, op.body)
	if err != nil {
		return err
	}
	v := &l.work.verdict
	v.inGroup = false
	before := l.eventSeq
	l.run(op.head.key, c, v, out.WantResults)
	if op.head.kind.audited() && v.refusal == Accepted && !v.replayed &&
		(l.eventSeq != before || op.head.kind == kindConfigure) {
		l.audit(l.work.op, op)
	}
	if out.WantResults {
		out.results = l.encodeVerdict(out.results, v)
		out.ends = append(out.ends, len(out.results))
	}
	return nil
}

// SkipTo moves the index past entries that are not the ledger's.
func (l *Ledger) SkipTo(index uint64) {
	if index > l.index {
		l.keepDigests(index + 1)
		l.index = index
	}
}

func (l *Ledger) begin(index uint64, e Entry) {
	if index <= l.index {
		panic(fmt.Sprintf("engine: entry %d after entry %d", index, l.index))
	}
	l.keepDigests(index)
	l.index = index
	l.work.load, l.work.op = 0, -1
	l.now = max(l.now, e.Now)
	l.work.expiring = l.work.expiring[:0]
	if due := min(e.Due, l.now); due > l.due {
		l.work.expiring = l.wheel.collect(l, l.work.expiring, l.due+1, due)
		l.due = due
	}
	l.events.begin(index, l.now, l.eventSeq+1)
	l.bodies.begin()
}

// keptGroup is how many ops of a group have room that is kept for the next one.
const keptGroup = 1024

// shrink lets go of room that only a very large command needed.
func (w *scratch) shrink() {
	const rows = 1 << 16
	if g, ok := w.commands[kindGroup].(*Group); ok && cap(g.Ops) > keptGroup {
		w.commands[kindGroup] = nil
	}
	if cap(w.plan.have) > rows || cap(w.plan.parts) > rows {
		w.plan = plan{}
	}
	if cap(w.record.parts) > rows {
		w.record = resvRecord{}
	}
	if cap(w.grouped) > 64*rows {
		w.grouped = nil
	}
}

// decode reads a command into the reused one of its kind.
func (w *scratch) decode(k kind, body []byte) (Command, error) {
	return decodeInto(&w.commands, &w.coder, k, body)
}

// run answers one command: from memory if its key is known, else by doing it.
func (l *Ledger) run(key Key, c Command, v *verdict, results bool) {
	v.reset(l.index)
	f := &l.work.faults
	*f = faults{}
	if f.check(c); f.reason != "" {
		v.refuse(Invalid, f.field)
		return
	}
	full := l.work.load > entryLoad || len(l.events.b) > entryEvents
	if full && (!v.inGroup || l.undo != nil) {
		v.refuse(Overloaded, field{})
		return
	}
	l.answer(key, c, v, results)
	if v.resv != 0 { // its view
		l.work.load += int64(l.resvAt(v.resv).lines)
	}
}

// answer is run for a command that is valid and in time.
func (l *Ledger) answer(key Key, c Command, v *verdict, results bool) {
	var content uint64
	if !key.IsZero() {
		content = l.contentOf(c)
		if n := l.findAnswer(key); n != 0 {
			l.recall(n, key, content, c, v, results)
			return
		}
	}
	if g, ok := c.(*Group); ok {
		l.group(key, content, g, v, results)
		return
	}
	l.do(c, v)
	l.resolveShortfalls()
	if r, ok := c.(*Release); !ok || !r.HandOver || l.undo == nil {
		l.allocateShort()
	}
	if !key.IsZero() && v.refusal != ReservationClosed && (v.inGroup || !v.refusal.ofRecord()) {
		l.addAnswer(answerOf(key, content, v), v.shorts)
	}
}

// do runs one command that is not a group. Each kind first looks for a refusal, in the order of
// docs/LEDGER.md, and changes nothing until there can be none.
func (l *Ledger) do(c Command, v *verdict) {
	switch c := c.(type) {
	case *Reserve:
		l.reserve(c, v)
	case *Commit:
		l.commit(c, v)
	case *Release:
		l.release(c, v)
	case *Ship:
		l.ship(c, v)
	case *Return:
		l.giveBack(c, v)
	case *Extend:
		l.extend(c, v)
	case *Add:
		l.add(c, v)
	case *Transfer:
		l.transfer(c, v)
	case *Set:
		l.set(c, v)
	case *Adjust:
		l.adjust(c, v)
	case *Move:
		l.move(c, v)
	case *Mirror:
		l.mirror(c, v)
	case *Tick:
	case *DefineSKU:
		l.defineSKU(c, v)
	case *DefineLocation:
		l.defineLocation(c, v)
	case *DefineChannel:
		l.defineChannel(c, v)
	case *Delete:
		l.delete(c, v)
	case *Configure:
		l.configure(c)
	case *Enrol:
		l.enrol(c, v)
	case *Retire:
		l.retire(c)
	case *Revive:
		l.revive(c, v)
	case *Put:
		l.put(c, v)
	case *Drop:
		l.drop(c, v)
	case *Expect:
		l.expect(c, v)
	case *Purge:
		l.purge(c)
	default:
		panic(fmt.Sprintf("engine: no way to do a %T", c))
	}
}

func (l *Ledger) configure(c *Configure) {
	if l.limits.ClusterID == [16]byte{} {
		l.limits.ClusterID = c.Limits.ClusterID
	}
	l.raise(c.Limits.ApplyVersion)
	for _, s := range [...]struct{ to, from *int64 }{
		{&l.limits.ResultsMax, &c.Limits.ResultsMax},
		{&l.limits.ResultsAge, &c.Limits.ResultsAge},
		{&l.limits.EventsMax, &c.Limits.EventsMax},
		{&l.limits.ShortfallStep, &c.Limits.ShortfallStep},
		{&l.limits.ClosedAfter, &c.Limits.ClosedAfter},
		{&l.limits.IDMemory, &c.Limits.IDMemory},
		{&l.limits.RecordsMax, &c.Limits.RecordsMax},
	} {
		if *s.from != 0 {
			*s.to = *s.from
		}
	}
}

// contentOf hashes a command by what was said, so that the same said again is recognised.
func (l *Ledger) contentOf(c Command) uint64 {
	x := &l.work.coder
	*x = coder{mode: hashing, hash: uint64(c.kind()), names: l}
	c.wire(x)
	return mixWide(x.hash, 'C')
}
