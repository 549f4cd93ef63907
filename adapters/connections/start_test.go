package connections

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// begin is the start of connection shop by the leader of a term.
func (w *world) begin(term uint64, c Connection) *start {
	adapter, err := w.kind.Connect(Link{Connection: c, Term: term})
	require.NoError(w.t, err)
	return &start{store: w.store, adapter: adapter, core: w.kind, conn: c, term: term, now: time.Now}
}

// TestAStartGoesOnWhereItWasCut cuts a start at each of its writes, before and after they happen,
// and begins it anew each time as the next leader. At the end every page was written exactly once:
// one that is written twice is a conflict that never ends.
func TestAStartGoesOnWhereItWasCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := w.save(shop())
		submits := 0
		w.store.Fail(func(tx *records.Tx) recordstest.Failure {
			if tx == nil {
				return recordstest.Works
			}
			submits++
			return []recordstest.Failure{recordstest.UnknownBefore, recordstest.UnknownAfter,
				recordstest.Works, recordstest.NoLeader}[submits%4]
		})
		failed := 0
		term := uint64(1)
		for ; ; term++ {
			err := w.begin(term, e.Connection).run(t.Context())
			if err == nil {
				break
			}
			failed++
			require.Less(t, failed, 100)
		}
		p := w.progress()
		require.Equal(t, StepDone, p.Step)
		require.Equal(t, 6*w.kind.pages, p.Pages)
		for _, s := range steps[:len(steps)-1] {
			require.Equal(t, 30, p.Rows[s], s)
		}
		require.Greater(t, failed, 12, "it was cut often enough")
		rows, _, err := w.store.List(t.Context(), records.Catalogue, "shop/", "", 1000)
		require.NoError(t, err)
		require.Len(t, rows, 6*w.kind.pages)
		w.kind.take()
		require.NoError(t, w.begin(term+1, e.Connection).run(t.Context()))
		require.Empty(t, w.kind.take(), "what is done is not done again")
	})
}

func TestADeposedLeaderWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := w.save(shop())
		old := w.begin(1, e.Connection)
		other := w.begin(2, e.Connection)
		once := false
		w.kind.page = func(_ Connection, step Step, cursor string) error {
			if step == StepAudit && cursor == "2" && !once {
				once = true
				return other.run(t.Context()) // while the old one reads its page
			}
			return nil
		}
		var fenced *FencedError
		require.ErrorAs(t, old.run(t.Context()), &fenced)
		require.Equal(t, uint64(2), fenced.Term)
		require.Equal(t, uint64(2), w.progress().Term)
		require.Equal(t, 6*w.kind.pages, w.progress().Pages)
		require.ErrorAs(t, old.run(t.Context()), &fenced, "nor does it begin again")
	})
}

func TestAnotherAccountIsAnotherStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := w.save(shop())
		require.NoError(t, w.begin(1, e.Connection).run(t.Context()))
		c := shop()
		c.Secrets["token"] = "env:OTHER"
		e = w.save(c)
		w.kind.take()
		require.NoError(t, w.begin(1, e.Connection).run(t.Context()))
		require.Empty(t, w.kind.take(), "another secret is the same account")
		c.Account = "other.example"
		e = w.save(c)
		w.kind.page = func(Connection, Step, string) error { return errVendor }
		require.ErrorIs(t, w.begin(1, e.Connection).run(t.Context()), errVendor)
		require.Equal(t, []string{"catalogue "}, w.kind.take())
	})
}

func TestAPageThatNamesItselfEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := w.save(shop())
		s := w.begin(1, e.Connection)
		s.adapter = stuck{s.adapter}
		require.ErrorIs(t, s.run(t.Context()), errStuck)
	})
}

type stuck struct{ Adapter }

func (stuck) Catalogue(context.Context, string) (Page, error) { return Page{Next: "same"}, nil }

// TestTheGate walks a connection from nothing to open, and through everything that closes it.
func TestTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		closed := func(reason string) {
			t.Helper()
			synctest.Wait()
			err := w.registry.Open("shop")
			if reason == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, reason)
		}
		closed("no connection shop")
		w.save(shop())
		closed("only observes")
		require.False(t, w.registry.Queues("shop"))
		foreign := Obstacle{Code: ForeignOrders, Detail: "CedCommerce", Names: []string{"#1001"}}
		w.kind.found = map[Step][]Obstacle{StepOrders: {foreign},
			StepAudit: {{Code: AuditConflicts, Detail: "two SKUs for one variant", Count: 3}}}
		e, err := w.registry.SetMode(t.Context(), "shop", On)
		require.NoError(t, err, "what a start has not found yet keeps the gate closed, not the document out")
		closed("start has not begun")
		require.True(t, w.registry.Queues("shop"))
		mode, why := e.Standing()
		require.Equal(t, "observe start has not begun", mode+" "+why[len("its "):])

		w.kind.page = func(_ Connection, step Step, _ string) error {
			if step == StepLevels {
				return errVendor
			}
			return nil
		}
		require.ErrorIs(t, w.begin(1, e.Connection).run(t.Context()), errVendor)
		closed("its start is at levels")
		w.kind.page = nil
		require.NoError(t, w.begin(1, e.Connection).run(t.Context()))
		closed("two SKUs for one variant")

		// The audit is mended; the other app is not off.
		_, err = w.registry.SetMode(t.Context(), "shop", On)
		var blocked *BlockedError
		require.ErrorAs(t, err, &blocked)
		require.Len(t, blocked.Obstacles, 1)
		require.Equal(t, ForeignOrders, blocked.Obstacles[0].Code)
		require.Equal(t, []string{"#1001"}, blocked.Obstacles[0].Names)
		require.NotEmpty(t, blocked.Obstacles[0].Do)
		require.ErrorContains(t, err, "#1001")

		w.kind.found = nil
		_, err = w.store.Submit(t.Context(), func() *records.Tx {
			var tx records.Tx
			for step := range w.progress().Rows {
				for _, at := range []string{"1", "2", "3"} {
					tx.Drop(records.Catalogue, "shop/"+string(step)+"/"+at, 0)
				}
			}
			tx.Drop(records.Cursors, "shop/start", 0)
			return &tx
		}())
		require.NoError(t, err)
		closed("start has not begun")
		require.NoError(t, w.begin(1, e.Connection).run(t.Context()))
		closed("")

		_, err = w.registry.SetMode(t.Context(), "shop", Paused)
		require.NoError(t, err)
		closed("it is paused")
		require.True(t, w.registry.Queues("shop"), "what happens meanwhile waits")
		w.live = []Obstacle{{Code: FulfilmentModel, Detail: "region eu"}}
		_, err = w.registry.SetMode(t.Context(), "shop", On)
		require.ErrorAs(t, err, &blocked)
		require.Equal(t, FulfilmentModel, blocked.Obstacles[0].Code)
		closed("it is paused")
		w.live = nil
		_, err = w.registry.SetMode(t.Context(), "shop", On)
		require.NoError(t, err)
		closed("")
	})
}

func TestObstaclesAddUp(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 50 {
		names = append(names, string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	all := merge(nil, []Obstacle{{Code: "x", Names: names[:15]}})
	all = merge(all, []Obstacle{{Code: "x", Names: names[10:]}, {Code: "y", Detail: "d"}})
	require.Len(t, all, 2)
	require.Equal(t, names[:maxNames], all[0].Names)
	require.Equal(t, 55, all[0].Count)
	require.Equal(t, 1, all[1].Count)
	require.Contains(t, all[0].String(), "and 35 more")
}
