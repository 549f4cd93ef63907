package settings

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
)

// Alerts are the settings of who is told of exceptions. Empty is nobody.
type Alerts struct {
	WebhookURL    string
	WebhookSecret Secret
	MailServer    string // host:port
	MailFrom      string
	MailTo        []string
	MailUser      string
	MailPassword  Secret
}

// maxSpeed is over what a simulator can keep up with: at 1,000 a poll of 30 s comes every 30 ms.
const maxSpeed = 1000

// checkAlert is check for the kinds of the sync core. Empty text is none, but for a number.
func (s Setting) checkAlert(text string) error {
	switch {
	case s.Kind == Times:
		if n, err := strconv.Atoi(text); err != nil || n < 1 || n > maxSpeed {
			return fmt.Errorf("%q must be a whole number from 1 to %d", text, maxSpeed)
		}
	case text == "":
	case s.Kind == Hook:
		u, err := url.Parse(text)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return errors.New("must be a URL such as https://hooks.example.com/stock")
		}
	case s.Kind == MailServer:
		return checkAddress(text)
	case s.Kind == Mailbox:
		return checkMailbox(text)
	case s.Kind == Mailboxes:
		for _, one := range listed(text) {
			if err := checkMailbox(one); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkMailbox(text string) error {
	if a, err := mail.ParseAddress(text); err != nil || a.Address != text {
		return fmt.Errorf("%q must be a mail address such as stock@example.com", text)
	}
	return nil
}

// listed cuts a text at its commas. Empty text is an empty list.
func listed(text string) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	all := strings.Split(text, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

// alertFaults are the settings of alerts that say nothing without another one, which is not there.
func (v *Values) alertFaults() (faults []error) {
	for _, c := range []struct{ key, needs string }{
		{"alerts.webhook.secret", "alerts.webhook.url"},
		{"alerts.mail.from", "alerts.mail.server"},
		{"alerts.mail.to", "alerts.mail.server"},
		{"alerts.mail.user", "alerts.mail.server"},
		{"alerts.mail.password", "alerts.mail.user"},
		{"alerts.mail.server", "alerts.mail.from"},
		{"alerts.mail.server", "alerts.mail.to"},
		{"alerts.mail.user", "alerts.mail.password"},
	} {
		if v.text(c.key) != "" && v.text(c.needs) == "" {
			faults = append(faults, &FaultError{Key: c.key, Origin: v.byKey[c.key].Origin,
				Reason: "needs " + c.needs + " too"})
		}
	}
	return faults
}

func (v *Values) alerts() Alerts {
	secret := func(key string) Secret { return Secret{ref: v.text(key), environ: v.look} }
	return Alerts{
		WebhookURL: v.text("alerts.webhook.url"), WebhookSecret: secret("alerts.webhook.secret"),
		MailServer: v.text("alerts.mail.server"), MailFrom: v.text("alerts.mail.from"),
		MailTo: listed(v.text("alerts.mail.to")), MailUser: v.text("alerts.mail.user"),
		MailPassword: secret("alerts.mail.password"),
	}
}
