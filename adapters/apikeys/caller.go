package apikeys

import (
	"crypto/sha256"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Caller is who calls: the holder of a key, or whoever is on this machine. It stays the same value for
// as long as its key is live, so that what lasts, such as a stream, can hold it and look at Gone. It is
// safe for concurrent use.
type Caller struct {
	principal string
	role      Role
	digest    [sha256.Size]byte
	version   uint64 // of the record
	gone      atomic.Bool
	uses      prometheus.Counter // may be nil

	// step is the least time between two requests in the long run, 0 for no limit. free is when, in
	// nanoseconds of the wall clock, all that was taken is paid back.
	step time.Duration
	free atomic.Int64
}

// NewLocal makes the caller of a server that knows no keys: whoever is on its machine, who may
// everything.
func NewLocal() *Caller { return &Caller{principal: "local", role: Admin} }

// Principal names the caller; it is part of the scope of idempotency keys. A key's is its id's.
func (c *Caller) Principal() string { return c.principal }

// May reports whether the caller has a role.
func (c *Caller) May(r Role) bool { return c.role >= r }

// Role is what the caller may do.
func (c *Caller) Role() Role { return c.role }

// Gone reports whether the caller may nothing any more: its key is revoked, or it came without a key
// and there is one now.
func (c *Caller) Gone() bool { return c.gone.Load() }

// Take counts a request. Over the limit of the key wait is how long to wait before the next one, and
// nothing is counted; else it is 0. A second's worth may come at once.
func (c *Caller) Take(now func() time.Time) (wait time.Duration) {
	if c.uses != nil {
		c.uses.Inc()
	}
	if c.step == 0 {
		return 0
	}
	at := now().UnixNano()
	for {
		free := c.free.Load()
		owed := time.Duration(max(free-at, 0))
		if owed > burst {
			owed = 0 // the clock was set back, and nobody shall wait for it
		}
		if over := owed + c.step - burst; over > 0 {
			return over
		}
		if c.free.CompareAndSwap(free, at+int64(owed+c.step)) {
			return 0
		}
	}
}

// burst is how much of a limit may be used at once. A step is never longer: a limit is at least one
// request a second.
const burst = time.Second
