package publish

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"holdfast/engine"
)

// leading is one term of leading: what is volatile.
type leading struct {
	p    *Publisher
	term uint64
	all  sync.WaitGroup

	mu      sync.Mutex
	workers map[string]*worker // by connection
	start   func(*worker)      // nil until run, and in tests that turn workers by hand
	topo    *topology
	uses    map[string][]string // component → kits that have slots
	seq     uint64              // of the newest event that was followed
	alerted map[string]time.Time
}

func newLeading(p *Publisher, term uint64) *leading {
	return &leading{p: p, term: term, workers: map[string]*worker{},
		uses: map[string][]string{}, alerted: map[string]time.Time{}}
}

// begin reads where the ledger is, and marks every slot.
func (l *leading) begin(ctx context.Context) error {
	if err := l.p.book.Load(ctx); err != nil {
		return err
	}
	if _, err := l.p.cfg.Store.Ledger(ctx, func(led *engine.Ledger) bool {
		l.seq = led.LastEvent()
		return false
	}); err != nil {
		return err
	}
	return l.rescan(ctx)
}

// rescan reads what seldom changes and marks every slot.
func (l *leading) rescan(ctx context.Context) error {
	topo, err := readTopology(ctx, l.p.cfg.Store)
	if err != nil {
		return err
	}
	uses, skus, next := map[string][]string{}, l.p.book.SKUs(), 0
	if _, err := l.p.cfg.Store.Ledger(ctx, func(led *engine.Ledger) bool {
		for end := min(next+100, len(skus)); next < end; next++ {
			s, _ := led.SKU(skus[next])
			for _, part := range s.Kit {
				uses[part.SKU] = append(uses[part.SKU], skus[next])
			}
		}
		return next < len(skus)
	}); err != nil {
		return err
	}
	l.mu.Lock()
	l.topo, l.uses = topo, uses
	l.mu.Unlock()
	l.markAll()
	return nil
}

// run has a goroutine for each connection, and follows the events and the clock itself.
func (l *leading) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer l.all.Wait()
	defer cancel()
	l.mu.Lock()
	l.start = func(w *worker) { l.all.Go(func() { w.run(ctx) }) }
	for _, w := range l.workers {
		l.start(w)
	}
	l.mu.Unlock()
	pass := time.NewTicker(l.p.cfg.PassEvery)
	defer pass.Stop()
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		changed := l.p.cfg.Stream.EventsChanged()
		if err := l.followEvents(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-pass.C:
			l.pass("")
		case <-minute.C:
			l.tick(ctx)
		}
	}
}

const eventPage = 1000

// followEvents marks what changed in the ledger since the last call.
func (l *leading) followEvents(ctx context.Context) error {
	for {
		events, err := l.p.cfg.Stream.Events(l.seq, eventPage)
		if code, ok := errors.AsType[interface {
			error
			Code() string
		}](err); ok && code.Code() == "events-gone" {
			return l.begin(ctx) // we were too slow: all may have changed
		}
		if err != nil || len(events) == 0 {
			return err
		}
		if err := l.takeEvents(ctx, events); err != nil {
			return err
		}
		l.seq = events[len(events)-1].Seq
	}
}

func (l *leading) takeEvents(ctx context.Context, events []engine.Event) error {
	numbers := map[uint32]bool{}
	defined := false
	for i := range events {
		e := &events[i]
		if e.SKU != 0 {
			numbers[e.SKU] = true
		}
		defined = defined || e.Type == engine.EventDefined || e.Type == engine.EventDeleted
	}
	if defined {
		return l.rescan(ctx) // a channel's rules, a kit's parts, a SKU's tags
	}
	names := make([]string, 0, len(numbers))
	if _, err := l.p.cfg.Store.Ledger(ctx, func(led *engine.Ledger) bool {
		names = names[:0]
		for n := range numbers {
			names = append(names, led.NameOf(engine.SKUName, n))
		}
		return false
	}); err != nil {
		return err
	}
	for _, sku := range names {
		l.markSKU(sku)
	}
	return nil
}

// markSKU marks the slots of a SKU, and of the kits that have it.
func (l *leading) markSKU(sku string) {
	l.mu.Lock()
	kits := l.uses[sku]
	l.mu.Unlock()
	for _, name := range append([]string{sku}, kits...) {
		for _, s := range l.p.book.Of(name) {
			l.worker(s.Connection).mark(s.ID)
		}
	}
}

func (l *leading) markAll() { l.each("", (*worker).mark) }

// each tells the workers of all slots of a connection; "" is every one.
func (l *leading) each(connection string, tell func(w *worker, ids ...string)) {
	list, _ := l.p.book.Slots(Filter{Connection: connection}, "", math.MaxInt)
	ids := map[string][]string{}
	for _, s := range list {
		ids[s.Connection] = append(ids[s.Connection], s.ID)
	}
	for connection, some := range ids {
		tell(l.worker(connection), some...)
	}
}

// pass has slots read and compared.
func (l *leading) pass(connection string) { l.each(connection, (*worker).wantRead) }

// changed is told what the book has learnt.
func (l *leading) changed(c Changes) {
	if c.All {
		l.markAll()
	}
	for _, id := range c.Slots {
		if s, ok := l.p.book.Slot(id); ok {
			l.worker(s.Connection).mark(id)
		}
	}
	for _, connection := range c.Connections {
		l.worker(connection).watermarkMoved()
	}
}

func (l *leading) worker(connection string) *worker {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.workers[connection]
	if w == nil {
		w = newWorker(l, connection)
		l.workers[connection] = w
		if l.start != nil {
			l.start(w)
		}
	}
	return w
}

func (l *leading) topology() *topology {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.topo
}

// tick looks once a minute at what only the clock moves: dated rules, and watermarks that stay.
func (l *leading) tick(ctx context.Context) {
	now := l.p.cfg.Now()
	if edge := l.p.book.Rulebook().NextEdge(now.Add(-time.Minute)); !edge.IsZero() && !edge.After(now) {
		l.markAll()
	}
	l.mu.Lock()
	connections := make([]string, 0, len(l.workers))
	for connection := range l.workers {
		connections = append(connections, connection)
	}
	l.mu.Unlock()
	slices.Sort(connections)
	for _, connection := range connections {
		mark := l.p.book.Watermark(connection)
		age := now.Sub(mark)
		if mark.IsZero() {
			continue // nothing was swept yet: its start says so
		}
		l.p.metrics.watermark.WithLabelValues(connection).Set(age.Seconds())
		switch {
		case age <= l.p.cfg.WatermarkAlert:
			l.p.cfg.Fresh(ctx, connection)
		case !l.alerted[connection].Equal(mark):
			l.alerted[connection] = mark
			l.p.cfg.Logger.Warn("watermark is old", "connection", connection, "age", age)
			l.p.cfg.Alert(ctx, connection, age)
		}
	}
}
