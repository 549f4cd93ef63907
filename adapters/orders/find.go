package orders

import (
	"context"
	"strings"

	"holdfast/adapters/records"
)

// orderOf is the order that a reservation belongs to.
func orderOf(reservation string) string {
	id, _, _ := strings.Cut(reservation, "~")
	return id
}

// kinds are the words under which an id is looked for, the surest first.
var kinds = []string{"order", "document", "fulfilment", "name", "tracking"}

// Find returns the id of the order that somebody calls ref: its own id, or "external:SYSTEM:ID",
// where SYSTEM is a connection, or a kind of connection.
//
// It fails with unknown-order, or with the store's error.
func (b *Book) Find(ctx context.Context, ref string) (string, error) {
	rest, outside := strings.CutPrefix(ref, "external:")
	if !outside {
		return ref, nil
	}
	system, id, ok := strings.Cut(rest, ":")
	if !ok {
		return "", unknownOrder(ref)
	}
	found, err := b.lookUp(ctx, system, id)
	if err == nil && found == "" {
		err = unknownOrder(ref)
	}
	return found, err
}

// lookUp finds an order by an id outside; system "" is any. It returns "" when there is none.
func (b *Book) lookUp(ctx context.Context, system, id string) (string, error) {
	systems := []string{system}
	for _, a := range b.Accounts.Accounts() {
		if a.ID != system && (system == "" || a.Kind == system) {
			systems = append(systems, a.ID)
		}
	}
	for _, s := range systems {
		for _, kind := range kinds {
			if s == "" {
				continue
			}
			r, ok, err := b.Store.Get(ctx, records.Externals, ExternalKey(External{s, kind, id}))
			if err != nil {
				return "", err
			}
			if ok {
				return string(r.Body), nil
			}
		}
	}
	return "", nil
}

// Get returns an order, also one that has left memory. It fails with unknown-order, or with the
// store's error.
func (b *Book) Get(ctx context.Context, id string) (Order, error) {
	r, ok, err := b.Store.Get(ctx, records.Orders, id)
	if err != nil {
		return Order{}, err
	}
	if !ok {
		return Order{}, unknownOrder(id)
	}
	return decode(r)
}

// Query says which orders a list is of; empty fields are all.
type Query struct {
	External string // an id outside, or SYSTEM:ID
	State    State
	After    string // the order behind which the list goes on
	Limit    int
}

// scanMost bounds how many records one call of List looks at, so that a rare state does not make it
// a walk over all orders: the cursor goes on.
const scanMost = 20_000

// List returns a page of orders in the order of their ids, and the id to go on after; "" at the
// end. It fails with the store's error.
func (b *Book) List(ctx context.Context, q Query) (page []Order, next string, err error) {
	if q.External != "" {
		page, err = b.byExternal(ctx, q)
		return page, "", err
	}
	after := q.After
	for looked := 0; looked < scanMost; {
		rows, more, err := b.Store.List(ctx, records.Orders, "", after,
			min(records.MaxList, q.Limit*4))
		if err != nil {
			return nil, "", err
		}
		for i := range rows {
			after = rows[i].Key
			looked++
			if q.State != "" && rows[i].State != stateBytes[q.State] {
				continue
			}
			o, err := decode(rows[i])
			if err != nil {
				return nil, "", err
			}
			if page = append(page, o); len(page) == q.Limit {
				if more || i < len(rows)-1 {
					next = after
				}
				return page, next, nil
			}
		}
		if !more {
			return page, "", nil
		}
	}
	return page, after, nil
}

func (b *Book) byExternal(ctx context.Context, q Query) ([]Order, error) {
	system, rest, _ := strings.Cut(q.External, ":")
	id, err := b.lookUp(ctx, system, rest)
	if err == nil && id == "" {
		id, err = b.lookUp(ctx, "", q.External)
	}
	if err != nil || id == "" {
		return nil, err
	}
	o, err := b.Get(ctx, id)
	if err != nil || q.State != "" && o.State != q.State {
		return nil, err
	}
	return []Order{o}, nil
}
