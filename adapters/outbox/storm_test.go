package outbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// storm is an outside system in bad weather: it remembers what took effect, and fails in every way
// before or after it.
type storm struct {
	mu      sync.Mutex
	dice    *rand.Rand
	calm    bool
	effects map[string]int
	busy    map[string]string // key → the task that is being told
	faults  []string
}

func (s *storm) roll(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calm {
		return n - 1 // the last one is what works
	}
	return s.dice.IntN(n)
}

// begin and end hold the outside system to one call for a key at a time.
func (s *storm) begin(t Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.busy[t.Key]; other != "" {
		s.faults = append(s.faults, fmt.Sprintf("%s is told while %s is", t.ID, other))
	}
	s.busy[t.Key] = t.ID
}

func (s *storm) end(t Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, t.Key)
}

func (s *storm) effect(t Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.effects[t.ID]++
}

func (s *storm) look(t Task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.effects[t.ID] > 0
}

func (s *storm) Do(ctx context.Context, t Task) (Finish, error) {
	s.begin(t)
	defer s.end(t)
	wait := func(d time.Duration) {
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
	}
	wait(time.Duration(s.roll(500)) * time.Millisecond)
	if ctx.Err() != nil {
		return Finish{}, ctx.Err()
	}
	if t.Unknown && s.look(t) {
		return Finish{Result: "found"}, nil
	}
	unknown := &vendorError{class: exceptions.Transient, code: "500", unknown: true}
	switch s.roll(10) {
	case 0:
		return Finish{}, &vendorError{class: exceptions.Transient, code: "503"}
	case 1:
		return Finish{}, unknown
	case 2:
		s.effect(t)
		return Finish{}, unknown
	case 3:
		s.effect(t)
		wait(time.Hour) // until the context ends
		return Finish{}, ctx.Err()
	case 4:
		s.effect(t)
		panic("after the effect")
	case 5:
		return Finish{}, &vendorError{class: exceptions.Limit, code: "429", after: time.Second}
	}
	s.effect(t)
	return Finish{Result: "done"}, nil
}

// TestStorm: leaders come and go, some without knowing it, the store fails and the outside system too;
// every task takes effect exactly once, and one at a time for a key.
func TestStorm(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) { runStorm(t, w, seed) })
		})
	}
}

func runStorm(t *testing.T, w *world, seed uint64) {
	dice := rand.New(rand.NewPCG(seed, 1))
	s := &storm{dice: rand.New(rand.NewPCG(seed, 2)), effects: map[string]int{},
		busy: map[string]string{}}
	var mu sync.Mutex
	bad := true
	w.store.Fail(func(tx *records.Tx) recordstest.Failure {
		mu.Lock()
		defer mu.Unlock()
		if bad && tx != nil && s.roll(20) == 0 {
			return recordstest.Failure(1 + s.roll(3))
		}
		return recordstest.Works
	})
	submit := func(tx *records.Tx) {
		for {
			o, err := w.store.Submit(t.Context(), tx)
			if err == nil || codeOf(err) == "outcome-unknown" && o.Conflict {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	var leaders []func()
	const tasks = 120
	for i := range tasks {
		x := on(fmt.Sprint("c", dice.IntN(3)), task(fmt.Sprint("o", dice.IntN(30))))
		x.Part = fmt.Sprint(i)
		var tx records.Tx
		Enqueue(&tx, x)
		submit(&tx)
		if i%12 == 0 {
			leaders = append(leaders, w.leadStorm(s))
			if dice.IntN(2) == 0 && len(leaders) > 1 { // else the old one goes on, and does not know
				leaders[0]()
				leaders = leaders[1:]
			}
		}
		time.Sleep(time.Duration(dice.IntN(20)) * time.Second)
	}
	mu.Lock()
	bad = false
	mu.Unlock()
	s.mu.Lock()
	s.calm = true
	s.mu.Unlock()
	leaders = append(leaders, w.leadStorm(s))
	w.after(time.Hour)
	w.retryAll()
	w.after(time.Hour)
	for _, stop := range leaders {
		stop()
	}
	require.Empty(t, s.faults)
	require.Len(t, s.effects, tasks)
	for id, n := range s.effects {
		require.Equal(t, 1, n, "%s took effect %d times", id, n)
	}
	list, _, err := w.desk.List(t.Context(), Filter{}, "", 1000)
	require.NoError(t, err)
	require.Empty(t, w.open())
	for _, x := range list {
		require.Equal(t, Done, x.State, "%s", x.ID)
	}
}

// leadStorm has a leader begin, which begins again when the store failed it.
func (w *world) leadStorm(s *storm) (stop func()) {
	d, err := New(Config{Store: w.store, Gate: w.gate, Executors: map[string]Executor{"push": s}})
	require.NoError(w.t, err)
	w.term++
	term := w.term
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = d.Run(ctx, term) // it may be deposed, or the store may fail: then the term goes on
			time.Sleep(time.Second)
		}
	}()
	return func() { cancel(); <-done }
}

// retryAll is a person who retries everything that is open.
func (w *world) retryAll() {
	_, err := w.exc.Bulk(context.Background(), exceptions.Act{Do: exceptions.ActRetry},
		exceptions.Selection{Filter: exceptions.Filter{State: exceptions.Open}},
		func(string, exceptions.Exception, error) {})
	require.NoError(w.t, err)
}
