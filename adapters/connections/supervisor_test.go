package connections

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
)

func named(id string) Connection {
	c := shop()
	c.ID = id
	return c
}

// count is how often something was asked.
func count(asked []string, what string) (n int) {
	for _, a := range asked {
		if a == what {
			n++
		}
	}
	return n
}

func TestTheLeaderRunsAStartAndThenTheLoops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.save(shop())
		require.Equal(t, StateIdle, w.board.Health("shop").State)
		depose := w.lead(1)
		asked := w.kind.take()
		require.Equal(t, "run shop", asked[len(asked)-1])
		require.Equal(t, []string{"catalogue ", "catalogue 2", "catalogue 3", "mapping "}, asked[:4])
		require.Equal(t, StateRunning, w.board.Health("shop").State)
		w.save(named("late"))
		require.Equal(t, 1, count(w.kind.take(), "run late"), "one that is made later runs too")
		_, err := w.registry.SetMode(t.Context(), "late", Paused)
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, StatePaused, w.board.Health("late").State)
		require.Empty(t, w.kind.take())
		depose()
		require.Equal(t, StateIdle, w.board.Health("shop").State, "who does not lead knows nothing")
		w.lead(2)
		require.Equal(t, []string{"run shop"}, w.kind.take(), "the next leader has no start to do")
	})
}

// TestOneFailureTouchesNoOther: one connection panics, one fails, one hangs and one is of a kind
// that nobody knows; the fifth never notices.
func TestOneFailureTouchesNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		release := make(chan struct{})
		w.kind.loop = func(ctx context.Context, c Connection) error {
			switch c.ID {
			case "panics":
				panic("at the disco")
			case "fails":
				return errVendor
			case "ends":
				return nil
			case "hangs":
				<-release // deaf to ctx
				return ctx.Err()
			}
			<-ctx.Done()
			return ctx.Err()
		}
		for _, id := range []string{"ends", "fails", "hangs", "panics", "sound"} {
			w.save(named(id))
		}
		unknown := named("unknown")
		unknown.Kind = "netsuite"
		w.save(unknown)
		depose := w.lead(1)
		free := sync.OnceFunc(func() { close(release) })
		t.Cleanup(free) // before the one that deposes
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		asked := w.kind.take()
		require.Equal(t, 1, count(asked, "run sound"))
		require.Equal(t, StateRunning, w.board.Health("sound").State)
		for id, text := range map[string]string{"panics": "panic: at the disco", "fails": errVendor.Error(),
			"ends": "ended by themselves", "unknown": "no connections of kind netsuite"} {
			h := w.board.Health(id)
			require.Equal(t, StateFailing, h.State, id)
			require.Contains(t, h.Errors[len(h.Errors)-1].Error, text)
			require.Greater(t, h.Restarts, 6, "%s is begun again", id)
			require.Less(t, h.Restarts, 20, "%s: after pauses that grow", id)
		}
		// What hangs is ended by nobody, and removed by nobody, and still holds up nobody.
		for _, id := range []string{"hangs", "fails"} {
			_, err := w.registry.SetMode(t.Context(), id, Paused)
			require.NoError(t, err)
			_, err = w.registry.Delete(t.Context(), id)
			require.NoError(t, err)
		}
		w.save(named("new"))
		require.Equal(t, 1, count(w.kind.take(), "run new"))
		free()
		depose()
	})
}

// TestTheLoopsOfTwoDocumentsNeverOverlap: the old ones take a second to end.
func TestTheLoopsOfTwoDocumentsNeverOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var running, most atomic.Int32
		w.kind.loop = func(ctx context.Context, _ Connection) error {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			<-ctx.Done()
			time.Sleep(time.Second)
			return ctx.Err()
		}
		w.save(shop())
		w.lead(1)
		for i := range 5 {
			c := shop()
			c.Locations = map[string]string{"1": fmt.Sprint("l", i)}
			w.save(c)
			time.Sleep(time.Duration(i) * 400 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, int32(1), running.Load())
		require.Equal(t, int32(1), most.Load())
	})
}

func TestAConnectionThatMendsIsSound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var mended atomic.Bool
		w.kind.loop = func(ctx context.Context, _ Connection) error {
			if !mended.Load() {
				return errVendor
			}
			<-ctx.Done()
			return ctx.Err()
		}
		w.save(shop())
		w.lead(1)
		time.Sleep(time.Minute)
		mended.Store(true)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Equal(t, StateRunning, w.board.Health("shop").State)
		require.NotEmpty(t, w.board.Health("shop").Errors)
	})
}

// scheduled is a shop whose flow publish runs at two every night.
func scheduled(cron string) Connection {
	c := shop()
	c.Flows = map[string]Flow{"publish": {On: OnSchedule, Cron: cron}}
	return c
}

const published = "flow publish of shop"

func TestAFlowRunsByTheClockBesideWhatHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := scheduled("0 2 * * *")
		c.Flows["publish"] = Flow{On: OnEvent, Cron: "0 2 * * *"}
		w.save(c)
		w.lead(1)
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		require.Equal(t, 1, count(w.kind.take(), published))
		tables, err := w.flows.Timetables(t.Context())
		require.NoError(t, err)
		require.Equal(t, OnEvent, tables[0].On)
		require.Equal(t, 2, tables[0].NextAt.Hour())
	})
}

func TestASchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a bubble begins at midnight of 1 January 2000, UTC
		w := newWorld(t)
		w.save(scheduled("0 2 * * *"))
		depose := w.lead(1)
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		require.Zero(t, count(w.kind.take(), published), "what was due before is due to nobody")
		time.Sleep(31 * time.Minute)
		synctest.Wait()
		require.Equal(t, 1, count(w.kind.take(), published))
		depose()
		time.Sleep(5 * 24 * time.Hour) // five nights without a leader
		depose = w.lead(2)
		require.Equal(t, 1, count(w.kind.take(), published), "what was missed runs once")
		time.Sleep(20 * time.Hour)
		synctest.Wait()
		require.Zero(t, count(w.kind.take(), published))
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		require.Equal(t, 1, count(w.kind.take(), published))
		tables, err := w.flows.Timetables(t.Context())
		require.NoError(t, err)
		require.Equal(t, "publish", tables[0].Flow)
		require.Equal(t, Ended, tables[0].Last.State)
		require.Equal(t, 2, tables[0].NextAt.Hour())
		require.Equal(t, OnEvent, tables[1].On)
		depose()
		depose = w.lead(3)
		require.Zero(t, count(w.kind.take(), published), "a leader that comes runs nothing again")
		time.Sleep(3 * time.Hour)
		w.save(scheduled("30 * * * *"))
		require.Zero(t, count(w.kind.take(), published), "another schedule has missed nothing")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, 1, count(w.kind.take(), published))
		depose()
	})
}

func TestWhatWasMissedWaitsForTheEndOfQuietHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := scheduled("0 21 * * *")
		c.Flows["publish"] = Flow{On: OnSchedule, Cron: "0 21 * * *", Quiet: "22:00-06:00"}
		w.save(c)
		w.lead(1)()
		time.Sleep(23 * time.Hour)
		w.lead(2)
		time.Sleep(6*time.Hour + 59*time.Minute)
		synctest.Wait()
		require.Zero(t, count(w.kind.take(), published))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 1, count(w.kind.take(), published))
	})
}

// TestARunThatALostLeaderHadBegun is begun again, of a schedule and of a person.
func TestARunThatALostLeaderHadBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.save(scheduled("0 2 * * *"))
		w.kind.flow = func(ctx context.Context, _ Run) error {
			<-ctx.Done()
			return ctx.Err()
		}
		depose := w.lead(1)
		runs, err := w.flows.Ask(t.Context(), Ask{Flow: "sweep", Connection: "shop", IDs: []string{"7"}})
		require.NoError(t, err)
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		asked := w.kind.take()
		require.Equal(t, 1, count(asked, published))
		require.Equal(t, 1, count(asked, "flow sweep of shop"))
		depose()
		var again []Run
		w.kind.flow = func(_ context.Context, r Run) error {
			w.kind.mu.Lock()
			defer w.kind.mu.Unlock()
			again = append(again, r)
			return nil
		}
		w.lead(2)
		require.Len(t, again, 2)
		i := slices.IndexFunc(again, func(r Run) bool { return r.Flow == "sweep" })
		require.Equal(t, runs[0].ID, again[i].ID)
		require.Equal(t, []string{"7"}, again[i].IDs)
		require.Equal(t, uint64(2), again[i].Term)
		all, err := w.flows.Runs(t.Context(), "shop", 10)
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.Equal(t, Ended, all[0].State)
	})
}

func TestAskingForAFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.save(shop())
		w.save(named("b2b"))
		paused := named("off")
		paused.Mode = Paused
		w.save(paused)
		w.kind.flow = func(_ context.Context, r Run) error {
			if r.Connection == "b2b" {
				return errVendor
			}
			return nil
		}
		runs, err := w.flows.Ask(t.Context(), Ask{Flow: "sweep", By: "ops", Key: "k1"})
		require.NoError(t, err)
		require.Len(t, runs, 2, "every connection that is not paused")
		require.Equal(t, Queued, runs[0].State)
		again, err := w.flows.Ask(t.Context(), Ask{Flow: "sweep", Key: "k1"})
		require.NoError(t, err)
		require.Equal(t, runs, again, "the same key is the same run")
		w.lead(1) // which was asked for before anybody led
		asked := w.kind.take()
		require.Equal(t, 1, count(asked, "flow sweep of shop"))
		require.Equal(t, 1, count(asked, "flow sweep of b2b"))
		ended, err := w.flows.Runs(t.Context(), "b2b", 10)
		require.NoError(t, err)
		require.Equal(t, Failed, ended[0].State)
		require.Equal(t, errVendor.Error(), ended[0].Error)
		require.Equal(t, "ops", ended[0].By)
		again, err = w.flows.Ask(t.Context(), Ask{Flow: "sweep", Key: "k1"})
		require.NoError(t, err)
		require.Equal(t, Ended, again[1].State, "and stays so when it has ended")
		time.Sleep(keepRuns + time.Second)
		w.store.Tick()
		ended, err = w.flows.Runs(t.Context(), "b2b", 10)
		require.NoError(t, err)
		require.Empty(t, ended)

		for code, ask := range map[string]Ask{
			"unknown-connection": {Flow: "sweep", Connection: "none"},
			"unknown-flow":       {Flow: "fly", Connection: "shop"},
			"in-use":             {Flow: "sweep", Connection: "off"},
			"invalid":            {Flow: "sweep", IDs: []string{""}},
		} {
			_, err := w.flows.Ask(t.Context(), ask)
			var coded interface{ Code() string }
			require.ErrorAs(t, err, &coded, code)
			require.Equal(t, code, coded.Code())
		}
		_, err = w.flows.Ask(t.Context(), Ask{Flow: "fly"})
		require.ErrorContains(t, err, "no connection that is not paused knows flow fly")
		now := time.Now()
		_, err = w.flows.Ask(t.Context(), Ask{Flow: "sweep", From: now, To: now})
		require.ErrorContains(t, err, "to: must be later")
		_, err = w.flows.Ask(t.Context(), Ask{Flow: "sweep", IDs: make([]string, maxIDs+1)})
		require.ErrorContains(t, err, "ids: must be at most")
		_, err = w.flows.Ask(t.Context(), Ask{Flow: FlowStart})
		require.ErrorContains(t, err, "connection: is required")
	})
}

func TestRunsThatWaitAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.save(shop())
		for i := range maxWaiting {
			_, err := w.flows.Ask(t.Context(), Ask{Flow: "sweep", Connection: "shop", Key: fmt.Sprint(i)})
			require.NoError(t, err)
		}
		_, err := w.flows.Ask(t.Context(), Ask{Flow: "sweep", Connection: "shop"})
		require.ErrorContains(t, err, "100 runs that wait")
		running, most := 0, 0
		w.kind.flow = func(context.Context, Run) error {
			running++
			most = max(most, running)
			time.Sleep(time.Second)
			running--
			return nil
		}
		w.lead(1)
		time.Sleep(200 * time.Second)
		synctest.Wait()
		require.Equal(t, maxWaiting, count(w.kind.take(), "flow sweep of shop"), "each runs once")
		require.Equal(t, 1, most, "one flow runs once at a time")
	})
}

func TestAStartCanBeAskedForAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.kind.pages = 1
		w.save(shop())
		w.lead(1)
		before := w.progress()
		w.kind.take()
		var tx records.Tx
		for _, s := range steps {
			tx.Drop(records.Catalogue, "shop/"+string(s)+"/1", 0)
		}
		_, err := w.store.Submit(t.Context(), &tx)
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, err = w.flows.Ask(t.Context(), Ask{Flow: FlowStart, Connection: "shop"})
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, []string{"catalogue ", "mapping ", "audit ", "orders ", "levels ", "drift ",
			"run shop"}, w.kind.take())
		require.True(t, w.progress().StartedAt.After(before.StartedAt))
		require.Equal(t, StepDone, w.progress().Step)
	})
}

func TestHealthIsSeenOnEveryNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.save(shop())
		depose := w.lead(1)
		r := w.board.Reporter("shop")
		mark := time.Now().Add(-time.Minute)
		r.Watermark(mark)
		r.Watermark(mark.Add(-time.Hour))
		r.Lag("orders", 1500*time.Millisecond)
		r.Limit("graphql", Limit{Left: 900, Of: 1000})
		r.Succeeded()
		for i := range maxFaults + 5 {
			r.Failed("sweep", fmt.Errorf("fault %d", i))
		}
		r.Failed("sweep", fmt.Errorf("fault %d", maxFaults+4))
		for i := range maxWould + 5 {
			r.Would("shopify.quantity", fmt.Sprint(i), strings.Repeat("x", 1000))
		}
		time.Sleep(healthEvery + time.Second)
		synctest.Wait()
		follower := NewBoard(time.Now)
		for _, board := range []*Board{w.board, follower} {
			h, err := HealthOf(t.Context(), board, w.store, "shop")
			require.NoError(t, err)
			require.Equal(t, StateRunning, h.State)
			require.True(t, h.Watermark.Equal(mark), "it never goes back")
			require.Equal(t, Millis(1500), h.Lag["orders"])
			require.Equal(t, Limit{Left: 900, Of: 1000}, h.Limits["graphql"])
			require.Len(t, h.Errors, maxFaults)
			require.Equal(t, 2, h.Errors[maxFaults-1].Times)
			require.Equal(t, int64(maxWould+5), h.WouldSend)
			require.Len(t, h.Would, maxWould)
			require.Equal(t, fmt.Sprint(maxWould+4), h.Would[maxWould-1].Key)
			require.Len(t, h.Would[0].What, maxSaid)
		}
		depose()
		h, err := HealthOf(t.Context(), follower, w.store, "none")
		require.NoError(t, err)
		require.Equal(t, StateIdle, h.State)
	})
}
