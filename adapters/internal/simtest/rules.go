package simtest

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// Terms say when a rule of faults strikes among what it matches.
type Terms struct {
	ID      string  // of the rule; "" is given one
	Percent float64 // of what matches; 0 counts as 100
	Skip    int     // the first matches that stay whole
	Count   int     // how often at most; 0 for no limit
	FromMS  int64   // in force from so long after it was set
	ForMS   int64   // for so long; 0 for ever
	Seed    uint64  // 0 takes that of the rules
}

// Rules holds the rules in force, of faults of a vendor's kind. Safe for concurrent use.
type Rules[F any] struct {
	seed uint64
	now  func() time.Time

	mu    sync.Mutex
	made  int
	rules []*rule[F]
}

type rule[F any] struct {
	Terms
	fault        F
	since        time.Time
	rng          *rand.Rand
	matched, hit int
}

// NewRules makes an empty list.
func NewRules[F any](seed uint64, now func() time.Time) *Rules[F] {
	return &Rules[F]{seed: seed, now: now}
}

// Add puts a rule into force, after those that are.
func (r *Rules[F]) Add(f F, t Terms) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made++
	if t.ID == "" {
		t.ID = "f" + strconv.Itoa(r.made)
	}
	if t.Percent == 0 {
		t.Percent = 100
	}
	if t.Seed == 0 {
		t.Seed = r.seed
	}
	r.rules = append(r.rules, &rule[F]{Terms: t, fault: f, since: r.now(),
		rng: rand.New(rand.NewPCG(t.Seed, uint64(r.made)))})
}

// Clear ends all rules.
func (r *Rules[F]) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules = nil
}

// Pick returns the first rule that strikes, with the id of this stroke: ID.1, ID.2 and on.
func (r *Rules[F]) Pick(matches func(F) bool) (fault F, id string, strikes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rules) == 0 {
		return fault, "", false
	}
	now := r.now()
	for _, x := range r.rules {
		age := now.Sub(x.since).Milliseconds()
		if !matches(x.fault) || age < x.FromMS || x.ForMS > 0 && age >= x.FromMS+x.ForMS {
			continue
		}
		x.matched++
		if x.matched <= x.Skip || x.Count > 0 && x.hit >= x.Count ||
			x.rng.Float64()*100 >= x.Percent {
			continue
		}
		x.hit++
		return x.fault, x.ID + "." + strconv.Itoa(x.hit), true
	}
	return fault, "", false
}
