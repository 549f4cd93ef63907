package exceptions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast/adapters/records"
)

// Rule says of which exceptions somebody is told, and how. An empty list takes all.
type Rule struct {
	Name        string // stable: what was told is remembered under it
	Classes     []Class
	Flows       []string
	Connections []string
	To          []string      // names of sinks
	Gather      time.Duration // what opens within it is one message. 10 s
	Every       time.Duration // between two messages. 5 min
}

func (r *Rule) takes(e *Exception) bool {
	return (len(r.Classes) == 0 || slices.Contains(r.Classes, e.Class)) &&
		(len(r.Flows) == 0 || slices.Contains(r.Flows, e.Flow)) &&
		(len(r.Connections) == 0 || slices.Contains(r.Connections, e.Connection))
}

// Alert is one message: what opened since the last one, of one rule.
type Alert struct {
	Rule       string  `json:"rule"`
	At         string  `json:"at"`
	Count      int     `json:"count"`
	Exceptions []Brief `json:"exceptions"` // the first maxBrief of them
}

// Brief is an exception as it is told: without its payload, which may be about a person.
type Brief struct {
	ID         string `json:"id"`
	Class      Class  `json:"class"`
	Code       string `json:"code"`
	Key        string `json:"key"`
	Flow       string `json:"flow"`
	Connection string `json:"connection,omitempty"`
	Detail     string `json:"detail"`
	FirstAt    string `json:"first_at"`
}

const (
	maxBrief = 20
	// maxPending bounds what a rule has not told yet; what is over is counted only.
	maxPending = 1000
	// sendTries and sendFor bound one delivery: half a minute or so, then the log and the metric say that
	// it failed, and the next message is another one.
	sendTries, sendFor = 4, 10 * time.Second
	// overlap is how far back of the newest exception told another may have been written later.
	overlap = 2 * time.Minute
)

// Sink is one way to tell somebody. It is safe for concurrent use.
type Sink interface {
	// Send delivers one alert within ctx; an error that says Retryable() false is not tried again.
	Send(ctx context.Context, a Alert) error
}

// BellConfig is what a Bell is told. Store is required.
type BellConfig struct {
	Store records.Store
	Rules []Rule
	Sinks map[string]Sink // by name
	// Logger gets a line for each delivery that failed. Default: discards.
	Logger *slog.Logger
	// Registry takes the metrics. Default: one of its own.
	Registry *prometheus.Registry
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Bell tells people of what opened. It follows the records, so that no flow waits for it; one of a
// node runs, while the node leads.
type Bell struct {
	cfg   BellConfig
	stats *bellStats
}

// NewBell checks cfg. It fails with every fault of it, or when its registry has such metrics already.
func NewBell(cfg BellConfig) (*Bell, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Registry == nil {
		cfg.Registry = prometheus.NewRegistry()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	var faults []error
	if cfg.Store == nil {
		faults = append(faults, errors.New("exceptions: a Store is required"))
	}
	names := map[string]bool{}
	cfg.Rules = slices.Clone(cfg.Rules)
	for i := range cfg.Rules {
		r := &cfg.Rules[i]
		if r.Gather == 0 {
			r.Gather = 10 * time.Second
		}
		if r.Every == 0 {
			r.Every = 5 * time.Minute
		}
		if r.Name == "" || names[r.Name] {
			faults = append(faults, fmt.Errorf("exceptions: rule %d: the name %q is empty or taken", i, r.Name))
		}
		names[r.Name] = true
		if r.Gather < 0 || r.Every < 0 {
			faults = append(faults, fmt.Errorf("exceptions: rule %q: a period is below 0", r.Name))
		}
		for _, to := range r.To {
			if cfg.Sinks[to] == nil {
				faults = append(faults, fmt.Errorf("exceptions: rule %q: there is no sink %q", r.Name, to))
			}
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	st, err := newBellStats(cfg.Registry)
	return &Bell{cfg: cfg, stats: st}, err
}

// Run tells people until ctx ends, and waits for what is being told. It fails with ctx's error, or
// when the store does; run it again while the node leads.
func (b *Bell) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	news := make(chan heard)
	wg.Go(func() { b.watch(ctx, cancel, news) })
	r := &ringer{Bell: b, open: map[string]Exception{}, told: make(chan *ruleState)}
	if err := r.begin(ctx); err != nil {
		cancel(err)
		return err
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case n := <-news:
			if err := r.hear(ctx, n); err != nil {
				cancel(err)
			}
		case s := <-r.told:
			s.telling = false
		case <-timer.C:
		}
		timer.Reset(r.ring(ctx, &wg))
	}
	b.stats.open.Reset()
	return context.Cause(ctx)
}

type heard struct {
	changes []records.Change
	lost    bool
}

func (b *Bell) watch(ctx context.Context, cancel context.CancelCauseFunc, news chan<- heard) {
	w := b.cfg.Store.Watch(records.Exceptions)
	defer w.Close()
	for {
		changes, lost, err := w.Next(ctx)
		if err != nil {
			cancel(fmt.Errorf("exceptions: follow them: %w", err))
			return
		}
		select {
		case news <- heard{changes, lost}:
		case <-ctx.Done():
			return
		}
	}
}

// send delivers one alert to one sink, with a few tries.
func (b *Bell) send(ctx context.Context, name string, a Alert) {
	pause := time.Second
	for try := 1; ; try++ {
		one, cancel := context.WithTimeout(ctx, sendFor)
		err := b.cfg.Sinks[name].Send(one, a)
		cancel()
		var retryable interface{ Retryable() bool }
		final := errors.As(err, &retryable) && !retryable.Retryable()
		if err == nil {
			b.stats.alerts.WithLabelValues(name, "sent").Inc()
			return
		}
		if final || try == sendTries || ctx.Err() != nil {
			b.stats.alerts.WithLabelValues(name, "failed").Inc()
			b.cfg.Logger.Error("an alert is not delivered", "sink", name, "rule", a.Rule,
				"count", a.Count, "tries", try, "error", err)
			return
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
		pause *= 3
	}
}

// bellStats are the metrics of exceptions.
type bellStats struct {
	open   *prometheus.GaugeVec
	alerts *prometheus.CounterVec
}

func newBellStats(registry *prometheus.Registry) (*bellStats, error) {
	st := &bellStats{
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "holdfast_exceptions_open",
			Help: "Exceptions that wait for a person, on the leader, by class, flow and connection.",
		}, []string{"class", "flow", "connection"}),
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_alerts_total",
			Help: "Alerts, by sink and by whether they were delivered.",
		}, []string{"sink", "end"}),
	}
	if err := errors.Join(registry.Register(st.open), registry.Register(st.alerts)); err != nil {
		return nil, fmt.Errorf("exceptions: register metrics: %w", err)
	}
	return st, nil
}
