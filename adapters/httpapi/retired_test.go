package httpapi

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestAReservationThatHasLeftMemoryIsShown: reading by id goes on, listings are of what is in memory.
func TestAReservationThatHasLeftMemoryIsShown(t *testing.T) {
	t.Parallel()
	s, l := shop(t)
	body := `{"id":"ord-1","channel":"web","lines":[{"sku":"A","qty":2,"ref":"x"}]}`
	require.Equal(t, 201, s.do("POST", "/v1/reservations", body).status)
	require.Equal(t, 200, s.do("POST", "/v1/reservations/ord-1/ship", `{}`).status)
	before := s.do("GET", "/v1/reservations/ord-1", "").json(t)
	require.Contains(t, s.do("GET", "/v1/reservations", "").text, "ord-1")
	l.pass(25 * time.Hour)
	_, err := l.Submit(t.Context(), engine.Op{Command: &engine.Retire{Count: 10}})
	require.NoError(t, err)
	for _, level := range []string{"", "?level=stale"} {
		after := s.do("GET", "/v1/reservations/ord-1"+level, "")
		require.Equal(t, 200, after.status)
		m := after.json(t)
		require.NotEqual(t, before["index"], m["index"], "it is of the index of the read")
		delete(m, "index")
		delete(before, "index")
		require.Equal(t, before, m)
	}
	require.NotContains(t, s.do("GET", "/v1/reservations?state=shipped", "").text, "ord-1")
	clear(l.bodies)
	s.problem(503, "overloaded", "GET", "/v1/reservations/ord-1", "")
}
