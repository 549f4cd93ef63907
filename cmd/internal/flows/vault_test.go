package flows

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
	"holdfast/adapters/records/recordstest"
	"holdfast/engine"
)

// TestADocumentNamesNoFileOfTheMachine: what is saved is held to the folder of secrets.
func TestADocumentNamesNoFileOfTheMachine(t *testing.T) {
	t.Parallel()
	core, err := New(Config{Store: recordstest.New(recordstest.Options{}), Events: noEvents{},
		Now: time.Now, Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
		Vault: &connections.Vault{Folder: "/run/secrets"}})
	require.NoError(t, err)
	document := func(ref string) connections.Connection {
		return connections.Connection{ID: "shop", Kind: "shopify", Endpoint: "https://evil.example.com",
			Secrets: map[string]string{"token": ref}}
	}
	var fault *engine.FieldError
	for _, ref := range []string{"file:/etc/shadow", "file:/run/secretsx", "env:AWS_SECRET_ACCESS_KEY"} {
		_, err := core.registry.Save(t.Context(), document(ref))
		require.ErrorAs(t, err, &fault, ref)
		require.Equal(t, "secrets.token", fault.Field)
	}
	_, err = core.registry.Save(t.Context(), document("file:/run/secrets/shop"))
	require.NoError(t, err)
}
