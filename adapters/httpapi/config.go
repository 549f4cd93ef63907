package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast/adapters/apikeys"
	"holdfast/adapters/connections"
	"holdfast/adapters/scope"
)

// Config is everything that a Server is told. Ledger and Node are required; a zero value elsewhere
// means its default.
type Config struct {
	Ledger Ledger
	Node   Node
	// Membership takes the changes of the members. Default: none, and those calls are not found.
	Membership Membership
	// Webhooks takes those of the shops. Default: none, and the call is not found.
	Webhooks Webhooks
	// Connections, Flows, Routing and Tracer serve the calls of the sync core. Default: none, and those
	// calls are not found.
	Connections Connections
	Flows       Flows
	Routing     Routing
	Tracer      Tracer
	// Scope says what the flows will do with what the connections list. Default: /v1/scope is not found.
	Scope func(context.Context) (*scope.Report, error)
	// Health says how a connection does. Default: it is not shown.
	Health func(ctx context.Context, id string) (connections.Health, error)
	// Mappings and MappingAudit serve /v1/mappings. Default: none, and those calls are not found.
	Mappings     Mappings
	MappingAudit MappingAudit
	// Fields keeps the maps of fields and their tables. Default: none, and those calls are not found.
	Fields Fields
	// Orders serves the orders. Default: none, and those calls are not found.
	Orders Orders
	// Tasks and Exceptions show what outside systems are told, and what a person must look at. Default:
	// none, and those calls are not found.
	Tasks      Tasks
	Exceptions Exceptions
	// Outhooks keeps the webhooks that are sent. Default: none, and those calls are not found.
	Outhooks Outhooks
	// Publishing shows and shapes what channels are told. Default: none, and those calls are not found.
	Publishing Publishing
	// Answers keeps what calls of the sync core were answered under an Idempotency-Key. Default: none is
	// kept, and such a call is done again.
	Answers Answers
	// Guard says who calls. Default: there are no API keys, and only loopback is served.
	Guard Guard
	// Keys makes, lists and revokes API keys. Default: none, and those calls are not found.
	Keys Keys
	// OpenLoopback serves callers on loopback without a key even though there are keys: the way back in
	// for whoever has lost them all.
	OpenLoopback bool

	// Logger gets one line for each fault of ours and each state change. Default: discards.
	Logger *slog.Logger
	// Registry takes this package's metrics; /metrics prints all of it. Default: one of its own.
	Registry *prometheus.Registry
	// Version is the build that /openapi.json names. Default "dev".
	Version string
	// Now is the wall clock, asked only whether an as_of lies in the future. Default time.Now.
	Now func() time.Time

	// ReadTimeout bounds reading one request, so that a slow sender frees its connection. 5 s.
	ReadTimeout time.Duration
	// WriteTimeout bounds writing one reply, and one flush of a stream. 10 s.
	WriteTimeout time.Duration
	// IdleTimeout bounds the silence between two requests of a connection. 60 s.
	IdleTimeout time.Duration
	// LedgerTimeout bounds the wait of one read or check for the ledger. 10 s.
	LedgerTimeout time.Duration
	// CloseTimeout bounds how long Close waits for requests that are under way. 5 s.
	CloseTimeout time.Duration
	// HeartbeatEvery is the pause between two comments of a silent event stream, so that proxies
	// keep it open and a dead client is noticed. 15 s.
	HeartbeatEvery time.Duration
	// StreamIdle bounds the silence of an NDJSON client. 60 s.
	StreamIdle time.Duration

	// HeaderBytes bounds the request line and headers together. 8 KiB.
	HeaderBytes int
	// MaxConns bounds open connections; each costs a goroutine and two buffers. 16,384.
	MaxConns int
	// MaxConnsPerIP bounds those of one address: half, so that one client cannot take all. 8,192.
	MaxConnsPerIP int
	// MaxRequestsPerConn closes a connection after so many requests; 0 is no limit.
	MaxRequestsPerConn int
	// MaxStreams bounds event and NDJSON streams together: each holds up to 1,000 lines. 1,024.
	MaxStreams int
}

// WithDefaults returns c with each zero field at its default.
func (c Config) WithDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	if c.Guard == nil {
		c.Guard = noKeys{apikeys.NewLocal()}
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	orDuration(&c.ReadTimeout, 5*time.Second)
	orDuration(&c.WriteTimeout, 10*time.Second)
	orDuration(&c.IdleTimeout, 60*time.Second)
	orDuration(&c.LedgerTimeout, 10*time.Second)
	orDuration(&c.CloseTimeout, 5*time.Second)
	orDuration(&c.HeartbeatEvery, 15*time.Second)
	orDuration(&c.StreamIdle, 60*time.Second)
	orInt(&c.HeaderBytes, 8<<10)
	orInt(&c.MaxConns, 16<<10)
	orInt(&c.MaxConnsPerIP, 8<<10)
	orInt(&c.MaxStreams, 1<<10)
	return c
}

// Validate returns nil, or one error that joins every fault of the configuration.
func (c Config) Validate() error {
	var faults []error
	if c.Ledger == nil {
		faults = append(faults, errors.New("httpapi: a Ledger is required"))
	}
	if c.Node == nil {
		faults = append(faults, errors.New("httpapi: a Node is required"))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"ReadTimeout", c.ReadTimeout}, {"WriteTimeout", c.WriteTimeout},
		{"IdleTimeout", c.IdleTimeout}, {"LedgerTimeout", c.LedgerTimeout},
		{"CloseTimeout", c.CloseTimeout}, {"HeartbeatEvery", c.HeartbeatEvery},
		{"StreamIdle", c.StreamIdle},
	} {
		if d.value <= 0 {
			faults = append(faults, fmt.Errorf("httpapi: %s must be above 0, is %v", d.name, d.value))
		}
	}
	for _, n := range []struct {
		name            string
		value, from, to int
	}{
		{"HeaderBytes", c.HeaderBytes, 1 << 10, 1 << 20}, {"MaxConns", c.MaxConns, 1, 1 << 20},
		{"MaxConnsPerIP", c.MaxConnsPerIP, 1, 1 << 20}, {"MaxStreams", c.MaxStreams, 1, 1 << 20},
		{"MaxRequestsPerConn", c.MaxRequestsPerConn, 0, 1 << 30},
	} {
		if n.value < n.from || n.value > n.to {
			faults = append(faults, fmt.Errorf("httpapi: %s must be from %d to %d, is %d",
				n.name, n.from, n.to, n.value))
		}
	}
	return errors.Join(faults...)
}

func orDuration(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

func orInt(n *int, value int) {
	if *n == 0 {
		*n = value
	}
}
