package driver

import (
	"sync"

	"holdfast/loadtest/schedule"
)

// order is a reservation that was acknowledged and can be acted on.
type order struct {
	id    string
	lines []schedule.Line
}

// book keeps which orders the next commit, release, ship or return can take. One that was taken is
// not put back when its call has no known outcome: the checker asks the server what became of it.
type book struct {
	mu struct {
		sync.Mutex
		held, committed, cancel, shipped []order
	}
}

// take returns an order that op can act on.
func (b *book) take(op string) (order, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch op {
	case "commit":
		return pop(&b.mu.held)
	case "ship":
		return pop(&b.mu.committed)
	case "return":
		return pop(&b.mu.shipped)
	}
	if o, ok := pop(&b.mu.cancel); ok {
		return o, true
	}
	return pop(&b.mu.held)
}

func pop(from *[]order) (order, bool) {
	if len(*from) == 0 {
		return order{}, false
	}
	o := (*from)[0]
	*from = (*from)[1:]
	return o, true
}

// done says that op was acknowledged for o.
func (b *book) done(op string, o order, cancel bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case op == "reserve":
		b.mu.held = append(b.mu.held, o)
	case op == "commit" && cancel:
		b.mu.cancel = append(b.mu.cancel, o)
	case op == "commit":
		b.mu.committed = append(b.mu.committed, o)
	case op == "ship":
		b.mu.shipped = append(b.mu.shipped, o)
	}
}
