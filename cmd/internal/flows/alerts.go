package flows

import (
	"holdfast/adapters/exceptions"
)

// Alerts says who is told of exceptions, beside the log and the metrics. The zero Alerts tells nobody.
type Alerts struct {
	WebhookURL    string // a POST with a signed body; empty: none
	WebhookSecret exceptions.Secret
	MailServer    string // host:port; empty: none
	MailFrom      string
	MailTo        []string
	MailUser      string
	MailPassword  exceptions.Secret
}

// bell makes what tells them. It fails when a sink is not configured whole.
func (a Alerts) bell(cfg Config) (*exceptions.Bell, error) {
	sinks := map[string]exceptions.Sink{"log": exceptions.Log{Logger: cfg.Logger}}
	to := []string{"log"}
	if a.WebhookURL != "" {
		sinks["webhook"] = exceptions.Webhook{URL: a.WebhookURL, Secret: a.WebhookSecret}
		to = append(to, "webhook")
	}
	if a.MailServer != "" {
		sinks["mail"] = exceptions.Mail{Addr: a.MailServer, From: a.MailFrom, To: a.MailTo,
			User: a.MailUser, Password: a.MailPassword}
		to = append(to, "mail")
	}
	return exceptions.NewBell(exceptions.BellConfig{
		Store: cfg.Store, Rules: []exceptions.Rule{{Name: "all", To: to}}, Sinks: sinks,
		Logger: cfg.Logger, Registry: cfg.Registry, Now: cfg.Now,
	})
}
