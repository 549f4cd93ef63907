package schedule_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/loadtest/scenario"
	"holdfast/loadtest/schedule"
)

func parse(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("t.yaml", []byte(text))
	require.NoError(t, err)
	return s
}

func TestFixedArrivalsAreEven(t *testing.T) {
	t.Parallel()
	s := parse(t, "phases: [{duration: 1s, rate: 4, arrivals: fixed}]")
	var due []time.Duration
	for a := range schedule.Arrivals(s) {
		due = append(due, a.Due.Round(time.Microsecond))
	}
	assert.Equal(t, []time.Duration{250 * time.Millisecond, 500 * time.Millisecond,
		750 * time.Millisecond, time.Second}, due)
}

func TestArrivalsAreAPureFunction(t *testing.T) {
	t.Parallel()
	s := parse(t, "seed: 9\nphases: [{kind: spike, duration: 20s, from: 10, to: 500}, "+
		"{kind: ramp, duration: 10s, from: 500, to: 0}]")
	one := slices.Collect(schedule.Arrivals(s))
	assert.Equal(t, one, slices.Collect(schedule.Arrivals(s)))
	assert.True(t, slices.IsSortedFunc(one, func(a, b schedule.Arrival) int {
		return int(a.Due - b.Due)
	}))
	// 20 s at 255 a second on average and 10 s at 250; six deviations of a Poisson count.
	assert.InDelta(t, 5_100+2_500, len(one), 6*88)
	s.Seed = 10
	assert.NotEqual(t, one, slices.Collect(schedule.Arrivals(s)))
}

func TestCallsFollowTheShares(t *testing.T) {
	t.Parallel()
	s := parse(t, `phases: [{duration: 1s, rate: 1}]
mix: {reserve: 3, read: 1}
shares: {duplicates: 0.25}
skus: {count: 10, popularity: zipf, drop: {name: gem, at: 5s, share: 0.5}}
`)
	p := schedule.NewPlan(s)
	const n = 20_000
	reads, twice, early, late := 0, 0, 0, 0
	for i := range uint64(n) {
		c := p.Call(i, 0)
		require.Equal(t, c, p.Call(i, 0))
		if c.Op == "read" {
			reads++
		}
		if c.Duplicate {
			twice++
		}
		if c.SKU == "gem" {
			early++
		}
		if p.Call(i, 6*time.Second).SKU == "gem" {
			late++
		}
	}
	assert.InDelta(t, n/4, reads, 400)
	assert.InDelta(t, n/4, twice, 400)
	assert.Zero(t, early)
	assert.InDelta(t, n/2, late, 500)
}
