package settings

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheReferencePageIsTrue holds docs/SETTINGS.md to the table that it is printed from.
func TestTheReferencePageIsTrue(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/SETTINGS.md")
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, Reference(&b))
	require.Equal(t, b.String(), string(page),
		"print it again: holdfast config reference > docs/SETTINGS.md")
}
