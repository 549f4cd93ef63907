package httpapi

import (
	"context"

	"holdfast/adapters/scope"
)

func scopeRoutes() []*route {
	return []*route{get("/v1/scope", getScope)}
}

func getScope(c *call) error {
	if c.s.cfg.Scope == nil {
		return newProblem(codeNotFound, "This server has no connections.")
	}
	if err := c.fresh(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.s.base, c.s.cfg.LedgerTimeout)
	defer cancel()
	report, err := c.s.cfg.Scope(ctx)
	if err != nil {
		return faulty(err, false)
	}
	return c.replyJSON(200, struct {
		*scope.Report
		Index uint64 `json:"index"`
	}{report, c.index})
}
