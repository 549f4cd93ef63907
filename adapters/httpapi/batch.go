package httpapi

import (
	"fmt"
	"strconv"
	"strings"

	"holdfast/engine"
)

// batchItem is one op of a batch: what to submit, or the problem that keeps it from that.
type batchItem struct {
	verb verb
	cmd  engine.Command
	sku  string // of a stock op
	bad  *problem
}

// postBatch runs many operations: as JSON here, as NDJSON in a stream.
func postBatch(c *call) error {
	if isNDJSON(c.ctx.Request.Header.ContentType()) {
		return startBatchStream(c)
	}
	text, err := c.body(false)
	if err != nil {
		return err
	}
	items, atomic, err := readBatch(text, c.s.cfg.Now().UnixMilli())
	if err != nil {
		return err
	}
	if err := c.needKey(true, "A batch needs an Idempotency-Key."); err != nil {
		return err
	}
	if atomic {
		return c.runAtomic(items)
	}
	return c.runBatch(items)
}

var batchMembers = []string{"ops", "atomic"}

// readBatch reads the body. An op that its own call would refuse with 400 or 413 becomes an item
// with that problem; only a body that cannot be read fails the whole. now is in ms since 1970.
func readBatch(body string, now int64) (items []batchItem, atomic bool, err error) {
	s := scan{in: body}
	var seen uint64
	s.object()
	for i := s.member(batchMembers, &seen); i >= 0; i = s.member(batchMembers, &seen) {
		if i == 1 {
			atomic = s.boolean()
			continue
		}
		s.array()
		for n := 0; s.element(n); n++ {
			if n == maxOps {
				s.tooMany(limitOps, maxOps)
				break
			}
			items = append(items, s.readItem(now))
		}
	}
	if s.bad == nil && len(items) == 0 {
		if seen&1 == 0 {
			s.missing("ops")
		} else {
			s.failIn("ops", "must have at least one op")
		}
	}
	s.end()
	if s.bad != nil {
		return nil, false, s.bad
	}
	return items, atomic, nil
}

// readItem reads one op of a list or of a line. A fault of the op is the item's; a fault of the
// JSON stays latched in s, because what follows cannot be read.
func (s *scan) readItem(now int64) (it batchItem) {
	start, depth := s.pos, s.depth
	base := s.base
	s.base = depth
	defer func() { s.base = base }()
	name, ok := s.findOp()
	if s.bad == nil && ok {
		if it.verb = verbOf(name); it.verb == 0 {
			s.failIn("op", "must be one of "+verbWords)
		}
	}
	if s.bad == nil {
		s.pos, s.depth = start, depth
		it.read(s, now)
	}
	if s.bad == nil {
		return it
	}
	if s.bad.malformed {
		s.base, s.depth = 0, depth
		s.bad.at = joinPath(s.where(""), s.bad.at)
		return it
	}
	it.bad, s.bad = s.bad, nil
	s.pos, s.depth = start, depth
	s.skip()
	return it
}

// joinPath puts a path behind another; either may be empty.
func joinPath(at, rest string) string {
	if at == "" || rest == "" {
		return at + rest
	}
	return at + "." + rest
}

// findOp looks for the word of the op in the object that is next; usually it stands first.
func (s *scan) findOp() (name string, ok bool) {
	s.space()
	if rest, found := strings.CutPrefix(s.in[s.pos:], `{"op":"`); found {
		if i := strings.IndexAny(rest, `"\`); i >= 0 && rest[i] == '"' {
			return rest[:i], true
		}
	}
	if !s.object() {
		return "", false
	}
	for s.separator('}') {
		member := s.name()
		if s.bad != nil {
			return "", false
		}
		s.path[s.depth-1] = pathStep{name: printable(member)}
		if member == "op" && !ok {
			name, ok = s.text(), true
		} else {
			s.skip()
		}
	}
	if !ok {
		s.missing("op")
	}
	return name, ok
}

// read decodes the op, whose verb is known.
func (it *batchItem) read(s *scan, now int64) {
	var o opBody
	s.readOp(it.verb, verbs[it.verb].batch, &o)
	if s.bad != nil {
		return
	}
	if o.asOf > now {
		s.failIn("as_of", "must not be in the future")
		return
	}
	it.cmd = o.command(it.verb)
	if it.verb.onStock() {
		it.sku = o.sku
	}
}

// runBatch runs the ops in order, each on its own.
func (c *call) runBatch(items []batchItem) error {
	ops := make([]engine.Op, 0, len(items))
	for i := range items {
		if items[i].bad == nil {
			ops = append(ops, engine.Op{Key: c.key.At(i + 1), Command: items[i].cmd})
		}
	}
	t := newTally(c, len(ops))
	b := append(c.buf[:0], `{"results":[`...)
	next := 0 // the item whose result is written next
	refuseBad := func() {
		for ; next < len(items) && items[next].bad != nil; next++ {
			b = appendItemResult(b, next, 0, items[next].bad.httpStatus(), nil, &items[next],
				items[next].bad)
		}
	}
	refuseBad()
	c.s.cfg.Ledger.SubmitAll(c.s.base, ops, func(_ int, r engine.Result, err error) {
		it := &items[next]
		status, p := t.count(it.verb, &r, err, it.cmd)
		b = appendItemResult(b, next, 0, status, &r, it, p)
		next++
		refuseBad()
	})
	if err := t.none(); err != nil {
		return err
	}
	b = appendUint(b, `],"index":`, c.index)
	c.buf = append(b, '}')
	return c.reply(200)
}

// appendItemResult appends the result of one op, with a comma in front unless it is the first. n is
// the number of a stream's line, 0 in a list. r is nil where the op was not submitted.
func appendItemResult(b []byte, i, n, status int, r *engine.Result, it *batchItem,
	p *problem) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	b = append(b, '{')
	if n > 0 {
		b = appendInt(b, `"n":`, int64(n))
		b = append(b, ',')
	}
	b = append(b, `"status":`...)
	b = strconv.AppendInt(b, int64(status), 10)
	if p != nil {
		if p.replayed {
			b = append(b, `,"idempotency_replayed":true`...)
		}
		b = appendProblemMembers(b, p)
		if p.index == 0 { // refused before it had one
			b = append(b, `,"index":0`...)
		}
		if it.verb.onStock() && r != nil && r.Refusal != engine.Accepted {
			b = append(b, `,"result":"refused"`...)
		}
		return append(b, '}')
	}
	if r.Replayed {
		b = append(b, `,"idempotency_replayed":true`...)
	}
	switch {
	case it.verb.onStock():
		b = append(b, ',')
		b = appendChange(b, `"result":"`, r)
		b = appendTextIf(b, `,"sku":`, it.sku)
		b = appendUint(b, `,"index":`, r.Index)
	case r.Reservation != nil:
		b = append(b, ',')
		b = appendReservationMembers(b, r.Reservation, r.Index)
	default:
		b = appendUint(b, `,"index":`, r.Index)
	}
	return append(b, '}')
}

// runAtomic runs the ops as one group at one index, all or none.
func (c *call) runAtomic(items []batchItem) error {
	group := &engine.Group{Atomic: true, Ops: make([]engine.Command, len(items))}
	for i := range items {
		if items[i].bad != nil {
			p := *items[i].bad
			return atomicFailure(items, i, &p)
		}
		group.Ops[i] = items[i].cmd
	}
	r, err := c.submit(group)
	if err == nil {
		b := appendUint(c.buf[:0], `{"index":`, r.Index)
		b = append(b, `,"results":[`...)
		for i := range r.Ops {
			op := &r.Ops[i]
			op.Index = r.Index
			b = appendItemResult(b, i, 0, successStatus(items[i].verb, op), op, &items[i], nil)
		}
		c.buf = append(b, `]}`...)
		return c.reply(200)
	}
	at, p, ok := groupFailure(&r, group)
	if !ok {
		return err
	}
	return atomicFailure(items, at, p)
}

// atomicFailure is the 409 of a batch of which one op failed: that one has its own status and code,
// the others were not attempted.
func atomicFailure(items []batchItem, at int, p *problem) error {
	whole := *p
	whole.status = 409
	whole.at = fmt.Sprintf("ops[%d]", at)
	whole.detail = "All is refused because of " + whole.at + ": " + lowerFirst(p.detail)
	spared := newProblem(engine.NotAttempted.String(), "Another op of the batch failed.")
	spared.index, spared.replayed = p.index, p.replayed
	b := []byte{'['}
	for i := range items {
		if i == at {
			b = appendItemResult(b, i, 0, p.httpStatus(), nil, &items[i], p)
		} else {
			b = appendItemResult(b, i, 0, spared.httpStatus(), nil, &items[i], spared)
		}
	}
	whole.results = append(b, ']')
	return &whole
}
