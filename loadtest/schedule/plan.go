package schedule

import (
	"math"
	"math/rand/v2"
	"sort"
	"strconv"
	"time"

	"holdfast/loadtest/scenario"
)

// Call is what one call is to be.
type Call struct {
	N         uint64
	Op        string
	Channel   string
	Lines     []Line // of a reserve
	Parts     [][]Line
	SKU       string // of a read
	Duplicate bool   // is sent twice under its key
	Abandoned bool
	Cancel    bool // of a commit: the order is released afterwards
}

// Line asks for units of a SKU.
type Line struct {
	SKU string `json:"sku"`
	Qty int64  `json:"qty"`
}

// Plan says what call N is. It is never changed, so it is safe for concurrent use.
type Plan struct {
	s        *scenario.Scenario
	mix      weights
	channels weights
	lines    weights
	zipf     []float64 // sums of the popularity, up to 1
}

type weights struct {
	names []string
	sums  []float64
}

// callStream keeps the draws of the calls apart from those of the arrivals.
const callStream = 0x63616c6c

// NewPlan prepares the choices of a scenario.
func NewPlan(s *scenario.Scenario) *Plan {
	p := &Plan{s: s, mix: weigh(s.Mix), channels: weigh(s.Channels), lines: weigh(s.Order.Lines)}
	if s.SKUs.Popularity == "zipf" {
		sum := 0.0
		for i := range s.SKUs.Count {
			sum += 1 / math.Pow(float64(i+1), s.SKUs.Exponent)
			p.zipf = append(p.zipf, sum)
		}
	}
	return p
}

func weigh(shares []scenario.Share) weights {
	var w weights
	sum := 0.0
	for _, s := range shares {
		sum += s.Weight
		w.names, w.sums = append(w.names, s.Name), append(w.sums, sum)
	}
	return w
}

func (w weights) pick(r *rand.Rand) string {
	x := r.Float64() * w.sums[len(w.sums)-1]
	return w.names[min(len(w.names)-1, sort.Search(len(w.sums), func(i int) bool {
		return w.sums[i] > x
	}))]
}

// Call is the n-th call, due at the given moment of the run: the same for the same arguments.
func (p *Plan) Call(n uint64, due time.Duration) Call {
	r := rand.New(rand.NewPCG(p.s.Seed^n*0x9e3779b97f4a7c15, callStream))
	c := Call{N: n, Op: p.mix.pick(r), Channel: p.channels.pick(r),
		Duplicate: r.Float64() < p.s.Shares.Duplicates,
		Abandoned: r.Float64() < p.s.Shares.Abandoned,
		Cancel:    r.Float64() < p.s.Shares.Cancellations}
	c.Lines = p.order(r, due)
	c.SKU = c.Lines[0].SKU
	if c.Op == "batch" {
		for range p.s.Order.Batch {
			c.Parts = append(c.Parts, p.order(r, due))
		}
	}
	return c
}

// order draws the lines of an order; no SKU stands in it twice.
func (p *Plan) order(r *rand.Rand, due time.Duration) []Line {
	n, err := strconv.Atoi(p.lines.pick(r))
	if err != nil {
		n = 1 // Parse has let no other name through
	}
	var lines []Line
	for range n {
		l := Line{p.sku(r, due), 1 + r.Int64N(p.s.Order.Qty)}
		twice := false
		for _, o := range lines {
			twice = twice || o.SKU == l.SKU
		}
		if !twice {
			lines = append(lines, l)
		}
	}
	return lines
}

func (p *Plan) sku(r *rand.Rand, due time.Duration) string {
	x := r.Float64()
	for _, h := range p.s.SKUs.Hot {
		if x -= h.Share; x < 0 {
			return h.Name
		}
	}
	if d := p.s.SKUs.Drop; d != nil && due >= d.At {
		if x -= d.Share; x < 0 {
			return d.Name
		}
	}
	if p.zipf == nil {
		return Name(r.IntN(p.s.SKUs.Count))
	}
	y := r.Float64() * p.zipf[len(p.zipf)-1]
	return Name(min(len(p.zipf)-1, sort.SearchFloat64s(p.zipf, y)))
}

// Name is that of the i-th SKU.
func Name(i int) string { return "sku-" + strconv.Itoa(i+1) }

// Stocks lists every SKU with the units that it has before the run.
func Stocks(s *scenario.Scenario) []Line {
	var all []Line
	for i := range s.SKUs.Count {
		all = append(all, Line{Name(i), s.SKUs.Stock})
	}
	for _, h := range s.SKUs.Hot {
		all = append(all, Line{h.Name, h.Stock})
	}
	if d := s.SKUs.Drop; d != nil {
		all = append(all, Line{d.Name, 0})
	}
	return all
}
