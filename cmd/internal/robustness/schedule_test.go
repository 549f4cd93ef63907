package robustness

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"holdfast/cmd/internal/robustness/fault"
)

func TestScheduleIsTheSeeds(t *testing.T) {
	t.Parallel()
	chance := func(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 5)) }
	first := shuffled(FullCounts(), chance(1))
	assert.Equal(t, first, shuffled(FullCounts(), chance(1)))
	assert.NotEqual(t, first, shuffled(FullCounts(), chance(2)))
	done := Counts{}
	for _, k := range first {
		done[k]++
	}
	assert.Equal(t, FullCounts(), done)

	drawn := map[fault.Kind]bool{}
	r := chance(3)
	for range 1000 {
		drawn[draw(r)] = true
	}
	assert.Len(t, drawn, len(fault.Kinds), "every kind is drawn")
}
