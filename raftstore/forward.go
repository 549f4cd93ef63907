package raftstore

import (
	"context"
	"encoding/binary"
	"errors"

	"holdfast/engine"
)

// What nodes ask of each other on the peer port. The numbers are on the wire.
const (
	callForward byte = 1 // run these commands, or only say an index
	callStatus  byte = 2 // say how you are
	callForming byte = 3 // say whether you know a cluster
	callJoin    byte = 4 // let this node in
	callEvents  byte = 5 // give bytes of an event segment
	callChange  byte = 7 // change who the members are
)

// forwardVersion is the version of the two messages of callForward.
const forwardVersion = 1

// forward sends b to the leader and answers it with what comes back, or with the end of calls,
// which comes when that node leads no more. It runs on a goroutine of its own, one for a batch, and
// never sends twice.
func (s *Store) forward(calls context.Context, b *batch, addr, node string) {
	body := appendForward(nil, b.whole, b.waits, b.count, b.entry.Ops())
	b.entry = engine.EntryBuilder{}
	ctx, cancel := context.WithTimeout(calls, s.cfg.ProposeTimeout)
	defer cancel()
	s.metrics.forwarded.Add(float64(b.count))
	reply, sent, err := s.peers.Call(ctx, addr, callForward, body)
	var o outcome
	switch {
	case err == nil:
		o = parseReply(reply, b.count)
	case sent:
		o.err = &UnknownError{Cause: err}
	default:
		o.err = &NoLeaderError{Known: node, Why: err.Error(), After: retrySoon}
	}
	s.batcher.settle(b, o)
}

// handle answers one call of another node. It runs on a goroutine of its own.
func (s *Store) handle(ctx context.Context, kind byte, body []byte) []byte {
	switch kind {
	case callForward:
		return s.handleForward(ctx, body)
	case callStatus:
		return s.handleStatus()
	case callEvents:
		return s.handleEvents(body)
	case callForming:
		return s.handleForming(body)
	case callJoin:
		return s.handleJoin(ctx, body)
	case callChange:
		return s.handleChange(ctx, body)
	case callBodies:
		return s.handleBodies(body)
	}
	return nil // a newer node's call: it takes an empty answer for "not here"
}

// handleForward runs the commands of another node's batch here, if this node leads: at most one
// hop. When somebody waits for an index there, the answer has one also where none of the commands
// was applied: otherwise it would say nothing of what was agreed before.
func (s *Store) handleForward(ctx context.Context, body []byte) []byte {
	f, err := parseForward(body)
	if err != nil {
		s.log.Error("forwarded batch refused", "error", err)
		return appendReplyError(nil, &NoLeaderError{Why: err.Error(), After: retrySoon})
	}
	if s.lead.Load() == nil {
		return appendReplyError(nil, &NoLeaderError{Why: "not the leader", After: retrySoon})
	}
	r := s.runForwarded(ctx, f)
	if r.index > 0 || !(f.waits || len(f.ops) == 0) {
		return r.append(nil)
	}
	b, err := s.batcher.join(true)
	if err == nil {
		err = b.wait(ctx)
	}
	switch {
	case err == nil:
		r.index = b.index
	case len(f.ops) == 0:
		return appendReplyError(nil, err)
	}
	return r.append(nil)
}

// runForwarded queues a forwarded batch and waits for the answers.
func (s *Store) runForwarded(ctx context.Context, f forwarded) reply {
	if len(f.ops) == 0 {
		return reply{}
	}
	var spans []span
	err := s.admitAll(f.ops)
	if err == nil {
		spans, err = s.batcher.addAll(&f.encoded, f.whole, true)
	}
	if err == nil {
		return collect(ctx, spans)
	}
	if notAdmitted(err) && !f.whole {
		return s.forwardEach(ctx, f)
	}
	var all reply
	for _, op := range f.ops {
		if r, ok := s.recall(op, err); ok {
			all.add(opResult, engine.AppendResult(nil, &r))
			continue
		}
		all.addError(err)
	}
	return all
}

// forwardEach queues what still fits of a batch that does not fit as a whole, command by command,
// as Submit would here.
func (s *Store) forwardEach(ctx context.Context, f forwarded) reply {
	var all reply
	each := make([][]span, len(f.ops))
	errs := make([]error, len(f.ops))
	for i, op := range f.ops {
		if errs[i] = s.admitBodies(op.Command); errs[i] != nil {
			continue
		}
		one := f.encoded.only(i, priorityOf(op.Command))
		each[i], errs[i] = s.batcher.addAll(one, false, true)
	}
	for i, op := range f.ops {
		if errs[i] == nil {
			one := collect(ctx, each[i])
			all.index = max(all.index, one.index)
			all.add(one.kinds[0], one.body)
			continue
		}
		if r, ok := s.recall(op, errs[i]); ok {
			all.add(opResult, engine.AppendResult(nil, &r))
			continue
		}
		all.addError(errs[i])
	}
	return all
}

// collect waits for the answers to the commands of spans.
func collect(ctx context.Context, spans []span) reply {
	var all reply
	for _, sp := range spans {
		err := sp.b.wait(ctx)
		for i := range sp.n {
			if err != nil {
				all.addError(err)
				continue
			}
			kind, p, _ := sp.b.answer(sp.at + i)
			all.add(kind, p)
		}
		if err == nil {
			all.index = max(all.index, sp.b.index)
		}
	}
	return all
}

// reply is the answer to a forwarded batch: one slot for each command.
type reply struct {
	index uint64 // where the last of the batch was applied; 0 when nothing of it was
	kinds []opKind
	ends  []uint32 // enough for maxReplyBytes
	body  []byte
}

// maxReplyBytes bounds the answers to one batch, well below maxFrame. What is over is given as
// unknown: its key finds it.
const maxReplyBytes = maxFrame / 2

func (r *reply) add(k opKind, p []byte) {
	if len(r.body)+len(p) > maxReplyBytes {
		k, p = opUnknown, nil
	}
	r.kinds = append(r.kinds, k)
	r.body = append(r.body, p...)
	r.ends = append(r.ends, uint32(len(r.body)))
}

func (r *reply) addError(err error) {
	k, p := errorKind(nil, err)
	r.add(k, p)
}

// append encodes the reply: version, opResult, index, kinds, ends, bodies.
func (r reply) append(dst []byte) []byte {
	dst = append(dst, forwardVersion, byte(opResult))
	dst = binary.LittleEndian.AppendUint64(dst, r.index)
	for _, k := range r.kinds {
		dst = append(dst, byte(k))
	}
	for _, e := range r.ends {
		dst = binary.LittleEndian.AppendUint32(dst, e)
	}
	return append(dst, r.body...)
}

// appendReplyError encodes what became of a forwarded batch as a whole.
func appendReplyError(dst []byte, err error) []byte {
	k, p := errorKind(nil, err)
	return append(append(dst, forwardVersion, byte(k)), p...)
}

// parseReply decodes the answer to a batch of count commands. An answer that cannot be read leaves
// the outcome unknown.
func parseReply(p []byte, count int) outcome {
	if len(p) < 2 || p[0] != forwardVersion {
		return outcome{err: &UnknownError{Cause: errReply}}
	}
	if k := opKind(p[1]); k != opResult {
		return outcome{err: kindError(k, p[2:])}
	}
	p = p[2:]
	if len(p) < 8+5*count {
		return outcome{err: &UnknownError{Cause: errReply}}
	}
	o := outcome{index: binary.LittleEndian.Uint64(p), ends: make([]int, count)}
	kinds, ends, body := p[8:8+count], p[8+count:8+5*count], p[8+5*count:]
	last := 0
	for i := range count {
		if k := opKind(kinds[i]); k != opResult && o.kinds == nil {
			o.kinds = make([]opKind, count)
		}
		if o.kinds != nil {
			o.kinds[i] = opKind(kinds[i])
		}
		o.ends[i] = int(binary.LittleEndian.Uint32(ends[4*i:]))
		if o.ends[i] < last || o.ends[i] > len(body) {
			return outcome{err: &UnknownError{Cause: errReply}}
		}
		last = o.ends[i]
	}
	o.buf = body
	return o
}

var errReply = errors.New("the leader's answer cannot be read")

// forwarded is a batch that came to the leader.
type forwarded struct {
	ops     []engine.Op
	encoded commands // the same, as they came
	whole   bool     // all or nothing, in order
	waits   bool     // somebody waits for an index; so it is without commands, whatever stands here
}

// The bits of the second byte of a forwarded batch.
const (
	flagWhole byte = 1 << iota
	flagWaits
)

// appendForward encodes a batch for the leader: version, flags, count, commands.
func appendForward(dst []byte, whole, waits bool, count int, ops []byte) []byte {
	flags := byte(0)
	if whole {
		flags |= flagWhole
	}
	if waits {
		flags |= flagWaits
	}
	dst = append(dst, forwardVersion, flags)
	dst = binary.AppendUvarint(dst, uint64(count))
	return append(dst, ops...)
}

// parseForward decodes a forwarded batch, which shares p. It fails when the version is another's, or
// with engine's error.
func parseForward(p []byte) (forwarded, error) {
	if len(p) < 3 || p[0] != forwardVersion {
		return forwarded{}, errForward
	}
	f := forwarded{whole: p[1]&flagWhole != 0, waits: p[1]&flagWaits != 0}
	count, n := binary.Uvarint(p[2:])
	if n <= 0 || count > maxBatchOps {
		return forwarded{}, errForward
	}
	all := p[2+n:]
	f.encoded = commands{buf: all, priority: priorityHigh}
	f.ops = make([]engine.Op, 0, count)
	for rest := all; len(f.ops) < int(count); {
		op, behind, err := engine.DecodeOp(rest)
		if err != nil {
			return forwarded{}, err
		}
		rest = behind
		f.ops = append(f.ops, op)
		f.encoded.ends = append(f.encoded.ends, len(all)-len(rest))
		f.encoded.priority = min(f.encoded.priority, priorityOf(op.Command))
		f.encoded.defines = f.encoded.defines || engine.Defines(op.Command)
	}
	if n := len(f.encoded.ends); n == 0 && len(all) > 0 || n > 0 && f.encoded.ends[n-1] < len(all) {
		return forwarded{}, errForward
	}
	return f, nil
}

var errForward = errors.New("the forwarded batch cannot be read")
