package spapi

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestABucketStartsFullAndRefills(t *testing.T) {
	w := newWorld(t)
	w.says(answer{200, `{"orders":[],"createdBefore":"2026-11-23T11:58:00Z"}`, nil})
	search := func() error {
		_, err := w.client.SearchOrders(t.Context(), Search{CreatedAfter: time.Unix(0, 0)})
		return err
	}
	for range 20 {
		require.NoError(t, search())
	}
	err := search()
	require.Error(t, err)
	assert.Equal(t, CodeThrottled, CodeOf(err))
	var f *Fault
	require.True(t, asFault(err, &f))
	assert.InDelta(t, 178.6, f.RetryAfter().Seconds(), 0.1, "1 / 0.0056 a second")
	assert.False(t, f.Unknown())
	assert.Equal(t, 20, w.calls(), "nothing was sent")
	w.clock.Advance(f.RetryAfter())
	require.NoError(t, search())
	assert.Equal(t, Limit{Operation: "searchOrders", Left: 0, Of: 20, Every: interval(0.0056)},
		w.client.Budgets().Limits()[0])
}

func TestALimitIsLearntFromTheAnswer(t *testing.T) {
	w := newWorld(t)
	raised := map[string]string{"x-amzn-RateLimit-Limit": "50.0"}
	w.says(answer{200, `{"sku":"x"}`, raised})
	began := w.clock.Now()
	for range 10 + 50 {
		require.NoError(t, look(w.client))
	}
	assert.InDelta(t, 1.0, w.clock.Now().Sub(began).Seconds(), 0.25, "10 at once, then 50 a second")
	for _, odd := range []string{"string", "-1", "0", "NaN", "1e99", "Inf"} {
		w.says(answer{200, `{"sku":"x"}`, map[string]string{"x-amzn-RateLimit-Limit": odd}})
		require.NoError(t, look(w.client))
		assert.Equal(t, 20*time.Millisecond, w.client.budgets.of(opGetListing).every, odd)
	}
}

func TestARefusalWithoutATimeHoldsEverybodyBack(t *testing.T) {
	w := newWorld(t)
	w.says(answer{429, apiErrors("QuotaExceeded", "You exceeded your quota.", ""), nil},
		answer{200, `{"sku":"x"}`, nil})
	began := w.clock.Now()
	require.NoError(t, look(w.client))
	waited := w.clock.Now().Sub(began)
	assert.GreaterOrEqual(t, waited, 125*time.Millisecond)
	assert.LessOrEqual(t, waited, time.Second)

	// Of a slow operation nobody calls again before an interval is over, and nobody waits for it here.
	w.says(answer{429, "", nil})
	err := ask(w.client)
	var f *Fault
	require.True(t, asFault(err, &f))
	assert.Equal(t, CodeThrottled, f.Code())
	assert.Greater(t, f.RetryAfter(), 25*time.Second)
	before := w.calls()
	assert.Equal(t, CodeThrottled, CodeOf(ask(w.client)))
	assert.Equal(t, before, w.calls(), "another flow of the account is not sent either")
	require.NoError(t, func() error {
		w.says(answer{200, `{"sku":"x"}`, nil})
		return look(w.client)
	}(), "other operations go on")
}

func TestPausesGrowAreBoundedAndDiffer(t *testing.T) {
	c := newClock()
	low := Config{Now: c.Now, Jitter: func(int64) int64 { return 0 }, Speed: 1}
	high := low
	high.Jitter = func(n int64) int64 { return n - 1 }
	a, b := newBudgets(low).of(opGetListing), newBudgets(high).of(opGetListing)
	var last time.Duration
	for i := range 20 {
		pa, pb := a.refused(0), b.refused(0)
		assert.Less(t, pa, pb, "not the same everywhere")
		assert.LessOrEqual(t, pb, maxStrike)
		if i < 4 {
			assert.Greater(t, pb, last)
		}
		last = pb
		c.Advance(pb)
	}
	a.settle(http.Header{})
	assert.Zero(t, a.strikes)
	assert.Equal(t, time.Minute*10, newBudgets(low).of(opGetListing).refused(10*time.Minute),
		"what Amazon asks for counts")
}

func TestTheUrgentGoFirst(t *testing.T) {
	c := newClock()
	release := make(chan struct{})
	var pauses sync.Once
	started := make(chan struct{})
	b := newBudgets(Config{Now: c.Now, Speed: 1, Jitter: func(int64) int64 { return 0 },
		Pause: func(ctx context.Context, d time.Duration) error {
			pauses.Do(func() { close(started); <-release })
			return c.Pause(ctx, d)
		}}).of(opPatchListing)
	for range 5 {
		require.NoError(t, b.take(t.Context(), Ordinary))
	}
	var mu sync.Mutex
	var order []Urgency
	var all sync.WaitGroup
	queue := func(u Urgency, waiting int) {
		all.Go(func() {
			assert.NoError(t, b.take(context.Background(), u))
			mu.Lock()
			defer mu.Unlock()
			order = append(order, u)
		})
		require.Eventually(t, func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return len(b.waiting[u]) == waiting
		}, 5*time.Second, time.Millisecond)
	}
	queue(Background, 1)
	<-started
	queue(Ordinary, 1)
	queue(Falls, 1)
	close(release)
	all.Wait()
	assert.Equal(t, Falls, order[0])
	assert.ElementsMatch(t, []Urgency{Falls, Ordinary, Background}, order)
}

func TestARegionsTroubleIsItsOwn(t *testing.T) {
	na, eu := newWorld(t), newWorld(t)
	na.says(answer{429, "", nil})
	eu.says(answer{200, `{"sku":"x"}`, nil})
	assert.Error(t, look(na.client))
	began := eu.clock.Now()
	for range 10 {
		require.NoError(t, look(eu.client))
	}
	assert.Equal(t, began, eu.clock.Now(), "nobody has waited")
}

func TestACallThatCannotBeInTimeIsNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	b := w.client.budgets.of(opGetListing)
	for range 10 {
		require.NoError(t, b.take(t.Context(), Ordinary))
	}
	ctx, cancel := context.WithDeadline(t.Context(), w.clock.Now().Add(100*time.Millisecond))
	defer cancel()
	began := w.clock.Now()
	err := b.take(ctx, Ordinary)
	assert.Equal(t, CodeThrottled, CodeOf(err))
	assert.Equal(t, began, w.clock.Now())
	require.NoError(t, b.take(t.Context(), Ordinary), "the token was not taken")
}

func TestALongLineIsRefusedAtItsEnd(t *testing.T) {
	w := newWorld(t)
	b := w.client.budgets.of(opGetListing)
	ctx, cancel := context.WithCancel(t.Context())
	b.cfg = &Config{Now: w.clock.Now, Pause: func(ctx context.Context, _ time.Duration) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	for range 10 {
		require.NoError(t, b.take(ctx, Ordinary))
	}
	var all sync.WaitGroup
	refused := make(chan error, 100)
	for range 100 {
		all.Go(func() { refused <- b.take(ctx, Ordinary) })
	}
	require.Eventually(t, func() bool { return len(refused) == 75 }, 5*time.Second, time.Millisecond,
		"five seconds at five a second are 25")
	cancel()
	all.Wait()
}
