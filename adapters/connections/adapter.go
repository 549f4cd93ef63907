package connections

import (
	"context"
	"log/slog"
	"time"

	"holdfast/adapters/records"
)

// Kind makes the adapters of one kind of outside system. It is safe for concurrent use.
type Kind interface {
	// Check checks what is of the kind in a document. It fails with *engine.FieldError, joined.
	Check(c Connection) error
	// Flows lists the flows that it knows, by name; a document and a run can name no other.
	Flows() []string
	// Connect makes the adapter of a connection. It does no I/O. It fails when the document cannot
	// be worked with.
	Connect(l Link) (Adapter, error)
}

// Link is what an adapter is given of its connection. It stays as it is: another document makes
// another adapter.
type Link struct {
	Connection Connection
	Secrets    Secrets
	Term       uint64 // of the leader that runs it
	Health     *Reporter
	Logger     *slog.Logger
}

// Adapter is one connection while this node leads. Each call's ctx ends when the leader steps down
// or the document changes, and the call returns then.
type Adapter interface {
	// Catalogue, OpenOrders and Levels read one page of a start: what the other side lists; its
	// open orders, as committed and under their original ids; and what its levels show.
	Catalogue(ctx context.Context, cursor string) (Page, error)
	OpenOrders(ctx context.Context, cursor string) (Page, error)
	Levels(ctx context.Context, cursor string) (Page, error)
	// Run does what never ends, such as sweeps. It returns when ctx ends; before that only with an
	// error, and is then begun again after a pause.
	Run(ctx context.Context) error
	// RunFlow runs a flow once. Whatever ends it, it can be run again: it brings both sides to what
	// they should be, and does not add to them. It fails with any error, which is shown.
	RunFlow(ctx context.Context, r Run) error
}

// Core is what of a start is the same for every kind, because both sides are ours by then: the
// mapping, its audit, and the drift report. Each is one page, as those of [Adapter].
type Core interface {
	Mapping(ctx context.Context, c Connection, cursor string) (Page, error)
	Audit(ctx context.Context, c Connection, cursor string) (Page, error)
	Drift(ctx context.Context, c Connection, cursor string) (Page, error)
}

// Page is a part of one step of a start. Pages are bounded by what the other side gives at a time,
// and by what fits a Tx.
type Page struct {
	Rows int // that it was made of, for people
	// Next is the cursor of the page behind it; empty: the step is done.
	Next string
	// Found is what stands in the way of being on.
	Found []Obstacle
	// Write adds what the page leaves behind to the Tx that moves the cursor. It may be called
	// again when a record has changed meanwhile, and reads what it expects anew. nil: nothing; then
	// what the page did by itself can be done twice, as [Adapter.OpenOrders] does by each order's
	// id.
	Write func(ctx context.Context, tx *records.Tx) error
}

// Run is one run of a flow.
type Run struct {
	ID         string    `json:"id"`
	Connection string    `json:"connection"`
	Flow       string    `json:"flow"`
	IDs        []string  `json:"ids,omitempty"`   // only these; empty is all
	From       time.Time `json:"from,omitzero"`   // a window; zero is open
	To         time.Time `json:"to,omitzero"`     //
	By         string    `json:"by,omitempty"`    // who asked, or "schedule"
	State      string    `json:"state"`           // queued, running, done, failed
	Error      string    `json:"error,omitempty"` // of one that failed
	AskedAt    time.Time `json:"asked_at"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
	Term       uint64    `json:"term,omitempty"` // of the leader that runs it

	version uint64
}

// The states of a run.
const (
	Queued  = "queued"
	Running = "running"
	Ended   = "done"
	Failed  = "failed"
)
