package connections

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kinds are the kinds of outside systems that this build knows, by name.
type Kinds map[string]Kind

// Check checks what is of the kind in a document, and that its flows are known. It fails with
// *engine.FieldError, joined.
func (k Kinds) Check(c Connection) error {
	kind := k[c.Kind]
	var f faults
	if kind == nil {
		f.add("kind", "is not in this build, which knows %s",
			strings.Join(slices.Sorted(maps.Keys(k)), ", "))
		return f.err()
	}
	known := kind.Flows()
	for _, name := range slices.Sorted(maps.Keys(c.Flows)) {
		if !slices.Contains(known, name) {
			f.add("flows."+name, "is not a flow of kind %s, which has %s", c.Kind,
				strings.Join(known, ", "))
		}
	}
	if err := kind.Check(c); err != nil {
		f = append(f, err)
	}
	return f.err()
}

// Flows lists the flows of a kind; none of one that is not known.
func (k Kinds) Flows(kind string) []string {
	if k[kind] == nil {
		return nil
	}
	return k[kind].Flows()
}

// Outside is the kind of a system that comes to us by itself: it reads its tasks over the API, does
// them and says so. There is nothing to read there, and nobody to call.
type Outside struct{}

// Check refuses nothing; its error is nil.
func (Outside) Check(Connection) error { return nil }

// Flows are none.
func (Outside) Flows() []string { return nil }

// Connect makes an adapter that waits; its error is nil.
func (Outside) Connect(l Link) (Adapter, error) { return &waiting{l.Connection.ID}, nil }

// waiting is the adapter of a system that comes by itself.
type waiting struct{ id string }

// Catalogue is empty; its error is nil.
func (*waiting) Catalogue(context.Context, string) (Page, error) { return Page{}, nil }

// OpenOrders is empty; its error is nil.
func (*waiting) OpenOrders(context.Context, string) (Page, error) { return Page{}, nil }

// Levels is empty; its error is nil.
func (*waiting) Levels(context.Context, string) (Page, error) { return Page{}, nil }

// Run waits; its error is ctx's.
func (*waiting) Run(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// RunFlow fails: there is none.
func (w *waiting) RunFlow(_ context.Context, r Run) error {
	return fmt.Errorf("connection %s has no flow %s", w.id, r.Flow)
}
