package httpapi

import (
	"context"

	"holdfast/adapters/trace"
)

// Tracer tells all that is known by one id. It is safe for concurrent use. Its errors are as those
// of Ledger; Code "unknown-trace" says that nothing is.
type Tracer interface {
	Trace(ctx context.Context, id string) (trace.Timeline, error)
}

func traceRoutes() []*route {
	return []*route{get("/v1/trace/{id}", getTrace)}
}

func getTrace(c *call) error {
	if c.s.cfg.Tracer == nil {
		return newProblem(codeNotFound, "This server traces nothing.")
	}
	id, err := c.param(0, "id", skuRule) // ids of outside systems may have spaces
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.s.base, c.s.cfg.LedgerTimeout)
	defer cancel()
	line, err := c.s.cfg.Tracer.Trace(ctx, id)
	if err != nil {
		return faulty(err, false)
	}
	return c.replyJSON(200, struct {
		trace.Timeline
		Index uint64 `json:"index"`
	}{line, c.index})
}
