package settings

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAlertsAreCheckedByTheirKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ env, fault string }{
		{"ALERTS_WEBHOOK_URL=hooks.example.com", "alerts.webhook.url"},
		{"ALERTS_WEBHOOK_URL=ftp://x", "alerts.webhook.url"},
		{"ALERTS_MAIL_SERVER=mail.example.com", "alerts.mail.server"},
		{"ALERTS_MAIL_FROM=nobody", "alerts.mail.from"},
		{"ALERTS_MAIL_FROM=A <a@b.example>", "alerts.mail.from"},
		{"ALERTS_MAIL_TO=a@b.example,,c@d.example", "alerts.mail.to"},
		{"SYNC_SPEED=0", "sync.speed"},
		{"SYNC_SPEED=fast", "sync.speed"},
		{"SYNC_SPEED=1001", "sync.speed"},
	} {
		_, err := Load(Sources{Environ: []string{"HOLDFAST_" + c.env}})
		assert.ErrorContains(t, err, c.fault+" (environment HOLDFAST_", c.env)
	}
}

func TestASecretOfTheAlertsIsNotWrittenIntoTheFile(t *testing.T) {
	t.Parallel()
	_, err := Load(Sources{File: yamlFile(t, "alerts:\n  mail:\n    password: hunter2\n")})
	require.ErrorContains(t, err, "alerts.mail.password")
	assert.NotContains(t, err.Error(), "hunter2")
}

func TestAlertsSayAllThatTheyNeed(t *testing.T) {
	t.Parallel()
	mail := []string{"HOLDFAST_ALERTS_MAIL_SERVER=m.example:587", "HOLDFAST_ALERTS_MAIL_FROM=a@b.example",
		"HOLDFAST_ALERTS_MAIL_TO=a@b.example"}
	for _, c := range []struct {
		environ []string
		fault   string
	}{
		{nil, ""},
		{mail, ""},
		{append(mail[:3:3], "HOLDFAST_ALERTS_MAIL_USER=u", "HOLDFAST_ALERTS_MAIL_PASSWORD=env:P"), ""},
		{[]string{"HOLDFAST_ALERTS_WEBHOOK_SECRET=env:S"},
			"alerts.webhook.secret (environment HOLDFAST_ALERTS_WEBHOOK_SECRET): needs alerts.webhook.url"},
		{mail[:1], "alerts.mail.server (environment HOLDFAST_ALERTS_MAIL_SERVER): needs alerts.mail.from"},
		{mail[:2], "needs alerts.mail.to"},
		{mail[1:], "alerts.mail.from (environment HOLDFAST_ALERTS_MAIL_FROM): needs alerts.mail.server"},
		{append(mail[:3:3], "HOLDFAST_ALERTS_MAIL_USER=u"), "needs alerts.mail.password"},
		{append(mail[:3:3], "HOLDFAST_ALERTS_MAIL_PASSWORD=env:P"), "needs alerts.mail.user"},
	} {
		v, err := Load(Sources{Environ: c.environ})
		require.NoError(t, err)
		if err := v.CheckNode(); c.fault == "" {
			assert.NoError(t, err, c.environ)
		} else {
			assert.ErrorContains(t, err, c.fault, c.environ)
		}
	}
}

func TestTheValuesOfAlerts(t *testing.T) {
	t.Parallel()
	v, err := Load(Sources{Environ: []string{"W=canary-7", "HOLDFAST_ALERTS_WEBHOOK_SECRET=env:W"},
		File: yamlFile(t, "alerts:\n  webhook:\n    url: https://h.example/x\n  mail:\n"+
			"    to: [a@b.example, c@d.example]\nsync:\n  speed: 60\n")})
	require.NoError(t, err)
	n := v.Node()
	assert.Equal(t, 60, n.Speed)
	assert.Equal(t, "https://h.example/x", n.Alerts.WebhookURL)
	assert.Equal(t, []string{"a@b.example", "c@d.example"}, n.Alerts.MailTo)
	got, err := n.Alerts.WebhookSecret.Reveal()
	require.NoError(t, err)
	assert.Equal(t, "canary-7", got)
}
