package spapitest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryOperationHasItsBurstAndRate empties each bucket, and finds one token in it after 1/rate and
// no second one; another seller's is full all the while, and a speed divides the wait.
func TestEveryOperationHasItsBurstAndRate(t *testing.T) {
	t.Parallel()
	for _, speed := range []int{1, 60} {
		s, err := New(Config{Manual: true, Speed: speed})
		require.NoError(t, err)
		for _, op := range operations {
			take := func(key string) bool { return s.limits.take(key+op.name, op.rate, op.burst) }
			for range int(op.burst) {
				require.True(t, take("one"), "%s: within the burst of %v", op.name, op.burst)
			}
			require.False(t, take("one"), "%s: beyond the burst", op.name)
			gap := time.Duration(float64(time.Second) / op.rate / float64(speed))
			s.Advance(gap - gap/100)
			assert.False(t, take("one"), "%s: too soon", op.name)
			s.Advance(gap/100 + time.Microsecond)
			assert.True(t, take("one"), "%s: after %s", op.name, gap)
			assert.False(t, take("one"), "%s: one at a time", op.name)
			assert.True(t, take("two"), "%s: another seller's", op.name)
		}
		s.Close()
	}
}

// TestTheSameSeedBreaksTheSame: a script of faults strikes the same calls in two servers of one seed.
func TestTheSameSeedBreaksTheSame(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) (struck []int) {
		r := newRig(t, Config{Seed: seed, Faults: []Fault{{ID: "x", Kind: FaultError,
			Operation: "getOrder", Percent: 30, Skip: 2, Count: 8}}})
		r.check = false
		o := r.bought(PurchaseLine{SKU: "A"})
		for i := range 60 {
			r.calm()
			if r.api("GET", "/orders/2026-01-01/orders/"+o.ID, nil).status == 503 {
				struck = append(struck, i)
			}
		}
		return struck
	}
	first := run(7)
	assert.Len(t, first, 8)
	assert.GreaterOrEqual(t, first[0], 2)
	assert.Equal(t, first, run(7))
	assert.NotEqual(t, first, run(8))
}
