package raftstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// fillFrom fills the gaps of l from another log, n bytes at a time, and returns how many bytes came.
func fillFrom(t *testing.T, l, from EventLog, n int) (bytes int) {
	t.Helper()
	for range 100_000 {
		g, ok, err := l.Gap(1 << 40)
		require.NoError(t, err)
		if !ok {
			return bytes
		}
		var p []byte
		if g.Have < g.Bytes {
			p, err = from.Piece(g.Segment, g.Have, n)
			require.NoError(t, err)
			bytes += len(p)
		}
		require.NoError(t, l.Fill(g, p))
	}
	t.Fatal("filling does not end")
	return 0
}

// eventsInstall begins a log behind a mark of another, with more events on both sides of everything.
func eventsInstall(t *testing.T, h *eventHarness, l EventLog) {
	sender := h.open(t)
	require.NoError(t, sender.CutTo(EventMark{}))
	appendEvents(t, sender, 0, 6000)
	mark, err := sender.Sync()
	require.NoError(t, err)
	require.Greater(t, mark.Segment, uint64(3))
	require.NoError(t, l.Install(mark))
	requireBounds(t, l, 0, 0)
	require.False(t, l.Complete())
	require.NoError(t, l.Read(6000, readNothing))
	require.ErrorIs(t, l.Read(5999, readNothing), ErrEventsGone)
	_, err = l.At(6000)
	require.ErrorIs(t, err, ErrEventsGone)
	_, err = l.Piece(mark.Segment, 0, 100)
	require.ErrorIs(t, err, ErrEventsGone, "a hole is not given on")

	for _, log := range []EventLog{sender, l} {
		appendEvents(t, log, 6000, 3000)
	}
	requireBounds(t, l, 6001, 9000)
	requireEvents(t, l, 6000, 9000)
	require.ErrorIs(t, l.Read(5999, readNothing), ErrEventsGone)
	end, err := l.Sync()
	require.NoError(t, err)
	whole, err := sender.Sync()
	require.NoError(t, err)
	require.Equal(t, uint64(6001), end.First)
	end.First = whole.First
	require.Equal(t, whole, end, "the files are the same from the mark on")

	l = h.reopen(t, l)
	require.NoError(t, l.Install(mark), "the same again, after a restart")
	requireBounds(t, l, 0, 0)
	appendEvents(t, l, 6000, 3000)
	_, err = sender.Sync()
	require.NoError(t, err)
	g, ok, err := l.Gap(1 << 40)
	require.NoError(t, err)
	require.True(t, ok)
	p, err := sender.Piece(g.Segment, 0, 1000)
	require.NoError(t, err)
	require.NoError(t, l.Fill(g, p))
	end, err = l.Sync()
	require.NoError(t, err)
	l = h.reopen(t, l)
	require.NoError(t, l.CutTo(end))
	g, _, err = l.Gap(1 << 40)
	require.NoError(t, err)
	require.Equal(t, int64(1000), g.Have, "what was fetched stays")
	fillFrom(t, l, sender, 5000)
	require.True(t, l.Complete())
	requireBounds(t, l, 1, 9000)
	requireEvents(t, l, 0, 9000)
	appendEvents(t, l, 9000, 10)
	ev, err := l.At(6000)
	require.NoError(t, err)
	require.Equal(t, fakeCause(6000), ev.Cause)
	end.First = 1
	l = h.reopen(t, l)
	require.NoError(t, l.CutTo(end))
	require.True(t, l.Complete())
	requireEvents(t, l, 0, 9000)
}

// eventsInstallOwn installs on a log that has a part of the same history.
func eventsInstallOwn(t *testing.T, h *eventHarness, l EventLog) {
	sender := h.open(t)
	require.NoError(t, sender.CutTo(EventMark{}))
	appendEvents(t, sender, 0, 3000)
	appendEvents(t, l, 0, 3000)
	_, err := l.Sync()
	require.NoError(t, err)
	appendEvents(t, sender, 3000, 500)
	mark, err := sender.Sync()
	require.NoError(t, err)
	require.NoError(t, l.Install(mark))
	all := mark.Offset
	for number := range mark.Segment {
		if p, err := sender.Piece(number, 0, 1<<30); err == nil {
			all += int64(len(p))
		}
	}
	came := int64(fillFrom(t, l, sender, 1000))
	require.Less(t, came, all/3, "only what is new is fetched")
	requireEvents(t, l, 0, 3500)
	again, err := l.Sync()
	require.NoError(t, err)
	require.Equal(t, mark, again)
}

func eventsFillDamaged(t *testing.T, h *eventHarness, l EventLog) {
	sender := h.open(t)
	require.NoError(t, sender.CutTo(EventMark{}))
	appendEvents(t, sender, 0, 6000)
	mark, err := sender.Sync()
	require.NoError(t, err)
	require.NoError(t, l.Install(mark))
	for range 2 {
		g, ok, err := l.Gap(1 << 40)
		require.NoError(t, err)
		require.True(t, ok)
		p, err := sender.Piece(g.Segment, 0, int(g.Bytes))
		require.NoError(t, err)
		for at := 0; at < len(p); at += 1 + len(p)/9 {
			p[at] ^= 0x10
			var bad *CorruptError
			require.ErrorAs(t, l.Fill(g, p), &bad, "byte %d", at)
			p[at] ^= 0x10
			g, ok, err = l.Gap(1 << 40)
			require.NoError(t, err)
			require.True(t, ok)
			require.Zero(t, g.Have, "nothing of it is kept")
		}
		require.NoError(t, l.Fill(g, p))
	}
	fillFrom(t, l, sender, 9999)
	requireEvents(t, l, 0, 6000)
}

func eventsFillRetain(t *testing.T, h *eventHarness, l EventLog) {
	sender := h.open(t)
	require.NoError(t, sender.CutTo(EventMark{}))
	appendEvents(t, sender, 0, 6000)
	mark, err := sender.Sync()
	require.NoError(t, err)
	require.NoError(t, l.Install(mark))
	for {
		g, ok, err := l.Gap(100 << 10)
		require.NoError(t, err)
		if !ok {
			break
		}
		p, err := sender.Piece(g.Segment, 0, int(g.Bytes))
		require.NoError(t, err)
		require.NoError(t, l.Fill(g, p))
	}
	require.True(t, l.Complete())
	first, last := l.Bounds()
	require.Greater(t, first, uint64(1))
	require.Equal(t, uint64(6000), last)
	requireEvents(t, l, first-1, last)
	l = h.reopen(t, l)
	require.NoError(t, l.CutTo(mark))
	require.True(t, l.Complete(), "it is over for good")
	requireBounds(t, l, first, last)

	other := h.open(t)
	require.NoError(t, other.Install(mark))
	appendEvents(t, other, 6000, 6000)
	end, err := other.Sync()
	require.NoError(t, err)
	require.NoError(t, other.Retain(0, end.Segment))
	require.True(t, other.Complete(), "nobody wants what is in front of what was dropped")
	_, ok, err := other.Gap(1 << 40)
	require.NoError(t, err)
	require.False(t, ok)
}
