package outbox

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTheBoardReadsBehindTheGate drives a board with random tasks that write and that read, of the same
// keys, while its connections are shut and opened at random. While one is shut only reads of it fly, and
// all of them do; a key never flies twice; and in the end nothing is left.
func TestTheBoardReadsBehindTheGate(t *testing.T) {
	t.Parallel()
	waited := 0
	for seed := range uint64(30) {
		dice := rand.New(rand.NewPCG(seed, 11))
		b := newBoard()
		b.reads = []string{"read"}
		now, version := int64(1_000_000), uint64(0)
		tasks := map[string]*Task{}
		air := map[string]*item{} // by key
		shut := map[string]bool{}
		news := func(x *Task) {
			version++
			b.learn(x, version, now)
		}
		launch := func() {
			for _, l := range b.order {
				if l.blocked = ""; shut[l.connection] {
					l.blocked = "observe"
				}
				for it := b.next(l, now); it != nil; it = b.next(l, now) {
					require.Nil(t, air[it.key], "seed %d: %s flies twice", seed, it.key)
					require.True(t, it.reads || !shut[l.connection], "seed %d: %s is written", seed, it.id)
					require.Equal(t, it.kind == "read", it.reads)
					b.fly(it)
					air[it.key] = it
				}
			}
		}
		land := func(it *item, s State) {
			delete(air, it.key)
			x := tasks[it.id]
			if x.State = s; s == Queued {
				x.NextAt = time.UnixMilli(now + dice.Int64N(2_000))
			} else {
				delete(tasks, it.id)
			}
			news(x)
			b.landed(it, now)
		}
		// drain lets all that flies land, and time pass, until done says so.
		drain := func(done func() bool) {
			for i := 0; !done(); i++ {
				require.Less(t, i, 10_000, "seed %d: %d tasks never run", seed, len(tasks))
				for _, it := range air {
					land(it, Done)
				}
				now += 1_000
				b.pass(now)
				launch()
			}
		}
		for i := range 2_000 {
			switch dice.IntN(5) {
			case 0:
				x := on(fmt.Sprint("c", dice.IntN(3)), task(fmt.Sprint("k", dice.IntN(20))))
				if x.Part, x.CreatedAt = fmt.Sprint(i), time.UnixMilli(now); dice.IntN(2) == 0 {
					x.Kind = "read"
				}
				x.born()
				tasks[x.ID] = &x
				news(&x)
			case 1, 2:
				if it := air[any1(dice, air)]; it != nil {
					land(it, []State{Queued, Done, Done, Failed}[dice.IntN(4)])
				}
			case 3:
				now += dice.Int64N(500)
				b.pass(now)
			case 4:
				c := fmt.Sprint("c", dice.IntN(3))
				shut[c] = !shut[c]
			}
			launch()
		}
		shut = map[string]bool{"c0": true, "c1": true, "c2": true}
		drain(func() bool {
			for _, x := range tasks {
				if x.Kind == "read" {
					return false
				}
			}
			return len(air) == 0
		})
		waited += len(tasks)
		launch()
		require.Empty(t, air)
		shut = nil
		launch()
		drain(func() bool { return len(tasks) == 0 })
		now += 60_000
		b.pass(now)
		launch()
		require.Empty(t, b.items)
		require.Empty(t, b.keys, "seed %d", seed)
	}
	require.Greater(t, waited, 30, "too few have waited for a gate")
}
