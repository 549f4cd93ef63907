package exceptions

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// clerk notes what orders were told to do.
type clerk struct {
	told []Remedy
	no   error
	then func()
}

func (c *clerk) Remedy(_ context.Context, id string, r Remedy) error {
	r.SKU += "|" + id
	c.told = append(c.told, r)
	if c.then != nil {
		c.then()
	}
	return c.no
}

func TestARemedyIsDoneBeforeTheExceptionIsClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, s *recordstest.Store) {
		orders := &clerk{no: &Error{"insufficient-stock", "no room"}}
		d := NewDesk(s, nil, time.Now).With(orders)
		e := cause("short:o1")
		e.Key, e.Actions = "o1", []string{ActWait, ActMove, ActSubstitute}
		raise(t, s, e)
		id := ID(e.Trace)
		do := func(r Remedy) (Exception, records.Outcome, error) {
			return d.Do(t.Context(), Act{ID: id, Do: ActResolve, Remedy: r, By: "ann"})
		}
		_, _, err := do(Remedy{Do: ActCancel})
		require.Equal(t, "wrong-state", code(err), "it is none of its actions")
		require.Empty(t, orders.told)
		_, _, err = do(Remedy{Do: ActMove, Location: "east"})
		require.Equal(t, "insufficient-stock", code(err))
		got, err := d.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, Open, got.State, "it could not be done")

		orders.no = nil
		got, _, err = do(Remedy{Do: ActMove, Location: "east"})
		require.NoError(t, err)
		require.Equal(t, []any{Resolved, "ann", "move at east"}, []any{got.State, got.ClosedBy, got.Note})
		require.Equal(t, Remedy{Do: ActMove, By: "ann", Location: "east", SKU: "|o1"}, orders.told[1])
		_, _, err = do(Remedy{Do: ActMove, Location: "east"})
		require.Equal(t, "wrong-state", code(err))
		require.Len(t, orders.told, 2)

		raise(t, s, e)
		got, _, err = do(Remedy{Do: ActWait})
		require.NoError(t, err)
		require.Equal(t, Resolved, got.State)
		require.Len(t, orders.told, 2, "to wait is to do nothing")

		// What the remedy mends closes the exception by itself.
		raise(t, s, e)
		orders.then = func() { clearIt(t, s, e.Trace) }
		got, _, err = do(Remedy{Do: ActSubstitute, With: "B"})
		require.NoError(t, err)
		require.Equal(t, []any{Resolved, BySuccess}, []any{got.State, got.ClosedBy})
		_, _, err = NewDesk(s, nil, time.Now).Do(t.Context(), Act{ID: ID("none"), Do: ActResolve,
			Remedy: Remedy{Do: ActMove}})
		require.Equal(t, "unknown-exception", code(err))
	})
}
