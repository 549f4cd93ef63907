package outbox

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast/adapters/records"
)

// Gate says which connections may be sent something. It is what package connections has.
type Gate interface {
	// Blocked is "" when tasks of the connection may run, or why not: "observe", "paused", "unknown". Of
	// these the last two hold back reads too, and no other reason does.
	// It answers from memory. The connection "" is ours.
	Blocked(connection string) (why string)
}

// Config is everything that a Dispatcher is told. Store and Gate are required; a zero value elsewhere
// means its default.
type Config struct {
	Store records.Store
	Gate  Gate
	// Executors do the tasks of their kind. A kind without one is for somebody outside: its tasks stay
	// queued until they are told to be done.
	Executors map[string]Executor
	// ReadKinds are the kinds of task that change nothing at the outside system. Only a connection that
	// is paused or not known holds them back. Default: none.
	ReadKinds []string
	// PerConnection is how many calls of one connection are under way at once, 1 to 256. Default 8: some
	// 40 a second at a vendor's usual 200 ms, which is more than vendors take.
	PerConnection int
	// MaxTries is how often a task is tried that fails for a transient reason, before a person must look.
	// Default 20: some two hours of pauses, beside those of the breaker.
	MaxTries int

	// Logger gets one line for each state change of a connection and each fault of ours. Default: discards.
	Logger *slog.Logger
	// Registry takes the metrics. Default: one of its own.
	Registry *prometheus.Registry
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Jitter gives numbers from 0 to 1. Default: math/rand.
	Jitter func() float64
}

// WithDefaults returns c with each zero field at its default.
func (c Config) WithDefaults() Config {
	if c.PerConnection == 0 {
		c.PerConnection = 8
	}
	if c.MaxTries == 0 {
		c.MaxTries = 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	return c
}

// Validate returns nil, or one error that joins every fault of the configuration.
func (c Config) Validate() error {
	var faults []error
	if c.Store == nil {
		faults = append(faults, errors.New("outbox: a Store is required"))
	}
	if c.Gate == nil {
		faults = append(faults, errors.New("outbox: a Gate is required"))
	}
	for kind := range c.Executors {
		if IsOutside(kind) {
			faults = append(faults, fmt.Errorf("outbox: tasks of kind %s are done outside only", kind))
		}
	}
	if c.PerConnection < 1 || c.PerConnection > 256 {
		faults = append(faults, fmt.Errorf("outbox: PerConnection must be from 1 to 256, is %d",
			c.PerConnection))
	}
	if c.MaxTries < 1 || c.MaxTries > 1000 {
		faults = append(faults, fmt.Errorf("outbox: MaxTries must be from 1 to 1000, is %d",
			c.MaxTries))
	}
	return errors.Join(faults...)
}
