package raftstore

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

func TestAReplyComesBackAsItWas(t *testing.T) {
	t.Parallel()
	var r reply
	r.index = 42
	r.add(opResult, []byte("one"))
	r.add(opResult, nil)
	r.addError(&OverloadedError{After: 1500 * time.Millisecond})
	r.addError(&NoLeaderError{})
	r.addError(&UnknownError{Cause: errClosing})
	r.addError(&TooLargeError{Name: "command", Bytes: 9, Most: 7})
	full := &DiskFullError{Node: "n2", Free: 5 << 30, Needed: -1}
	r.addError(full)
	o := parseReply(r.append(nil), 7)
	assert.Equal(t, full, kindError(o.kinds[6], o.buf[o.ends[5]:o.ends[6]]))
	require.NoError(t, o.err)
	assert.EqualValues(t, 42, o.index)
	b := &batch{buf: o.buf, ends: o.ends, kinds: o.kinds}
	kind, p, err := b.answer(0)
	require.NoError(t, err)
	assert.Equal(t, opResult, kind)
	assert.Equal(t, "one", string(p))
	var codes []string
	for i := 2; i < 6; i++ {
		err := b.result(i, nil, new(engine.Result))
		codes = append(codes, code(err))
	}
	assert.Equal(t, []string{"overloaded", "no-leader", "outcome-unknown", "too-large"}, codes)
	err = b.result(5, nil, new(engine.Result))
	var large interface {
		Limit() string
		Max() int64
	}
	require.ErrorAs(t, err, &large)
	assert.Equal(t, "command", large.Limit())
	assert.EqualValues(t, 7, large.Max())
	err = b.result(2, nil, new(engine.Result))
	var over *OverloadedError
	require.ErrorAs(t, err, &over)
	assert.Equal(t, 1500*time.Millisecond, over.After)
}

func TestAReplyOfResultsAloneHasNoKinds(t *testing.T) {
	t.Parallel()
	var r reply
	r.add(opResult, []byte("x"))
	assert.Nil(t, parseReply(r.append(nil), 1).kinds)
}

func TestAReplyIsBounded(t *testing.T) {
	t.Parallel()
	var r reply
	big := make([]byte, maxReplyBytes-10)
	r.add(opResult, big)
	r.add(opResult, make([]byte, 11))
	r.add(opResult, make([]byte, 10))
	assert.Equal(t, []opKind{opResult, opUnknown, opResult}, r.kinds)
	assert.Less(t, len(r.append(nil)), maxFrame)
}

func TestAReplyForTheWholeBatch(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&NoLeaderError{}, &OverloadedError{After: time.Second}, &UnknownError{Cause: errClosing},
		&TooLargeError{},
	} {
		o := parseReply(appendReplyError(nil, err), 3)
		assert.Equal(t, code(err), code(o.err))
	}
}

func TestAReplyThatCannotBeReadIsUnknown(t *testing.T) {
	t.Parallel()
	var r reply
	r.add(opResult, []byte("one"))
	good := r.append(nil)
	for n := range good {
		assert.Equal(t, "outcome-unknown", code(parseReply(good[:n], 1).err), "first %d bytes", n)
	}
	assert.Equal(t, "outcome-unknown", code(parseReply(good, 2).err))
}

func TestForwardedBatchesThatCannotBeReadAreRefused(t *testing.T) {
	t.Parallel()
	empty := appendForward(nil, true, false, 0, nil)
	f, err := parseForward(empty)
	require.NoError(t, err)
	assert.Empty(t, f.ops)
	assert.True(t, f.whole)
	assert.False(t, f.waits)
	f, err = parseForward(appendForward(nil, false, true, 1, engine.AppendOp(nil, tick())))
	require.NoError(t, err)
	assert.True(t, f.waits)
	assert.False(t, f.whole)
	assert.Len(t, f.ops, 1)
	for _, p := range [][]byte{nil, {1}, {2, 0, 0}, {1, 0, 0xff}, append(empty, 1), {1, 0, 0xff, 0x7f}} {
		_, err := parseForward(p)
		assert.Error(t, err, "%x", p)
	}
}

func TestReportsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, p := range [][]byte{nil, {1}, []byte(`{"term":"x"}`), make([]byte, maxReport+1)} {
		_, err := parseReport(p)
		assert.Error(t, err)
	}
	r := report{Applied: 7, Term: 2, HTTP: "127.0.0.1:1", Digests: digestMap{1024: 1 << 63}}
	p, err := json.Marshal(r)
	require.NoError(t, err)
	got, err := parseReport(p)
	require.NoError(t, err)
	assert.Equal(t, r, got)
	_, err = parseReport([]byte(`{"applied":7,"of_a_newer_node":{}}`))
	assert.NoError(t, err)
}

func TestTheCommonDigest(t *testing.T) {
	t.Parallel()
	a := report{Digests: digestMap{1024: 1, 2048: 2, 3072: 3}}
	b := report{Digests: digestMap{1024: 1, 2048: 2}}
	assert.Equal(t, Digest{Index: 3072, Value: 3}, commonDigest([]report{a}))
	assert.Equal(t, Digest{Index: 2048, Value: 2}, commonDigest([]report{a, b}))
	c := report{Digests: digestMap{1024: 9}}
	assert.Equal(t, Digest{Index: 1024, Value: 1, Diverged: true}, commonDigest([]report{a, b, c}))
	assert.Equal(t, Digest{}, commonDigest([]report{{}, a}))
}
