package connections

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/engine"
)

func TestTheRegistryFollowsTheRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.save(shop())
		other := NewRegistry(w.store, Checks{}) // another node, that comes later
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- other.Run(ctx) }()
		synctest.Wait()
		e, ok := other.Entry("shop")
		require.True(t, ok)
		require.Equal(t, "shop", e.Channel, "a shop is a channel of its own name")
		changed := other.Changed()
		w.save(named("b"))
		<-changed
		require.Len(t, other.Entries(), 2)
		require.Equal(t, "b", other.Entries()[0].ID)
		got, err := other.Read(t.Context(), "b")
		require.NoError(t, err)
		require.Equal(t, other.Entries()[0], got, "memory and records agree")
		c := named("b")
		c.Mode = Paused
		w.save(c)
		_, err = w.registry.Delete(t.Context(), "b")
		require.NoError(t, err)
		synctest.Wait()
		_, ok = other.Entry("b")
		require.False(t, ok)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

// TestARegistryThatIsTooSlowReadsAll: a feed shorter than what happens at once.
func TestARegistryThatIsTooSlowReadsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.New(recordstest.Options{Ring: 2})
		r := NewRegistry(store, Checks{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		synctest.Wait()
		var tx records.Tx
		for i := range 20 {
			c := named(fmt.Sprintf("c%02d", i))
			tx.Put(records.Record{Table: records.Connections, Key: c.ID, Body: tx.Encode(c)})
		}
		_, err := store.Submit(t.Context(), &tx)
		require.NoError(t, err)
		synctest.Wait()
		require.Len(t, r.Entries(), 20)
		store.Close()
		require.Error(t, <-ended)
		require.Len(t, r.Entries(), 20, "what is in memory stays")
		cancel()
	})
}

func TestWhatASaveRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.save(shop())
		for name, x := range map[string]struct {
			change func(*Connection)
			code   string
		}{
			"not valid":           {func(c *Connection) { c.Account = "\x00" }, "invalid"},
			"not valid to a kind": {func(c *Connection) { c.Account = "refused" }, "invalid"},
			"another kind":        {func(c *Connection) { c.Kind = "amazon" }, "in-use"},
		} {
			c := shop()
			x.change(&c)
			_, err := w.registry.Save(t.Context(), c)
			var coded interface{ Code() string }
			require.ErrorAs(t, err, &coded, name)
			require.Equal(t, x.code, coded.Code(), name)
		}
		_, err := w.registry.Delete(t.Context(), "shop")
		require.ErrorContains(t, err, "pause it")
		_, err = w.registry.Delete(t.Context(), "none")
		var unknown *UnknownError
		require.ErrorAs(t, err, &unknown)
		_, err = w.registry.SetMode(t.Context(), "none", On)
		require.ErrorAs(t, err, &unknown)
		_, err = w.registry.SetMode(t.Context(), "shop", "off")
		var fault *engine.FieldError
		require.True(t, errors.As(err, &fault))
		for i := range maxConnections - 1 {
			w.save(named(fmt.Sprintf("c%d", i)))
		}
		_, err = w.registry.Save(t.Context(), named("onemore"))
		require.ErrorContains(t, err, "200 connections")
		w.save(shop()) // one that is there can still be changed
		_, err = w.registry.SetMode(t.Context(), "shop", Paused)
		require.NoError(t, err)
		c := shop()
		c.Mode = ""
		require.Equal(t, Paused, w.save(c).Mode, "a document without a mode changes none")
	})
}

// TestTwoWhoChangeOneConnection both succeed, one behind the other, and neither change is lost.
func TestTwoWhoChangeOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.save(shop())
		once := true
		w.store.Fail(func(tx *records.Tx) recordstest.Failure {
			if tx != nil && once {
				once = false
				c := shop()
				c.Account = "renamed.example"
				if _, err := w.registry.Save(t.Context(), c); err != nil {
					t.Error(err)
				}
			}
			return recordstest.Works
		})
		_, err := w.registry.SetMode(t.Context(), "shop", Paused)
		require.NoError(t, err)
		e, err := w.registry.Read(t.Context(), "shop")
		require.NoError(t, err)
		require.Equal(t, "renamed.example paused", e.Account+" "+e.Mode)
	})
}

func TestARemovedConnectionLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.save(scheduled("0 2 * * *"))
		w.lead(1)
		time.Sleep(3 * time.Hour)
		_, err := w.registry.SetMode(t.Context(), "shop", Paused)
		require.NoError(t, err)
		rows, _, err := w.store.List(t.Context(), records.Cursors, "shop/", "", 100)
		require.NoError(t, err)
		require.Len(t, rows, 3, "start, health and the flow's last run")
		time.Sleep(time.Minute)
		_, err = w.registry.Delete(t.Context(), "shop")
		require.NoError(t, err)
		time.Sleep(time.Minute)
		synctest.Wait()
		rows, _, err = w.store.List(t.Context(), records.Cursors, "shop/", "", 100)
		require.NoError(t, err)
		require.Empty(t, rows)
	})
}
