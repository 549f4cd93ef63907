package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"holdfast/cmd/internal/client"
)

// sender sends calls to the nodes as a careful caller does: to the next node when one does not
// answer, and again under the same key when the outcome is unknown. It is safe for concurrent use.
type sender struct {
	nodes []*client.Client
	calls atomic.Int64
	later atomic.Int64 // tries that did not happen and were sent again
	lost  atomic.Int64 // tries whose outcome was unknown and that were sent again
}

// patience is how long one call is tried: an election takes seconds, a stuck cluster is a failure.
const patience = 40 * time.Second

// call sends one call, beginning with node start. The error is a refusal, or what patience could
// not mend.
func (s *sender) call(ctx context.Context, start int, c client.Call,
	out any) (client.Reply, error) {
	s.calls.Add(1)
	return client.DoRetry(ctx, s.nodes, start, client.Retry{
		For: patience, First: 20 * time.Millisecond, Most: 400 * time.Millisecond,
		Notify: func(_ int, err error) {
			if client.IsUnknown(err) {
				s.lost.Add(1)
			} else {
				s.later.Add(1)
			}
		},
	}, c, out)
}

// put defines one thing.
func (s *sender) put(ctx context.Context, path string, body any) error {
	c := client.Call{Method: "PUT", Path: path, Body: body, Key: "demo-put"}
	if _, err := s.call(ctx, 0, c, nil); err != nil {
		return fmt.Errorf("define %s: %w", path, err)
	}
	return nil
}

// stock sends changes under one key and books their results.
func (s *sender) stock(ctx context.Context, start int, key string, changes []client.StockChange,
	books *Books) error {
	var res client.StockResults
	_, err := s.call(ctx, start, client.Call{Method: "POST", Path: "/v1/stock", Key: key,
		Body: client.StockChanges{Changes: changes}}, &res)
	if err == nil && len(res.Results) != len(changes) {
		err = fmt.Errorf("%d results", len(res.Results))
	}
	if err != nil {
		return fmt.Errorf("send %d changes of stock: %w", len(changes), err)
	}
	for i, r := range res.Results {
		books.stock(changes[i], r)
	}
	return nil
}

// one sends a call about one reservation. A refusal is an answer; the error is anything else.
func (s *sender) one(ctx context.Context, start int, c client.Call) (answer, error) {
	var a answer
	reply, err := s.call(ctx, start, c, &a.Reservation)
	var p *client.Problem
	if errors.As(err, &p) && p.Refused() {
		return answer{Status: p.Status, Code: p.Code}, nil
	}
	if err != nil {
		return a, fmt.Errorf("%s %s: %w", c.Method, c.Path, err)
	}
	a.Status = reply.Status
	return a, nil
}

// batch sends ops under one key until each has a verdict: sending the same batch again replays what
// happened and does what did not.
func (s *sender) batch(ctx context.Context, start int, key string, ops []any) ([]answer, error) {
	began := time.Now()
	for try := 0; ; try++ {
		var res client.BatchResults
		_, err := s.call(ctx, start+try, client.Call{Method: "POST", Path: "/v1/batch", Key: key,
			Body: client.Batch{Ops: ops}}, &res)
		if err == nil && len(res.Results) != len(ops) {
			err = fmt.Errorf("%d results", len(res.Results))
		}
		if err != nil {
			return nil, fmt.Errorf("batch of %d ops: %w", len(ops), err)
		}
		answers, open := make([]answer, len(ops)), 0
		for i, raw := range res.Results {
			if err := json.Unmarshal(raw, &answers[i]); err != nil {
				return nil, fmt.Errorf("result %d of a batch: %w", i+1, err)
			}
			if answers[i].Status >= 500 || answers[i].Status == 429 {
				open++
			}
		}
		switch {
		case open == 0:
			return answers, nil
		case time.Since(began) > patience:
			return nil, fmt.Errorf("batch of %d ops: %d without a verdict", len(ops), open)
		}
		s.lost.Add(int64(open))
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
