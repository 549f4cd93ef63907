package publish

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// Config is everything that a Publisher is told. Store, Stream and Outlets are required.
type Config struct {
	Store   records.Store
	Stream  Stream
	Outlets Outlets
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
	// Logger gets one line for each state change. Default: discards.
	Logger *slog.Logger
	// Registry takes this package's metrics. Default: one of its own.
	Registry *prometheus.Registry
	// PassEvery is the pause between two full passes, which read every slot: what a channel changed
	// without saying so is found by then. 6 h: a read of 100,000 slots is some 400 calls.
	PassEvery time.Duration
	// WatermarkAlert is how old a watermark may be before Alert is told. 30 min: Amazon's moves every
	// few minutes when all is well.
	WatermarkAlert time.Duration
	// Alert is told that a connection's watermark is old, once until it has moved. Default: nobody.
	Alert func(ctx context.Context, connection string, age time.Duration)
	// Fresh is told once a minute of each connection whose watermark is not old, whoever was told before
	// that it was. Default: nobody.
	Fresh func(ctx context.Context, connection string)
	// Failed is told of each push that was refused for good. It must not block. Default: nobody.
	Failed func(ctx context.Context, f Failure)
	// Healed adds to the Tx by which a slot is what it should be what follows for those who were told of
	// Failed, by whichever leader. Default: nothing.
	Healed func(ctx context.Context, tx *records.Tx, slotID string) error
	// Busy reports whether a call of ours that is not finished may have changed a slot: a difference
	// there is then not unexplained yet. Default: none.
	Busy func(ctx context.Context, s *Slot) (bool, error)
	// Stands reports whether a slot is still what the mapping and the connection's document say: the
	// records of slots follow those, and may be a moment behind. It answers from memory. Default: all do.
	Stands func(s *Slot) bool
	// Astray is asked before a push about a slot whose SKU has several in its channel; tally is the index
	// of the entry that moved a tally of theirs last. Default: none.
	Astray func(ctx context.Context, s *Slot, tally uint64) (Astray, error)
}

// Stream is the ledger's events.
type Stream interface {
	// Events returns at most limit events after a sequence, oldest first. With Code() "events-gone" it
	// no longer has them.
	Events(after uint64, limit int) ([]engine.Event, error)
	// EventsChanged returns a channel that is closed at the next event.
	EventsChanged() <-chan struct{}
}

// Astray is what orders of a channel's own have at one location here and at another one there, until one of
// the two follows: it is in the differences of their slots, and is not pushed.
type Astray struct {
	Known  bool // false while nobody can tell
	Moving bool // orders of the SKU are being placed
	// Units were taken out of the slot by orders and are promised elsewhere; below 0: the other way round.
	Units int64
}

// Failure is a push that was refused for good, or keeps failing.
type Failure struct {
	Slot   Slot
	Push   Push
	Code   string
	Detail string
	Tries  int
}

// WithDefaults returns c with each zero field at its default.
func (c Config) WithDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	if c.PassEvery == 0 {
		c.PassEvery = 6 * time.Hour
	}
	if c.WatermarkAlert == 0 {
		c.WatermarkAlert = 30 * time.Minute
	}
	if c.Alert == nil {
		c.Alert = func(context.Context, string, time.Duration) {}
	}
	if c.Failed == nil {
		c.Failed = func(context.Context, Failure) {}
	}
	if c.Fresh == nil {
		c.Fresh = func(context.Context, string) {}
	}
	if c.Healed == nil {
		c.Healed = func(context.Context, *records.Tx, string) error { return nil }
	}
	if c.Stands == nil {
		c.Stands = func(*Slot) bool { return true }
	}
	if c.Astray == nil {
		c.Astray = func(context.Context, *Slot, uint64) (Astray, error) { return Astray{Known: true}, nil }
	}
	if c.Busy == nil {
		c.Busy = func(context.Context, *Slot) (bool, error) { return false, nil }
	}
	return c
}

// Validate returns nil, or one error that joins every fault of the configuration.
func (c Config) Validate() error {
	var faults []error
	if c.Store == nil || c.Stream == nil || c.Outlets == nil {
		faults = append(faults, errors.New("publish: Store, Stream and Outlets are required"))
	}
	if c.PassEvery < time.Second || c.WatermarkAlert < time.Second {
		faults = append(faults, errors.New("publish: PassEvery and WatermarkAlert must be 1 s or more"))
	}
	return errors.Join(faults...)
}

// Publisher makes every slot show its target. Its answers to questions are for every node; Run is for
// the leader. It is safe for concurrent use.
type Publisher struct {
	cfg     Config
	book    *Book
	leases  *Leases
	metrics *metrics

	mu   sync.Mutex
	lead *leading // nil while this node does not lead
}

// New checks and allocates; it starts nothing. It fails with the faults of the configuration.
func New(c Config) (*Publisher, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := &Publisher{cfg: c, metrics: newMetrics(c.Registry)}
	p.book = NewBook(c.Store, p.changed)
	p.leases = NewLeases(c.Store, p.book)
	return p, nil
}

// Book is what the publisher knows of slots, rules and watermarks; it is filled by [Publisher.Follow].
func (p *Publisher) Book() *Book { return p.book }

// Leases are the standing holds, for whoever books sales.
func (p *Publisher) Leases() *Leases { return p.leases }

// Follow keeps the book of this node, whether it leads or not, until ctx ends, and then returns nil. It
// fails when the store is closed.
func (p *Publisher) Follow(ctx context.Context) error { return p.book.Run(ctx) }

// changed is told by the book.
func (p *Publisher) changed(c Changes) {
	p.mu.Lock()
	lead := p.lead
	p.mu.Unlock()
	if lead != nil {
		lead.changed(c)
	}
}

// Run publishes until ctx ends, and then returns nil: for the node that leads, under its term. What it
// knows beside the records it makes anew from one pass over all slots. Two nodes that both believe
// that they lead do no harm: a claim or an acknowledgement of one makes that of the other fail, and a
// call is only repeated under its own key. It fails when the store is closed.
func (p *Publisher) Run(ctx context.Context, term uint64) error {
	lead := newLeading(p, term)
	if err := lead.begin(ctx); err != nil {
		return endOf(ctx, err)
	}
	p.mu.Lock()
	p.lead = lead
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.lead = nil
		p.mu.Unlock()
	}()
	return endOf(ctx, lead.run(ctx))
}

// Pass has every slot of a connection read, and whatever is not as it should be pushed: the scheduled
// full pass. It reports whether this node leads; if not, nothing was done.
func (p *Publisher) Pass(connection string) bool {
	p.mu.Lock()
	lead := p.lead
	p.mu.Unlock()
	if lead == nil {
		return false
	}
	lead.pass(connection)
	return true
}
