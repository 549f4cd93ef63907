package scenario

import "time"

// Scenario is one load test. It is made by Parse, which leaves nothing at zero that needs a value.
type Scenario struct {
	Name        string
	Description string
	Seed        uint64
	Connections int           // in all, shared out over the targets
	Waiting     int           // calls that are due may wait for a connection, at most
	Timeout     time.Duration // of one call
	Leader      bool          // writes go to the leader, as the cluster names it
	Phases      []Phase
	Mix         []Share // of operations; the weights need not add up to anything
	Channels    []Share
	SKUs        SKUs
	Order       Order
	Shares      Shares
	Retry       Retry
	Hold        Hold
	Faults      []Fault
	Thresholds  []Threshold
}

// Phase is a part of a run with one course of its rate.
type Phase struct {
	Name     string
	Kind     string // ramp, steady, spike or soak
	Model    string // open or closed
	Arrivals string // poisson or fixed; of an open model
	Duration time.Duration
	From, To float64       // calls a second when it begins and when it ends; of an open model
	Users    int           // of a closed model
	Think    time.Duration // between an answer and the user's next call
}

// Share is a name and its weight.
type Share struct {
	Name   string
	Weight float64
}

// SKUs says which SKUs there are and how wanted they are.
type SKUs struct {
	Count      int
	Stock      int64
	Popularity string  // uniform or zipf
	Exponent   float64 // of zipf, above 1
	Hot        []HotSKU
	Drop       *Drop
}

// HotSKU takes a share of all lines for one SKU, beside the popularity.
type HotSKU struct {
	Name  string
	Share float64
	Stock int64
}

// Drop makes one SKU available at a moment; from then on it takes a share of all lines.
type Drop struct {
	Name  string
	At    time.Duration // since the run began
	Share float64
	Stock int64
}

// Order is the shape of an order.
type Order struct {
	Lines []Share // weight of each number of lines
	Qty   int64   // units of a line: 1 to Qty
	Batch int     // operations of a batch call
	Mode  string  // strict, dip or accept
}

// Shares are parts of all reserves, from 0 to 1.
type Shares struct {
	Duplicates    float64 // sent a second time under the same key, at once
	Abandoned     float64 // held for Hold.Abandoned and never taken up
	Cancellations float64 // committed orders that are released again, of all commits
}

// Retry says what the driver sends again under the same key. Times 0 is never.
type Retry struct {
	Times   int
	Backoff time.Duration
}

// Hold is how long reservations are held, in the server's time.
type Hold struct {
	TTL       time.Duration
	Abandoned time.Duration // of those that nobody comes back for
	Grace     time.Duration // after a deadline within which a hold must be gone
}

// Fault is done to the cluster or a vendor at a moment.
type Fault struct {
	At     time.Duration
	Kind   string // kill, pause, restart, throttle or fail
	Target string // leader, follower, a node's name, or the URL of a simulator
	For    time.Duration
}

// Threshold is a bound that the run must keep.
type Threshold struct {
	Metric string  // such as p99_ms, offered_ratio, error_ratio
	Op     string  // of one operation only; empty is all
	Phase  string  // of one phase only; empty is all
	Max    bool    // Limit is the highest allowed, else the lowest
	Limit  float64 //
}

// Duration is the time that all phases take.
func (s *Scenario) Duration() time.Duration {
	var d time.Duration
	for _, p := range s.Phases {
		d += p.Duration
	}
	return d
}

// Shorten makes every phase, drop and fault happen in limit, in the same proportion. Rates stay.
// A limit of zero or more than the scenario takes changes nothing.
func (s *Scenario) Shorten(limit time.Duration) {
	whole := s.Duration()
	if limit <= 0 || limit >= whole {
		return
	}
	cut := func(d time.Duration) time.Duration {
		return time.Duration(float64(d) * float64(limit) / float64(whole))
	}
	for i := range s.Phases {
		s.Phases[i].Duration = cut(s.Phases[i].Duration)
	}
	for i := range s.Faults {
		s.Faults[i].At = cut(s.Faults[i].At)
		s.Faults[i].For = cut(s.Faults[i].For)
	}
	if s.SKUs.Drop != nil {
		s.SKUs.Drop.At = cut(s.SKUs.Drop.At)
	}
}
