package raftstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// fakeEvents is a framing of the tests' own: first u64 · count u32 · (length u8 · cause)...
var fakeEvents = eventCodec{
	span: func(p []byte) (uint64, int, error) {
		if len(p) < 12 {
			return 0, 0, errors.New("short frame")
		}
		return binary.LittleEndian.Uint64(p), int(binary.LittleEndian.Uint32(p[8:])), nil
	},
	each: func(p []byte, visit func(*engine.Event) bool) error {
		first, n := binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint32(p[8:])
		p = p[12:]
		for i := range uint64(n) {
			ev := engine.Event{Seq: first + i, Cause: string(p[1 : 1+p[0]])}
			p = p[1+p[0]:]
			if !visit(&ev) {
				return nil
			}
		}
		return nil
	},
}

func fakeCause(seq uint64) string { return fmt.Sprintf("ord-%d-%0*d", seq, seq%40, seq) }

func fakeFrame(first uint64, count int) []byte {
	p := binary.LittleEndian.AppendUint64(nil, first)
	p = binary.LittleEndian.AppendUint32(p, uint32(count))
	for i := range uint64(count) {
		cause := fakeCause(first + i)
		p = append(append(p, byte(len(cause))), cause...)
	}
	return p
}

// appendEvents appends n events behind the last, in frames of 1 to 7, and returns the last.
func appendEvents(t *testing.T, l EventLog, last uint64, n int) uint64 {
	t.Helper()
	for end := last + uint64(n); last < end; {
		count := min(1+int(last*7919%7), int(end-last))
		require.NoError(t, l.Append(fakeFrame(last+1, count)))
		last += uint64(count)
	}
	return last
}

func requireEvents(t *testing.T, l EventLog, after, last uint64) {
	t.Helper()
	next := after + 1
	require.NoError(t, l.Read(after, func(ev *engine.Event) bool {
		require.Equal(t, next, ev.Seq)
		require.Equal(t, fakeCause(next), ev.Cause)
		next++
		return true
	}))
	require.Equal(t, last+1, next)
}

func requireBounds(t *testing.T, l EventLog, first, last uint64) {
	t.Helper()
	f, n := l.Bounds()
	require.Equal(t, [2]uint64{first, last}, [2]uint64{f, n})
}

func readNothing(*engine.Event) bool { return true }

type eventHarness struct {
	open   func(t *testing.T) EventLog // with small segments
	reopen func(t *testing.T, l EventLog) EventLog
}

// RunEventLogConformance holds an EventLog to its contract; every implementation passes it.
func RunEventLogConformance(t *testing.T, make func() *eventHarness) {
	clauses := []struct {
		name string
		run  func(t *testing.T, h *eventHarness, l EventLog)
	}{
		{"an empty log", eventsEmpty},
		{"events come back in order from anywhere", eventsRead},
		{"one event by its sequence", eventsAt},
		{"a gap is refused", eventsGap},
		{"a reader that has enough stops", eventsStop},
		{"a frame is copied", eventsCopied},
		{"the tail is cut and written again", eventsCut},
		{"a mark that is not there is refused", eventsBadMark},
		{"a log begins behind an installed checkpoint", eventsBegin},
		{"the front is dropped in whole segments", eventsRetain},
		{"what a fallback needs is kept", eventsRetainMarks},
		{"readers run beside the writer", eventsBeside},
		{"a log goes on where another's was, and what is in front is filled in", eventsInstall},
		{"what this node had counts as fetched", eventsInstallOwn},
		{"a piece that is not what it must be is fetched again", eventsFillDamaged},
		{"filling ends where retention does", eventsFillRetain},
		{"after close", eventsClosed},
	}
	for _, c := range clauses {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := make()
			l := h.open(t)
			require.NoError(t, l.CutTo(EventMark{}))
			c.run(t, h, l)
		})
	}
}

func eventsEmpty(t *testing.T, h *eventHarness, l EventLog) {
	requireBounds(t, l, 0, 0)
	require.NoError(t, l.Read(0, readNothing))
	require.NoError(t, l.Append(nil))
	_, err := l.At(1)
	require.ErrorIs(t, err, ErrEventsGone)
	mark, err := l.Sync()
	require.NoError(t, err)
	require.Equal(t, EventMark{}, mark)
	require.NoError(t, l.Retain(0, 0))
	l = h.reopen(t, l)
	require.NoError(t, l.CutTo(mark))
	requireBounds(t, l, 0, 0)
}

func eventsRead(t *testing.T, _ *eventHarness, l EventLog) {
	last := appendEvents(t, l, 0, 3000)
	requireBounds(t, l, 1, 3000)
	for _, after := range []uint64{0, 1, 2, 5, 1000, 1001, 2998, 2999, 3000} {
		requireEvents(t, l, after, last)
	}
	require.NoError(t, l.Read(4000, func(*engine.Event) bool { t.Error("read"); return false }))
}

func eventsAt(t *testing.T, _ *eventHarness, l EventLog) {
	appendEvents(t, l, 0, 2000)
	for _, seq := range []uint64{1, 2, 777, 1999, 2000} {
		ev, err := l.At(seq)
		require.NoError(t, err)
		require.Equal(t, seq, ev.Seq)
		require.Equal(t, fakeCause(seq), ev.Cause)
	}
	for _, seq := range []uint64{0, 2001} {
		_, err := l.At(seq)
		require.ErrorIs(t, err, ErrEventsGone)
	}
}

func eventsGap(t *testing.T, _ *eventHarness, l EventLog) {
	appendEvents(t, l, 0, 10)
	require.Error(t, l.Append(fakeFrame(10, 1)))
	require.Error(t, l.Append(fakeFrame(12, 1)))
	appendEvents(t, l, 10, 10)
	requireEvents(t, l, 0, 20)
}

func eventsStop(t *testing.T, _ *eventHarness, l EventLog) {
	appendEvents(t, l, 0, 100)
	n := 0
	require.NoError(t, l.Read(10, func(*engine.Event) bool { n++; return n < 5 }))
	require.Equal(t, 5, n)
}

func eventsCopied(t *testing.T, _ *eventHarness, l EventLog) {
	frame := fakeFrame(1, 3)
	require.NoError(t, l.Append(frame))
	clear(frame)
	requireEvents(t, l, 0, 3)
}

func eventsCut(t *testing.T, h *eventHarness, l EventLog) {
	last := appendEvents(t, l, 0, 1000)
	mark, err := l.Sync()
	require.NoError(t, err)
	require.Equal(t, uint64(1), mark.First)
	require.Equal(t, last, mark.Seq)
	last = appendEvents(t, l, last, 1500)
	end, err := l.Sync()
	require.NoError(t, err)
	appendEvents(t, l, last, 10)

	for range 2 {
		l = h.reopen(t, l)
		require.NoError(t, l.CutTo(mark))
		requireBounds(t, l, 1, 1000)
		requireEvents(t, l, 500, 1000)
		again, err := l.Sync()
		require.NoError(t, err)
		require.Equal(t, mark, again, "nothing has changed since")
		appendEvents(t, l, 1000, 1500)
		again, err = l.Sync()
		require.NoError(t, err)
		require.Equal(t, end, again, "replay writes the same bytes")
		requireEvents(t, l, 0, last)
	}
}

func eventsBadMark(t *testing.T, h *eventHarness, l EventLog) {
	appendEvents(t, l, 0, 100)
	mark, err := l.Sync()
	require.NoError(t, err)
	l = h.reopen(t, l)
	for _, change := range []func(*EventMark){
		func(m *EventMark) { m.Seq++ },
		func(m *EventMark) { m.Checksum++ },
		func(m *EventMark) { m.Offset++ },
		func(m *EventMark) { m.Offset-- },
		func(m *EventMark) { m.Segment++ },
	} {
		bad := mark
		change(&bad)
		var damage *CorruptError
		require.ErrorAs(t, l.CutTo(bad), &damage, "%+v", bad)
	}
	require.NoError(t, l.CutTo(mark), "nothing was dropped by those that failed")
	requireEvents(t, l, 0, 100)
}

func eventsBegin(t *testing.T, h *eventHarness, l EventLog) {
	appendEvents(t, l, 0, 100)
	begin := EventMark{Seq: 5000}
	require.NoError(t, l.CutTo(begin))
	requireBounds(t, l, 0, 0)
	require.NoError(t, l.Read(5000, readNothing))
	require.ErrorIs(t, l.Read(4999, readNothing), ErrEventsGone)
	require.Error(t, l.Append(fakeFrame(101, 1)))
	appendEvents(t, l, 5000, 100)
	requireBounds(t, l, 5001, 5100)
	requireEvents(t, l, 5000, 5100)
	require.ErrorIs(t, l.Read(4999, readNothing), ErrEventsGone)
	mark, err := l.Sync()
	require.NoError(t, err)
	l = h.reopen(t, l)
	require.NoError(t, l.CutTo(mark))
	requireEvents(t, l, 5050, 5100)
}

func eventsRetain(t *testing.T, h *eventHarness, l EventLog) {
	last := appendEvents(t, l, 0, 5000)
	mark, err := l.Sync()
	require.NoError(t, err)
	floor := mark.Segment // no fallback needs the front
	require.NoError(t, l.Retain(1<<40, floor))
	requireBounds(t, l, 1, last)
	require.NoError(t, l.Retain(100<<10, floor))
	first, _ := l.Bounds()
	require.Greater(t, first, uint64(1))
	require.NoError(t, l.Retain(0, floor))
	newest, _ := l.Bounds()
	require.Greater(t, newest, first)
	require.LessOrEqual(t, newest, last, "the newest segment stays")
	require.ErrorIs(t, l.Read(newest-2, readNothing), ErrEventsGone)
	_, err = l.At(newest - 1)
	require.ErrorIs(t, err, ErrEventsGone)
	requireEvents(t, l, newest-1, last)
	mark, err = l.Sync()
	require.NoError(t, err)
	require.Equal(t, newest, mark.First)
	l = h.reopen(t, l)
	require.NoError(t, l.CutTo(mark))
	requireBounds(t, l, newest, last)
	requireEvents(t, l, newest-1, last)
}

func eventsRetainMarks(t *testing.T, h *eventHarness, l EventLog) {
	appendEvents(t, l, 0, 1000)
	older, err := l.Sync()
	require.NoError(t, err)
	appendEvents(t, l, 1000, 4000)
	for range 3 { // for checkpoints that fail: these marks count for nothing
		_, err = l.Sync()
		require.NoError(t, err)
		require.NoError(t, l.Retain(0, older.Segment))
	}
	require.NoError(t, l.Retain(0, 0))
	l = h.reopen(t, l)
	require.NoError(t, l.CutTo(older))
	_, last := l.Bounds()
	require.Equal(t, uint64(1000), last)
	appendEvents(t, l, 1000, 10)
}

func eventsBeside(t *testing.T, _ *eventHarness, l EventLog) {
	done := make(chan struct{})
	var read uint64
	go func() {
		defer close(done)
		for read < 4000 {
			err := l.Read(read, func(ev *engine.Event) bool {
				if ev.Seq != read+1 || ev.Cause != fakeCause(ev.Seq) {
					t.Errorf("event %d %q after %d", ev.Seq, ev.Cause, read)
					return false
				}
				read = ev.Seq
				return true
			})
			if !assert.NoError(t, err) || t.Failed() {
				return
			}
		}
	}()
	last := uint64(0)
	for range 40 {
		last = appendEvents(t, l, last, 100)
		_, err := l.Sync()
		require.NoError(t, err)
	}
	<-done
	require.Equal(t, last, read)
}

func eventsClosed(t *testing.T, _ *eventHarness, l EventLog) {
	appendEvents(t, l, 0, 10)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close(), "Close is idempotent")
	require.Error(t, l.Append(fakeFrame(11, 1)))
	require.Error(t, l.Read(0, readNothing))
	require.Error(t, l.CutTo(EventMark{}))
	_, err := l.Sync()
	require.Error(t, err)
}
