package loopback

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFreeGivesDifferentPortsThatCanBeTaken(t *testing.T) {
	t.Parallel()
	addrs, err := Free(20)
	require.NoError(t, err)
	require.Len(t, addrs, 20)
	seen := map[string]bool{}
	for _, a := range addrs {
		assert.False(t, seen[a])
		seen[a] = true
		_, _, err := net.SplitHostPort(a)
		assert.NoError(t, err)
	}
}
