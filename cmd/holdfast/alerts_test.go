package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/settings"
)

func TestASecretOfTheAlertsThatIsNotThereIsNamedByItsSetting(t *testing.T) {
	t.Parallel()
	v, err := settings.Load(settings.Sources{Environ: []string{
		"HOLDFAST_ALERTS_WEBHOOK_URL=http://127.0.0.1:1", "HOLDFAST_ALERTS_WEBHOOK_SECRET=env:NOT_THERE"}})
	require.NoError(t, err)
	_, err = alertsOf(v.Node().Alerts)
	require.ErrorContains(t, err, "alerts.webhook.secret: secret variable NOT_THERE is not set")
	assert.Equal(t, exitUsage, statusOf(err))
}
