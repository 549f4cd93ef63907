package recordstest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/engine"
)

// TestConformance runs each clause in a bubble, so that what expires does so at once.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, c := range recordstest.Clauses() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := recordstest.New(recordstest.Options{})
				s.Define(t, recordstest.Setting()...)
				c.Test(t, s)
			})
		})
	}
}

func code(err error) string {
	var coded interface{ Code() string }
	if errors.As(err, &coded) {
		return coded.Code()
	}
	return ""
}

func TestFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		failure recordstest.Failure
		code    string
		happens bool
	}{
		{recordstest.Works, "", true},
		{recordstest.NoLeader, "no-leader", false},
		{recordstest.UnknownBefore, "outcome-unknown", false},
		{recordstest.UnknownAfter, "outcome-unknown", true},
	} {
		s := recordstest.New(recordstest.Options{})
		s.Fail(func(tx *records.Tx) recordstest.Failure {
			if tx == nil {
				return recordstest.Works
			}
			return c.failure
		})
		var tx records.Tx
		tx.Put(records.Record{Table: records.Rules, Key: "k"})
		_, err := s.Submit(t.Context(), &tx)
		require.Equal(t, c.code, code(err))
		_, ok, err := s.Get(t.Context(), records.Rules, "k")
		require.NoError(t, err)
		require.Equal(t, c.happens, ok)
	}
	s := recordstest.New(recordstest.Options{})
	s.Fail(func(*records.Tx) recordstest.Failure { return recordstest.NoLeader })
	_, _, err := s.Get(t.Context(), records.Rules, "k")
	require.Equal(t, "no-leader", code(err))
}

func TestASlowWatchIsToldThatItLost(t *testing.T) {
	t.Parallel()
	s := recordstest.New(recordstest.Options{Ring: 8})
	w := s.Watch(records.Rules)
	_, lost, err := w.Next(t.Context())
	require.NoError(t, err)
	require.True(t, lost)
	for i := range 20 {
		var tx records.Tx
		tx.Put(records.Record{Table: records.Rules, Key: fmt.Sprint("k", i)})
		_, err := s.Submit(t.Context(), &tx)
		require.NoError(t, err)
	}
	changes, lost, err := w.Next(t.Context())
	require.NoError(t, err)
	require.True(t, lost)
	require.LessOrEqual(t, len(changes), 8)
	require.Equal(t, "k19", changes[len(changes)-1].Key)
}

func TestTheClockIsTheCallers(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_700_000_000_000)
	s := recordstest.New(recordstest.Options{Now: func() time.Time { return now }})
	s.Define(t, recordstest.Setting()...)
	var tx records.Tx
	tx.Do(&engine.Adjust{SKU: "A", Location: "main", Delta: 1, Source: "test"},
		&engine.Reserve{ID: "r", Channel: "shop", Mode: engine.Strict, TTL: 5_000,
			Lines: []engine.Line{{SKU: "A", Qty: 1}}})
	tx.Remember("shop/orders/1", now.Add(time.Minute))
	_, err := s.Submit(t.Context(), &tx)
	require.NoError(t, err)

	now = now.Add(10 * time.Second)
	s.Tick()
	_, err = s.Ledger(t.Context(), func(l *engine.Ledger) bool {
		r, ok := l.Reservation("r")
		require.True(t, ok)
		require.Equal(t, engine.Expired, r.State)
		return false
	})
	require.NoError(t, err)
	_, seen, err := s.Get(t.Context(), records.Seen, "shop/orders/1")
	require.NoError(t, err)
	require.True(t, seen)
	now = now.Add(time.Minute)
	_, seen, err = s.Get(t.Context(), records.Seen, "shop/orders/1")
	require.NoError(t, err)
	require.False(t, seen)
}

func TestCloseEndsAWatch(t *testing.T) {
	t.Parallel()
	s := recordstest.New(recordstest.Options{})
	w := s.Watch(records.Rules)
	_, _, err := w.Next(t.Context())
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _, err := w.Next(context.Background())
		require.Error(t, err)
	})
	s.Close()
	wg.Wait()
}

func BenchmarkSubmit(b *testing.B) {
	s := recordstest.New(recordstest.Options{})
	body := make([]byte, 500)
	for i := 0; b.Loop(); i++ {
		var tx records.Tx
		tx.Put(records.Record{Table: records.Rules, Key: fmt.Sprint("k", i%100_000), Body: body})
		if _, err := s.Submit(b.Context(), &tx); err != nil {
			b.Fatal(err)
		}
	}
}
