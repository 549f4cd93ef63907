package outbox

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// any1 is one of the keys of a map, the same for the same dice.
func any1[V any](dice *rand.Rand, m map[string]V) string {
	if len(m) == 0 {
		return ""
	}
	keys := slices.Sorted(maps.Keys(m))
	return keys[dice.IntN(len(keys))]
}

// TestTheBoardLosesNothing drives a board with random news and landings: a key never flies twice, what
// is due flies in the end, and nothing is kept of what has ended.
func TestTheBoardLosesNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		dice := rand.New(rand.NewPCG(seed, 7))
		b := newBoard()
		now, version := int64(1_000_000), uint64(0)
		tasks := map[string]*Task{}
		air := map[string]*item{} // by key
		news := func(x *Task) {
			version++
			b.learn(x, version, now)
		}
		land := func(it *item, s State) {
			delete(air, it.key)
			x := tasks[it.id]
			if x.State = s; s == Queued {
				x.NextAt = time.UnixMilli(now + dice.Int64N(5_000))
				if x.Unknown = dice.IntN(3) == 0; x.Unknown {
					x.ClaimUntil = time.UnixMilli(now + dice.Int64N(2_000))
				}
			} else {
				delete(tasks, it.id)
			}
			news(x)
			b.landed(it, now)
		}
		launch := func() {
			for _, l := range b.order {
				for it := b.next(l, now); it != nil; it = b.next(l, now) {
					require.Nil(t, air[it.key], "%s flies twice", it.key)
					b.fly(it)
					air[it.key] = it
				}
			}
		}
		for i := range 2_000 {
			switch dice.IntN(4) {
			case 0:
				x := on(fmt.Sprint("c", dice.IntN(3)), task(fmt.Sprint("k", dice.IntN(20))))
				x.Part, x.CreatedAt = fmt.Sprint(i), time.UnixMilli(now)
				x.born()
				if dice.IntN(5) == 0 {
					x.After = any1(dice, tasks)
				}
				tasks[x.ID] = &x
				news(&x)
			case 1:
				if x := tasks[any1(dice, tasks)]; x != nil && b.items[x.ID].place != flying {
					x.NextAt = time.UnixMilli(now + dice.Int64N(3_000)) // somebody outside changes it
					news(x)
				}
			case 2:
				if it := air[any1(dice, air)]; it != nil {
					land(it, []State{Queued, Done, Done, Failed}[dice.IntN(4)])
				}
			case 3:
				now += dice.Int64N(500)
				b.pass(now)
			}
			launch()
		}
		for i := 0; len(tasks) > 0; i++ {
			require.Less(t, i, 10_000, "seed %d: %d tasks never run", seed, len(tasks))
			for _, it := range air {
				land(it, Done)
			}
			now += 1_000
			b.pass(now)
			launch()
		}
		now += 60_000
		b.pass(now)
		launch()
		require.Empty(t, b.items)
		require.Empty(t, b.after)
		require.Empty(t, b.timers)
		require.Empty(t, b.keys, "seed %d", seed)
		for _, l := range b.order {
			require.Zero(t, l.waiting)
			require.Zero(t, l.running)
		}
	}
}
