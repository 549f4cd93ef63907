package main

import (
	"holdfast/adapters/exceptions"
	"holdfast/cmd/internal/flows"
	"holdfast/cmd/internal/settings"
)

// alertsOf reads the secrets of the alerts. It fails with a fault of use that names the setting, and
// never what was found.
func alertsOf(s settings.Alerts) (flows.Alerts, error) {
	a := flows.Alerts{WebhookURL: s.WebhookURL, MailServer: s.MailServer, MailFrom: s.MailFrom,
		MailTo: s.MailTo, MailUser: s.MailUser}
	for _, r := range []struct {
		key  string
		ref  settings.Secret
		into *exceptions.Secret
	}{
		{"alerts.webhook.secret", s.WebhookSecret, &a.WebhookSecret},
		{"alerts.mail.password", s.MailPassword, &a.MailPassword},
	} {
		text, err := r.ref.Reveal()
		if err != nil {
			return flows.Alerts{}, usagef("%s: %w", r.key, err)
		}
		*r.into = exceptions.Secret(text)
	}
	return a, nil
}
