package connections

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestKindsCheckFlows(t *testing.T) {
	t.Parallel()
	kinds := Kinds{"shopify": &fakeKind{}, "erp": Outside{}}
	require.NoError(t, kinds.Check(shop()))
	c := shop()
	c.Flows = map[string]Flow{"fly": {}}
	require.ErrorContains(t, kinds.Check(c), "flows.fly: is not a flow of kind shopify, which has publish")
	c.Account = "refused"
	require.ErrorContains(t, kinds.Check(c), "account: is refused", "both are told")
	c.Kind = "amazon"
	require.ErrorContains(t, kinds.Check(c), "kind: is not in this build, which knows erp, shopify")
	require.Nil(t, kinds.Flows("amazon"))
}

// TestASystemThatComesByItself has an empty start, and its gate opens.
func TestASystemThatComesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.others = Kinds{"erp": Outside{}}
		w.kind.pages = 1
		w.save(Connection{ID: "erp", Kind: "erp", Mode: On})
		require.Error(t, w.registry.Open("erp"))
		require.Equal(t, "its start has not begun", w.registry.Blocked("erp"))
		w.lead(1)
		require.NoError(t, w.registry.Open("erp"))
		require.Empty(t, w.registry.Blocked("erp"))
		require.Equal(t, StateRunning, w.board.Health("erp").State)
		require.Equal(t, "unknown", w.registry.Blocked("none"))
		require.Empty(t, w.registry.Blocked(""), "what is ours is never closed")
	})
}
