package shopify

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
)

func TestARotatedSecretCountsAtOnceAndAWithdrawnOneASecondLater(t *testing.T) {
	file := filepath.Join(t.TempDir(), "webhook")
	keep := func(secret string) { require.NoError(t, os.WriteFile(file, []byte(secret+"\n"), 0o600)) }
	e := &connections.Entry{Version: 7, Connection: connections.Connection{ID: "shop", Kind: kindName,
		Secrets: map[string]string{"webhook": "file:" + file}}}
	var all receivers
	now := time.Unix(1_800_000_000, 0)
	signed := func(secret string) bool {
		w := Webhook{Body: []byte("{}"), Signature: signature(secret, []byte("{}"))}
		return all.of(e, nil).signed(&w, now)
	}
	keep("old")
	require.True(t, signed("old"))
	require.False(t, signed("new"))
	require.NoError(t, os.Remove(file))
	require.True(t, signed("old"), "it was read a moment ago")
	keep("new")
	require.True(t, signed("new"), "what none has signed is held against the file as it is")
	require.False(t, signed("old"), "and then that counts")
	require.NoError(t, os.Remove(file))
	now = now.Add(keysFor)
	require.False(t, signed("new"))
	require.False(t, signed(""), "a file that is not there is no empty secret")
	keep("new")
	require.True(t, signed("new"))
	now = now.Add(-time.Hour)
	keep("newer")
	require.False(t, signed("new"), "a clock that was set back makes nothing last longer")
}

func TestAReceiverIsThatOfTheDocument(t *testing.T) {
	var all receivers
	e := connections.Entry{Version: 7, Connection: connections.Connection{ID: "shop", Kind: kindName,
		Locations: map[string]string{"gid://shopify/Location/1": "main"}}}
	first := all.of(&e, nil)
	require.Equal(t, "main", first.acc.ours("1"))
	require.Same(t, first, all.of(&e, nil))
	e.Version, e.Locations = 8, map[string]string{"gid://shopify/Location/1": "east"}
	require.Equal(t, "east", all.of(&e, nil).acc.ours("1"))
	e.Version, e.Settings = 9, json.RawMessage(`[]`)
	require.Error(t, all.of(&e, nil).fault)
}
