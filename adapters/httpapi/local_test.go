package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// localLedger is the real ledger without raft and disk: each command is an entry, applied at once.
// Its clock stands still unless a test moves it.
type localLedger struct {
	t       *testing.T
	mu      sync.Mutex
	ledger  *engine.Ledger
	builder engine.EntryBuilder
	out     engine.Output
	now     int64
	events  []engine.Event
	changed chan struct{}
	bodies  map[string][]byte // of reservations that have left memory, by key and version
}

func newLocal(t *testing.T) *localLedger {
	return &localLedger{t: t, ledger: engine.New(engine.Options{}), now: 1_700_000_000_000,
		changed: make(chan struct{}), bodies: map[string][]byte{}}
}

func (l *localLedger) Submit(_ context.Context, op engine.Op) (engine.Result, error) {
	if err := engine.Validate(op.Command); err != nil {
		return engine.Result{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.applyLocked(op), nil
}

// applyLocked runs one entry.
func (l *localLedger) applyLocked(op engine.Op) engine.Result {
	l.builder.Reset()
	l.builder.AddFor(l.ledger, op)
	entry, err := engine.OpenEntry(l.builder.Seal(l.now, l.now))
	require.NoError(l.t, err)
	l.out.WantResults = true
	l.ledger.Apply(l.ledger.Index()+1, entry, &l.out)
	for _, b := range l.out.Bodies {
		l.bodies[fmt.Sprintf("%x %d", b.Key, l.ledger.Index())] = bytes.Clone(b.Value)
	}
	if len(l.out.Events) > 0 {
		frame, err := engine.OpenEvents(l.out.Events)
		require.NoError(l.t, err)
		for e := (engine.Event{}); frame.Next(&e); {
			e.Cause, e.Note = strings.Clone(e.Cause), strings.Clone(e.Note)
			l.events = append(l.events, e)
		}
		close(l.changed)
		l.changed = make(chan struct{})
	}
	r, err := engine.DecodeResult(bytes.Clone(l.out.Result(0)), op.Command)
	require.NoError(l.t, err)
	return r
}

// pass moves the clock and lets what is due end.
func (l *localLedger) pass(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now += d.Milliseconds()
	l.applyLocked(engine.Op{Command: &engine.Tick{}})
}

func (l *localLedger) SubmitAll(ctx context.Context, ops []engine.Op,
	done func(int, engine.Result, error)) {
	for i, op := range ops {
		r, err := l.Submit(ctx, op)
		done(i, r, err)
	}
}

func (l *localLedger) Read(_ context.Context, stale bool, least uint64,
	step func(*engine.Ledger) bool) (uint64, time.Duration, error) {
	for {
		l.mu.Lock()
		if l.ledger.Index() < least {
			l.mu.Unlock()
			return 0, 0, context.DeadlineExceeded
		}
		more := step(l.ledger)
		index := l.ledger.Index()
		l.mu.Unlock()
		if !more {
			age := time.Duration(0)
			if stale {
				age = 5 * time.Millisecond
			}
			return index, age, nil
		}
	}
}

func (l *localLedger) Events(after uint64, limit int) ([]engine.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if after >= uint64(len(l.events)) {
		return nil, nil
	}
	rest := l.events[after:]
	return append([]engine.Event(nil), rest[:min(limit, len(rest))]...), nil
}

func (l *localLedger) EventsChanged() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// picture is everything that can be seen: two of them are equal when nothing changed.
func (l *localLedger) picture() map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	stock := map[string]any{}
	for _, k := range l.ledger.SKUs(0, 1000) {
		rows, _ := l.ledger.Stock(k.Name)
		stock[k.Name] = rows
	}
	scan := l.ledger.ScanReservations(engine.ReservationFilter{}, 0, 1000)
	for scan.Step(1000) {
	}
	require.Empty(l.t, l.ledger.Check())
	return map[string]any{"stock": stock, "skus": l.ledger.SKUs(0, 1000), "events": len(l.events),
		"locations": l.ledger.Locations(0, 1000), "channels": l.ledger.Channels(0, 1000),
		"reservations": scan.Page()}
}

// shop is a site over a real ledger with a small catalogue: A (100 at main, 10 at east), B (50 at
// main), C known without stock, the kit K of two A and one B, and the channel web over both.
func shop(t *testing.T) (*site, *localLedger) {
	l := newLocal(t)
	s := serve(t, l, func(c *Config) {
		c.Now = func() time.Time { return time.UnixMilli(1_700_000_000_000) }
	})
	ok := func(method, path, body string) {
		r := s.do(method, path, body, "Idempotency-Key", method+path)
		require.Equal(t, 200, r.status, r.text)
	}
	ok("PUT", "/v1/locations/main", `{"kind":"merchant","region":"na","country":"US"}`)
	ok("PUT", "/v1/locations/east", "")
	ok("PUT", "/v1/locations/wms", `{"master":"wms"}`)
	ok("POST", "/v1/skus", `{"skus":[{"sku":"A","title":"an A"},{"sku":"B"},{"sku":"C"},`+
		`{"sku":"K","kit":[{"sku":"A","qty":2},{"sku":"B","qty":1}]}]}`)
	ok("PUT", "/v1/channels/web", `{"locations":["main","east"]}`)
	ok("POST", "/v1/stock", `{"changes":[{"sku":"A","location":"main","set":100,"source":"wms"},`+
		`{"sku":"A","location":"east","set":10},{"sku":"B","location":"main","set":50}]}`)
	return s, l
}

// Retired reads the body that memory names.
func (l *localLedger) Retired(_ context.Context, id string, version uint64) (engine.Reservation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.ledger.ReservationOf(l.bodies[fmt.Sprintf("%x %d", engine.ReservationKey(id), version)])
	if !ok {
		return r, codedError{code: "overloaded", after: time.Second}
	}
	return r, nil
}
