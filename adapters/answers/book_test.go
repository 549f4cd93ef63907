package answers

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records/recordstest"
	"holdfast/engine"
)

func TestAClaimIsOfOneCommand(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	now := func() time.Time { return at }
	store := recordstest.New(recordstest.Options{Now: now})
	b, key := New(store, now), engine.KeyOf("api POST /x", "k")
	claim := func(of string) (Answer, bool) {
		t.Helper()
		a, known, err := b.Claim(t.Context(), key, of)
		require.NoError(t, err)
		return a, known
	}
	_, known := claim("a")
	require.False(t, known)
	_, known = claim("a")
	require.False(t, known, "whoever claimed it has not answered: it is done again")
	_, _, err := b.Claim(t.Context(), key, "b")
	var no *Error
	require.ErrorAs(t, err, &no)
	require.Equal(t, "idempotency-conflict", no.Code())

	require.NoError(t, b.Keep(t.Context(), key, "a", Answer{Status: 201, Index: 7, Body: []byte("{}")}))
	a, known := claim("a")
	require.True(t, known)
	require.Equal(t, Answer{Status: 201, Index: 7, Body: []byte("{}")}, a)
	_, _, err = b.Claim(t.Context(), key, "b")
	require.ErrorAs(t, err, &no)

	large := bytes.Repeat([]byte{'<'}, MaxBody)
	require.NoError(t, b.Keep(t.Context(), key, "a", Answer{Status: 200, Body: large}), "it fits a record")
	a, _ = claim("a")
	require.Len(t, a.Body, MaxBody)
	require.NoError(t, b.Keep(t.Context(), key, "a", Answer{Status: 200, Body: append(large, '<')}))
	a, known = claim("a")
	require.True(t, known)
	require.True(t, a.Cut && a.Body == nil)

	require.NoError(t, b.Forget(t.Context(), key))
	_, known = claim("b")
	require.False(t, known)

	at = at.Add(Kept + time.Minute)
	store.Tick()
	_, known = claim("c")
	require.False(t, known, "a day later it is a new key")
}
