package httpapi

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"holdfast/engine"
)

// getEvents answers a page of events, or streams them.
func getEvents(c *call) error {
	after, err := c.queryInt("after", 0, 0, 1<<63-1)
	if err != nil {
		return err
	}
	limit, err := c.queryInt("limit", 100, 1, 1000)
	if err != nil {
		return err
	}
	if strings.Contains(string(c.ctx.Request.Header.Peek("Accept")), "text/event-stream") {
		return streamEvents(c, after)
	}
	// The empty read makes the page as fresh as any other: what was agreed before is in it.
	if err := c.read(func(*engine.Ledger) bool { return false }); err != nil {
		return err
	}
	fresh := c.index
	events, names, err := c.s.eventsAfter(after, int(limit))
	if err != nil {
		return err
	}
	b := append(c.buf[:0], `{"events":[`...)
	next := after
	for i := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendEvent(b, &events[i], names[i])
		next = events[i].Seq
	}
	b = appendUint(b, `],"next":`, next)
	c.buf = append(b, '}')
	c.index = fresh
	return c.reply(200)
}

// eventsAfter returns events with the names of their numbers.
func (s *Server) eventsAfter(after uint64, limit int) ([]engine.Event, []eventNames, error) {
	events, err := s.cfg.Ledger.Events(after, limit)
	if err != nil {
		return nil, nil, problemOf(err, false)
	}
	names := make([]eventNames, 0, len(events))
	if len(events) == 0 {
		return nil, nil, nil
	}
	_, _, err = s.cfg.Ledger.Read(s.base, true, 0, func(l *engine.Ledger) bool {
		for range sliceRows {
			if len(names) == len(events) {
				return false
			}
			e := &events[len(names)]
			names = append(names, eventNames{
				sku:      l.NameOf(engine.SKUName, e.SKU),
				location: l.NameOf(engine.LocationName, e.Location),
				channel:  l.NameOf(engine.ChannelName, e.Channel),
			})
		}
		return len(names) < len(events)
	})
	if err == nil && len(names) < len(events) {
		err = errors.New("the ledger gave no names for events")
	}
	if err != nil {
		return nil, nil, problemOf(err, false)
	}
	return events, names, nil
}

// ssePage is how many events are fetched for a stream at once: all that is ever held for a client.
const ssePage = 256

// streamEvents sends events as they happen, as Server-Sent Events whose ids are the sequence, so
// that a client that comes back goes on behind Last-Event-ID. Nothing is queued for a client: it is
// sent pages at its own speed, and told when what it needs is gone.
func streamEvents(c *call, after uint64) error {
	if last := c.ctx.Request.Header.Peek("Last-Event-ID"); len(last) > 0 {
		n, err := strconv.ParseUint(text(last), 10, 63)
		if err != nil {
			return invalid("Last-Event-ID", "must be the id of an event")
		}
		after = n
	}
	if _, err := c.s.cfg.Ledger.Events(after, 1); err != nil {
		return problemOf(err, false)
	}
	return c.hijack("events", "text/event-stream", func(st *stream) { st.sendEvents(after) })
}

// sendEvents runs until the client goes, the server closes, or the events are gone.
func (st *stream) sendEvents(after uint64) {
	gone := make(chan struct{})
	go func() { // a client sends nothing more, so a read ends when it has gone
		defer close(gone)
		var one [1]byte
		st.conn.Read(one[:])
	}()
	defer func() {
		st.conn.SetReadDeadline(time.Unix(1, 0)) // ends the read; Close would not
		<-gone
	}()
	st.buf = append(st.buf, ": events\n\n"...)
	st.chunk()
	beat := time.NewTimer(st.s.cfg.HeartbeatEvery)
	defer beat.Stop()
	for {
		changed := st.s.cfg.Ledger.EventsChanged() // before the page, so that no event is missed
		events, names, err := st.s.eventsAfter(after, ssePage)
		if err != nil {
			st.sendFault(problemOf(err, false))
			return
		}
		if p := st.revoked(); p != nil { // behind the page, so that none goes to a caller who is gone
			st.sendFault(p)
			return
		}
		for i := range events {
			after = events[i].Seq
			st.buf = appendUint(st.buf, "id: ", after)
			st.buf = append(st.buf, "\ndata: "...)
			st.buf = appendEvent(st.buf, &events[i], names[i])
			st.buf = append(st.buf, "\n\n"...)
		}
		st.chunk()
		if st.flush() != nil {
			return
		}
		if len(events) == ssePage {
			continue
		}
		beat.Reset(st.s.cfg.HeartbeatEvery)
		select {
		case <-changed:
		case <-gone:
			return
		case <-st.s.closing:
			st.buf = append(st.buf, ": closing\n\n"...)
			st.end()
			return
		case <-beat.C:
			st.buf = append(st.buf, ": alive\n\n"...)
			st.chunk()
		}
	}
}

// sendFault ends an event stream with an event of its own name, so that a client can tell an end
// from a fault.
func (st *stream) sendFault(p *problem) {
	st.logCause(p)
	st.buf = append(st.buf, fmt.Sprintf("event: %s\ndata: ", p.code)...)
	st.buf = appendProblem(st.buf, p)
	st.buf = append(st.buf, "\n\n"...)
	st.end()
}
