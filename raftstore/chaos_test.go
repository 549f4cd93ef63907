package raftstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// history is what the callers of a chaotic run were told, by reservation id.
type history struct {
	mu      sync.Mutex
	yes, no map[string]bool
	calls   [][]string // the ids of each SubmitAll, in order
}

func (h *history) note(id string, r engine.Result, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil && r.Refusal == engine.Accepted:
		h.yes[id] = true
	case code(err) == "no-leader" || code(err) == "overloaded":
		h.no[id] = true
	}
}

// TestWhatWasSaidIsTrue cuts, heals, kills and restarts nodes under load, and then holds the ledger
// against every answer: yes is there, no is not there, and of each SubmitAll there is a prefix.
func TestWhatWasSaidIsTrue(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
			t.Logf("seed %d", seed)
			dice := rand.New(rand.NewPCG(seed, 1))
			c.stock(c.leader(), 100_000_000, "A")
			h := &history{yes: map[string]bool{}, no: map[string]bool{}}
			load, end := context.WithCancel(t.Context())
			stores := make([]atomic.Pointer[Store], 3)
			for i, n := range c.nodes {
				stores[i].Store(n.Store)
			}
			var callers sync.WaitGroup
			for k := range 4 {
				own := rand.New(rand.NewPCG(seed, uint64(k+2)))
				callers.Go(func() { h.call(load, stores, k, own) })
			}
			for range 8 {
				time.Sleep(time.Duration(200+dice.IntN(3000)) * time.Millisecond)
				i := dice.IntN(3)
				n := c.nodes[i]
				switch dice.IntN(4) {
				case 0:
					c.net.Cut(n.addr)
				case 1:
					c.net.LoseAnswers(n.addr, true)
				case 2:
					c.kill(n)
					c.start(n)
					stores[i].Store(n.Store)
				default:
					for _, n := range c.nodes {
						c.net.Heal(n.addr)
						c.net.LoseAnswers(n.addr, false)
					}
				}
			}
			for _, n := range c.nodes {
				c.net.Heal(n.addr)
				c.net.LoseAnswers(n.addr, false)
			}
			end()
			callers.Wait()
			time.Sleep(10 * time.Second)
			h.check(t, c)
		})
	}
}

// call submits until ctx ends: single commands, and now and then a call that spans entries.
func (h *history) call(ctx context.Context, stores []atomic.Pointer[Store], k int,
	dice *rand.Rand) {
	for i := 0; ctx.Err() == nil; i++ {
		time.Sleep(time.Duration(dice.IntN(40)) * time.Millisecond)
		s := stores[dice.IntN(3)].Load()
		id := fmt.Sprintf("r-%d-%d", k, i)
		if dice.IntN(250) > 0 {
			r, err := s.Submit(context.Background(), engine.Op{Command: reserve(id, "A", 1, time.Hour)})
			h.note(id, r, err)
			continue
		}
		var ops []engine.Op
		var ids []string
		for j := range 1200 {
			ids = append(ids, fmt.Sprintf("%s-%d", id, j))
			r := reserve(ids[j], "A", 1, time.Hour)
			for range 10 { // large, so that a call spans entries
				r.Lines = append(r.Lines, engine.Line{SKU: "A", Qty: 1, Ref: ids[j]})
			}
			ops = append(ops, engine.Op{Command: r})
		}
		s.SubmitAll(context.Background(), ops, func(j int, r engine.Result, err error) {
			h.note(ids[j], r, err)
		})
		h.mu.Lock()
		h.calls = append(h.calls, ids)
		h.mu.Unlock()
	}
}

func (h *history) check(t *testing.T, c *cluster) {
	t.Helper()
	there := func(l *engine.Ledger, id string) bool {
		_, ok := l.Reservation(id)
		return ok
	}
	for _, n := range c.nodes {
		_, _, err := n.Read(t.Context(), false, 0, func(l *engine.Ledger) bool {
			for id := range h.yes {
				require.True(t, there(l, id), "%s: %s was answered with yes", n.name, id)
			}
			for id := range h.no {
				require.False(t, there(l, id), "%s: %s did not happen, it was said", n.name, id)
			}
			for _, ids := range h.calls {
				ended := false
				for _, id := range ids {
					require.False(t, ended && there(l, id), "%s: not a prefix at %s", n.name, id)
					ended = ended || !there(l, id)
				}
			}
			return false
		})
		require.NoError(t, err)
		_, violations, err := n.Check(t.Context())
		require.NoError(t, err)
		assert.Empty(t, violations)
	}
	c.sameDigests()
	t.Logf("yes %d, no %d, calls %d", len(h.yes), len(h.no), len(h.calls))
	assert.NotEmpty(t, h.yes)
}
