package schedule

import (
	"iter"
	"math"
	"math/rand/v2"
	"time"

	"holdfast/loadtest/scenario"
)

// Arrival is the moment at which a call of an open model is due.
type Arrival struct {
	N     uint64        // of the run, from 0
	Phase int           // in the scenario
	Due   time.Duration // since the run began
}

// arrivalStream keeps the draws of the arrivals apart from all others of the same seed.
const arrivalStream = 0x61727269

// Arrivals gives every call of the open phases, in the order in which they are due. Calling it again
// gives the same ones.
func Arrivals(s *scenario.Scenario) iter.Seq[Arrival] {
	return func(yield func(Arrival) bool) {
		n := uint64(0)
		begin := time.Duration(0)
		r := rand.New(rand.NewPCG(s.Seed, arrivalStream))
		for i, p := range s.Phases {
			if p.Model == "open" {
				sum := 0.0
				whole := Expected(p, p.Duration)
				for {
					sum += gap(p, r)
					if sum > whole {
						break
					}
					if !yield(Arrival{n, i, begin + when(p, sum)}) {
						return
					}
					n++
				}
			}
			begin += p.Duration
		}
	}
}

// gap is the distance to the next call in units of expected calls.
func gap(p scenario.Phase, r *rand.Rand) float64 {
	if p.Arrivals == "fixed" {
		return 1
	}
	return r.ExpFloat64()
}

// Expected is how many calls a phase expects up to a time of its own: the area under its rate.
func Expected(p scenario.Phase, upTo time.Duration) float64 {
	t, whole := upTo.Seconds(), p.Duration.Seconds()
	if p.Kind == "spike" {
		half := whole / 2
		if t <= half {
			return area(p.From, p.To, half, t)
		}
		return area(p.From, p.To, half, half) + area(p.To, p.From, half, t-half)
	}
	return area(p.From, p.To, whole, t)
}

// area is that under a line from a to b in whole seconds, up to t.
func area(a, b, whole, t float64) float64 { return a*t + (b-a)*t*t/(2*whole) }

// when is the inverse of Expected.
func when(p scenario.Phase, n float64) time.Duration {
	whole := p.Duration.Seconds()
	var t float64
	if half := whole / 2; p.Kind == "spike" {
		rising := area(p.From, p.To, half, half)
		if n <= rising {
			t = root(p.From, p.To, half, n)
		} else {
			t = half + root(p.To, p.From, half, n-rising)
		}
	} else {
		t = root(p.From, p.To, whole, n)
	}
	return min(p.Duration, time.Duration(t*float64(time.Second)))
}

// root solves area(a, b, whole, t) = n for t, in the form that does not cancel when a is near b.
func root(a, b, whole, n float64) float64 {
	slope := (b - a) / whole
	under := max(0, a*a+2*slope*n)
	if d := a + math.Sqrt(under); d > 0 {
		return 2 * n / d
	}
	return 0
}
