package exceptions

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/adapters/records"
)

// ringer is one term of a Bell. Only its loop uses it.
type ringer struct {
	*Bell
	open  map[string]Exception // without payloads
	rules []*ruleState
	told  chan *ruleState
}

// ruleState is what a rule has to tell, and what it has told.
type ruleState struct {
	Rule
	pending []string // ids, in the order in which they opened
	more    int      // that pending had no room for
	since   time.Time
	last    time.Time // of the last message
	cursor  toldCursor
	telling bool
}

// toldCursor is what the record of a rule says was told: all up to At less the overlap, and then IDs.
type toldCursor struct {
	At  time.Time            `json:"at"`
	IDs map[string]time.Time `json:"ids"` // and when each opened
}

func (r *ringer) begin(ctx context.Context) error {
	for _, rule := range r.cfg.Rules {
		s := &ruleState{Rule: rule}
		row, ok, err := r.cfg.Store.Get(ctx, records.Cursors, cursorKey(rule.Name))
		if err != nil {
			return err
		}
		if ok {
			if s.cursor, err = records.Decode[toldCursor](row); err != nil {
				return err
			}
		}
		r.rules = append(r.rules, s)
	}
	return nil
}

func cursorKey(rule string) string { return "!alerts/" + rule }

// hear takes over what changed; after something was missed, all that is open.
func (r *ringer) hear(ctx context.Context, n heard) error {
	if n.lost {
		clear(r.open)
		r.stats.open.Reset()
		for after, more := "", true; more; {
			var rows []records.Record
			var err error
			rows, more, err = r.cfg.Store.List(ctx, records.OpenExceptions, "", after, records.MaxList)
			if err != nil {
				return err
			}
			for _, row := range rows {
				after = row.Key
				e, ok, err := r.cfg.Store.Get(ctx, records.Exceptions, after)
				if err != nil {
					return err
				}
				if ok && !e.Archived {
					r.take(records.Change{Record: e})
				}
			}
		}
	}
	for _, c := range n.changes {
		r.take(c)
	}
	return nil
}

func (r *ringer) take(c records.Change) {
	old, was := r.open[c.Key]
	if c.Gone || State(c.State) == Resolved {
		if was {
			delete(r.open, c.Key)
			r.gauge(&old, -1)
		}
		return
	}
	e, err := records.Decode[Exception](c.Record)
	if err != nil {
		r.cfg.Logger.Error("an exception cannot be read", "id", c.Key, "error", err)
		return
	}
	e.Payload = nil
	if was {
		r.gauge(&old, -1)
	}
	r.gauge(&e, 1)
	r.open[e.ID] = e
	for _, s := range r.rules {
		s.note(&e, r.cfg.Now())
	}
}

func (r *ringer) gauge(e *Exception, by float64) {
	r.stats.open.WithLabelValues(string(e.Class), e.Flow, e.Connection).Add(by)
}

// note makes an exception pending that the rule takes and has not told.
func (s *ruleState) note(e *Exception, now time.Time) {
	if !s.takes(e) || s.cursor.has(e) || slices.Contains(s.pending, e.ID) {
		return
	}
	if len(s.pending) == 0 {
		s.since = now
	}
	if len(s.pending) >= maxPending {
		s.more++
		return
	}
	s.pending = append(s.pending, e.ID)
}

func (c *toldCursor) has(e *Exception) bool {
	if at, ok := c.IDs[e.ID]; ok && at.Equal(e.FirstAt) {
		return true
	}
	return e.FirstAt.Before(c.At.Add(-overlap))
}

// ring begins to tell what is due, and returns when something will be.
func (r *ringer) ring(ctx context.Context, wg *sync.WaitGroup) time.Duration {
	now, wait := r.cfg.Now(), time.Hour
	for _, s := range r.rules {
		if len(s.pending) == 0 || s.telling {
			continue
		}
		due := s.since.Add(s.Gather)
		if next := s.last.Add(s.Every); next.After(due) {
			due = next
		}
		if due.After(now) {
			wait = min(wait, due.Sub(now))
			continue
		}
		if alert, ok := r.message(s, now); ok {
			s.telling, s.last = true, now
			cursor := s.cursor.clone()
			wg.Go(func() { r.tell(ctx, s, alert, cursor) })
		}
	}
	return max(wait, time.Millisecond)
}

// message makes the alert of what is pending and still open, and moves the cursor past it.
func (r *ringer) message(s *ruleState, now time.Time) (Alert, bool) {
	a := Alert{Rule: s.Name, At: now.UTC().Format(time.RFC3339), Count: s.more}
	if s.cursor.IDs == nil {
		s.cursor.IDs = make(map[string]time.Time)
	}
	for _, id := range s.pending {
		e, ok := r.open[id]
		if !ok {
			continue // mended itself
		}
		a.Count++
		if len(a.Exceptions) < maxBrief {
			a.Exceptions = append(a.Exceptions, Brief{ID: e.ID, Class: e.Class, Code: e.Code, Key: e.Key,
				Flow: e.Flow, Connection: e.Connection, Detail: e.Detail,
				FirstAt: e.FirstAt.UTC().Format(time.RFC3339)})
		}
		s.cursor.IDs[id] = e.FirstAt
		if e.FirstAt.After(s.cursor.At) {
			s.cursor.At = e.FirstAt
		}
	}
	s.pending, s.more = nil, 0
	for id, at := range s.cursor.IDs {
		if at.Before(s.cursor.At.Add(-overlap)) {
			delete(s.cursor.IDs, id)
		}
	}
	return a, len(a.Exceptions) > 0
}

func (c *toldCursor) clone() toldCursor {
	n := toldCursor{At: c.At, IDs: make(map[string]time.Time, len(c.IDs))}
	for id, at := range c.IDs {
		n.IDs[id] = at
		if len(n.IDs) == maxPending {
			break
		}
	}
	return n
}

// tell delivers an alert everywhere, and then remembers that it did: if the process dies before that,
// the next leader tells it again.
func (r *ringer) tell(ctx context.Context, s *ruleState, a Alert, cursor toldCursor) {
	var wg sync.WaitGroup
	for _, to := range s.To {
		wg.Go(func() { r.send(ctx, to, a) })
	}
	wg.Wait()
	var tx records.Tx
	tx.Put(records.Record{Table: records.Cursors, Key: cursorKey(s.Name), Body: tx.Encode(cursor)})
	if _, err := r.cfg.Store.Submit(ctx, &tx); err != nil && ctx.Err() == nil {
		r.cfg.Logger.Warn("it is not remembered that an alert was told", "rule", s.Name, "error", err)
	}
	select {
	case r.told <- s:
	case <-ctx.Done():
	}
}

// text is the alert for people.
func (a *Alert) text() string {
	var b strings.Builder
	for _, e := range a.Exceptions {
		b.WriteString(strings.Join([]string{e.FirstAt, string(e.Class), e.Code, e.Flow, e.Connection,
			e.Key, e.ID, e.Detail}, "  "))
		b.WriteByte('\n')
	}
	return b.String()
}
