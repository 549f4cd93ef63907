package demo

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func plan(seed uint64, orders int) (*Catalogue, *Plan) {
	r := rand.New(rand.NewPCG(seed, 0))
	c := NewCatalogue(r)
	return c, NewPlan(r, c, orders)
}

func TestPlanIsMadeOfTheSeedAlone(t *testing.T) {
	t.Parallel()
	c1, p1 := plan(7, 500)
	c2, p2 := plan(7, 500)
	assert.Equal(t, c1, c2)
	assert.Equal(t, p1, p2)
	_, p3 := plan(8, 500)
	assert.NotEqual(t, p1, p3)
}

func TestPlanHasEverythingThatWasPromised(t *testing.T) {
	t.Parallel()
	c, p := plan(1, 5_000)
	assert.Len(t, c.Items, 1_000)
	assert.Len(t, c.kits, 50)
	assert.Len(t, c.Stock, 950*3)
	orders, batches, deliveries := 0, 0, 0
	seen, byFate := map[string]bool{}, map[Fate]int{}
	again, byChannel, kitsSold := map[Again]int{}, map[string]int{}, 0
	for _, w := range p.Work {
		if w.Delivery != nil {
			deliveries++
		}
		if len(w.Orders) > 1 {
			batches++
		}
		for _, o := range w.Orders {
			require.False(t, seen[o.ID], "id %s is there twice", o.ID)
			seen[o.ID] = true
			orders++
			byFate[o.Fate]++
			again[o.Again]++
			byChannel[o.Channel]++
			for _, l := range o.Lines {
				if c.kits[l.SKU] != nil {
					kitsSold++
				}
			}
		}
	}
	assert.Equal(t, 5_000, orders)
	assert.Positive(t, batches)
	assert.Positive(t, deliveries)
	assert.Positive(t, kitsSold)
	assert.Len(t, byFate, int(fates))
	assert.Len(t, again, 4)
	assert.Len(t, byChannel, 3)
	sum := 0
	for _, w := range fateWeights {
		sum += w
	}
	assert.Equal(t, 100, sum, "the weights are percents")
}

func TestKitsAreOneLevelDeep(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		c, _ := plan(seed, 1)
		for sku, kit := range c.kits {
			for _, part := range kit {
				assert.Nil(t, c.kits[part.SKU], "seed %d: %s has a kit inside", seed, sku)
			}
		}
	}
}
