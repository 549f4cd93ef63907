package httpapi

import (
	"context"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

// Tasks is what the edge needs of the outbox: outbox.Desk. It is safe for concurrent use, and its
// errors are understood as those of Ledger.
type Tasks interface {
	List(ctx context.Context, f outbox.Filter, after string, limit int) (list []outbox.View,
		next string, err error)
	Get(ctx context.Context, id string) (outbox.View, error)
	Done(ctx context.Context, told outbox.Told) (outbox.View, records.Outcome, error)
}

// Exceptions is what the edge needs of what people must look at: exceptions.Desk. It is safe for
// concurrent use, and its errors are understood as those of Ledger.
type Exceptions interface {
	List(ctx context.Context, f exceptions.Filter, after string, limit int) (
		list []exceptions.Exception, next string, err error)
	Get(ctx context.Context, id string) (exceptions.Exception, error)
	Do(ctx context.Context, a exceptions.Act) (exceptions.Exception, records.Outcome, error)
	Bulk(ctx context.Context, a exceptions.Act, on exceptions.Selection,
		done func(id string, e exceptions.Exception, err error)) (more bool, err error)
}
