package apikeys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/engine"
)

// world is a store with the desk and the index of one node.
type world struct {
	t     testing.TB
	store *recordstest.Store
	index *Index
	desk  *Desk
}

// newWorld runs an index that can ask a leader at once. It is known when it returns.
func newWorld(t testing.TB) *world {
	w := &world{t: t, store: recordstest.New(recordstest.Options{})}
	w.index, w.desk = w.node(w.current)
	require.NoError(t, w.index.Known(t.Context()))
	return w
}

// current is a node that has everything: what the store holds says whether a key was made.
func (w *world) current(ctx context.Context) (bool, error) {
	_, ever, err := w.store.Get(ctx, records.APIKeys, countKey)
	return ever, err
}

// node is one more node over the same store.
func (w *world) node(current func(context.Context) (bool, error)) (*Index, *Desk) {
	x, err := NewIndex(Config{Store: w.store, Current: current, Pause: time.Millisecond})
	require.NoError(w.t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.Run(ctx)
	}()
	w.t.Cleanup(func() {
		stop()
		<-done
	})
	return x, NewDesk(w.store, x, time.Now)
}

func (w *world) create(role Role) (Key, Token) {
	k, token, err := w.desk.Create(w.t.Context(), Ask{Name: "one", Role: role, By: "local"})
	require.NoError(w.t, err)
	return k, token
}

func check(x *Index, token Token) *Caller { return x.Check([]byte(token.Reveal())) }

func code(err error) string {
	var coded interface{ Code() string }
	if errors.As(err, &coded) {
		return coded.Code()
	}
	return ""
}

func TestAKeyOpensUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Equal(t, None, w.index.State())
	local := w.index.Local()
	require.True(t, local.May(Admin))
	require.False(t, local.Gone())

	k, token := w.create(Admin)
	require.Equal(t, Some, w.index.State())
	require.True(t, local.Gone(), "who came without a key may nothing any more")
	caller := check(w.index, token)
	require.NotNil(t, caller)
	require.Equal(t, "key:"+k.ID, caller.Principal())
	require.True(t, caller.May(Admin) && caller.May(Read))

	other, second := w.create(Read)
	require.False(t, check(w.index, second).May(Write))
	require.Same(t, caller, check(w.index, token), "a caller stays the same while its key lives")

	gone, err := w.desk.Revoke(t.Context(), other.ID, "key:"+k.ID)
	require.NoError(t, err)
	require.False(t, gone.Live())
	require.Equal(t, "key:"+k.ID, gone.RevokedBy)
	require.Nil(t, check(w.index, second))
	again, err := w.desk.Revoke(t.Context(), other.ID, "key:somebody")
	require.NoError(t, err)
	require.Equal(t, gone.RevokedBy, again.RevokedBy)
	_, err = w.desk.Revoke(t.Context(), "nobodyhasone", "x")
	require.Equal(t, "unknown-key", code(err))
	_, err = w.desk.Get(t.Context(), countKey)
	require.Equal(t, "unknown-key", code(err), "the count is no key")
}

func TestWhatIsNotAKeyOpensNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, token := w.create(Admin)
	_, other := w.create(Admin)
	good := token.Reveal()
	last := "a"
	if strings.HasSuffix(good, last) {
		last = "b"
	}
	for _, bad := range []string{"", "hf_", "x", strings.ToUpper(good), good + "a", good[:len(good)-1],
		good[:len(good)-1] + last, " " + good[1:], strings.Replace(good, "hf_", "hf-", 1),
		good[:16] + other.Reveal()[16:], "hf_" + countKey + good[9:], strings.Repeat("\x00", len(good)),
		strings.Repeat("_", len(good)), strings.Repeat("hf_", 10_000)} {
		require.Nil(t, w.index.Check([]byte(bad)), bad)
	}
	require.NotNil(t, check(w.index, token))
}

func TestATokenIsKeptAndPrintedNowhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, token := w.create(Admin)
	secret := token.Reveal()[16:]
	rows, _, err := w.store.List(t.Context(), records.APIKeys, "", "", 100)
	require.NoError(t, err)
	require.Len(t, rows, 2)
	for _, r := range rows {
		require.NotContains(t, string(r.Body), secret)
	}
	text, err := json.Marshal(struct{ T Token }{token})
	require.NoError(t, err)
	require.NotContains(t, string(text)+fmt.Sprintf("%v %s %+v %#v %q", token, token, token, token, token),
		secret)
}

func TestThereIsAlwaysAnAdmin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, err := w.desk.Create(t.Context(), Ask{Name: "x", Role: Write})
	var field *engine.FieldError
	require.ErrorAs(t, err, &field)
	require.Equal(t, "role", field.Field)
	require.Equal(t, None, w.index.State())

	standing, _ := w.create(Admin)
	for range 20 { // two admins who revoke each other at once: one of them stays
		other, _ := w.create(Admin)
		both := make([]error, 2)
		var wg sync.WaitGroup
		for i, id := range []string{standing.ID, other.ID} {
			wg.Go(func() { _, both[i] = w.desk.Revoke(t.Context(), id, "x") })
		}
		wg.Wait()
		require.True(t, (both[0] == nil) != (both[1] == nil), "%v", both)
		require.Equal(t, "last-admin-key", code(errors.Join(both...)))
		if both[0] == nil {
			standing = other
		}
	}
	_, err = w.desk.Revoke(t.Context(), standing.ID, "x")
	require.Equal(t, "last-admin-key", code(err))
}

func TestAKeyIsMadeOnceUnderAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ask := Ask{Name: "x", Role: Admin, Key: engine.KeyOf("local", "k")}
	_, _, err := w.desk.Create(t.Context(), ask)
	require.NoError(t, err)
	_, _, err = w.desk.Create(t.Context(), ask)
	require.Equal(t, "idempotency-conflict", code(err))
	all, more, err := w.desk.List(t.Context(), "", 100)
	require.NoError(t, err)
	require.False(t, more)
	require.Len(t, all, 1)
}

func TestAKeyOfAnUnknownOutcomeStandsInTheList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store.Fail(func(tx *records.Tx) recordstest.Failure {
		if tx == nil {
			return recordstest.Works
		}
		return recordstest.UnknownAfter
	})
	_, _, err := w.desk.Create(t.Context(), Ask{Name: "lost", Role: Admin})
	require.Equal(t, "outcome-unknown", code(err))
	w.store.Fail(nil)
	w.create(Admin)
	all, _, err := w.desk.List(t.Context(), "", 100)
	require.NoError(t, err)
	require.Len(t, all, 2)
	for _, k := range all {
		if k.Name == "lost" {
			require.NoError(t, func() error { _, err := w.desk.Revoke(t.Context(), k.ID, "x"); return err }())
		}
	}
}

func TestANodeIsUnsureUntilItHasWhatWasAgreed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(context.Background())
		store := recordstest.New(recordstest.Options{})
		leader := make(chan struct{})
		x, err := NewIndex(Config{Store: store, Current: func(context.Context) (bool, error) {
			select {
			case <-leader:
				return false, nil
			default:
				return false, errors.New("no leader")
			}
		}})
		require.NoError(t, err)
		require.Equal(t, Unsure, x.State(), "before anything was read")
		go x.Run(ctx)
		time.Sleep(time.Minute)
		require.Equal(t, Unsure, x.State(), "an empty node that hears nobody")
		close(leader)
		time.Sleep(time.Second)
		require.Equal(t, None, x.State())
		stop()
		synctest.Wait()
	})
}

// TestANodeThatFindsAKeyAsksNobody is a node that starts alone from its folder.
func TestANodeThatFindsAKeyAsksNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, token := w.create(Admin)
	x, _ := w.node(func(ctx context.Context) (bool, error) {
		<-ctx.Done()
		return false, ctx.Err()
	})
	require.NoError(t, x.Known(t.Context()))
	require.Equal(t, Some, x.State())
	require.NotNil(t, check(x, token))
	require.True(t, x.Local().Gone())
}

// TestEveryNodeFollows makes and revokes on one node and looks at another whose watch loses changes.
func TestEveryNodeFollows(t *testing.T) {
	t.Parallel()
	w := &world{t: t, store: recordstest.New(recordstest.Options{Ring: 2})}
	w.index, w.desk = w.node(w.current)
	other, _ := w.node(w.current)
	require.NoError(t, other.Known(t.Context()))
	w.create(Admin)
	var tokens []Token
	var keys []Key
	for range 50 {
		k, token := w.create(Write)
		keys, tokens = append(keys, k), append(tokens, token)
	}
	for i, token := range tokens {
		require.NoError(t, other.wait(t.Context(), func(v *view) bool { return v.callers[keys[i].ID] != nil }))
		require.NotNil(t, check(other, token))
	}
	held := check(other, tokens[0])
	for _, k := range keys {
		_, err := w.desk.Revoke(t.Context(), k.ID, "x")
		require.NoError(t, err)
	}
	require.NoError(t, other.wait(t.Context(), func(v *view) bool { return len(v.callers) == 1 }))
	require.True(t, held.Gone())
	for _, token := range tokens {
		require.Nil(t, check(other, token))
	}
}

func TestOverItsLimitAKeyWaits(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0)
	now := func() time.Time { return at }
	for _, row := range []struct{ perSecond, burst int }{{1, 1}, {10, 10}, {3, 3}} {
		c := &Caller{step: time.Second / time.Duration(row.perSecond)}
		for i := range row.burst {
			require.Zero(t, c.Take(now), "request %d of %d", i, row.perSecond)
		}
		wait := c.Take(now)
		require.Positive(t, wait)
		require.LessOrEqual(t, wait, c.step)
		at = at.Add(wait)
		require.Zero(t, c.Take(now), "once the wait is over")
		require.Positive(t, c.Take(now))
		at = at.Add(-time.Hour)
		require.Zero(t, c.Take(now), "a clock that is set back locks nobody out")
		at = at.Add(time.Hour)
	}
	free := &Caller{}
	for range 1000 {
		require.Zero(t, free.Take(now))
	}
}

func TestAskIsChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for field, ask := range map[string]Ask{
		"role":       {Name: "x"},
		"per_second": {Name: "x", Role: Admin, PerSecond: -1},
		"name":       {Name: "a\nb", Role: Admin},
	} {
		_, _, err := w.desk.Create(t.Context(), ask)
		var wrong *engine.FieldError
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, field, wrong.Field)
	}
	for _, name := range []string{"", strings.Repeat("x", MaxName+1), "\xff"} {
		_, _, err := w.desk.Create(t.Context(), Ask{Name: name, Role: Admin})
		require.Error(t, err, name)
	}
}

func TestACheckAllocatesNothing(t *testing.T) {
	w := newWorld(t)
	_, token := w.create(Admin)
	shown := []byte(token.Reveal())
	wrong := []byte(strings.Repeat("x", len(shown)))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_ = w.index.State()
		w.index.Check(shown).Take(time.Now)
		w.index.Check(wrong)
	}))
}

func BenchmarkCheck(b *testing.B) {
	w := newWorld(b)
	_, token := w.create(Admin)
	shown := []byte(token.Reveal())
	b.ReportAllocs()
	for b.Loop() {
		if c := w.index.Check(shown); c == nil || !c.May(Write) || c.Take(time.Now) > 0 {
			b.Fatal("refused")
		}
	}
}

// TestANodeThatCanReadNoRecord starts on a full disk: it serves its own machine while the ledger says
// that no key was made, and nobody when one was that it cannot read.
func TestANodeThatCanReadNoRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fails := failingList{w.store, new(atomic.Bool)}
	fails.on.Store(true)
	x, err := NewIndex(Config{Store: fails, Pause: time.Millisecond,
		Current: w.current})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.Run(ctx)
	}()
	defer func() {
		stop()
		<-done
	}()
	require.NoError(t, x.Known(t.Context()))
	require.Equal(t, None, x.State())
	require.False(t, x.Local().Gone())

	_, token := w.create(Admin)
	require.NoError(t, x.wait(t.Context(), func(v *view) bool { return v.ever }))
	require.Equal(t, Unsure, x.State())
	require.True(t, x.Local().Gone())
	require.Nil(t, check(x, token))

	fails.on.Store(false)
	require.NoError(t, x.Known(t.Context()))
	require.Equal(t, Some, x.State())
	require.NotNil(t, check(x, token))
}

// failingList is a store whose lists fail while on says so.
type failingList struct {
	records.Store
	on *atomic.Bool
}

func (s failingList) List(ctx context.Context, t records.Table, prefix, after string, limit int) (
	[]records.Record, bool, error) {
	if s.on.Load() {
		return nil, false, errors.New("the disk is full")
	}
	return s.Store.List(ctx, t, prefix, after, limit)
}
