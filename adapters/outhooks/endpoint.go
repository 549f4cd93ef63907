package outhooks

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"holdfast/adapters/connections"
	"holdfast/adapters/orders"
	"holdfast/engine"
)

// Endpoint is one receiver of webhooks.
type Endpoint struct {
	ID  string `json:"id"`
	URL string `json:"url"`
	// Events are what it is told: names such as order.created, or a prefix with a star such as order.*;
	// none are all.
	Events []string `json:"events,omitempty"`
	// Connection is the one under which its owner calls us: what that has reported it is not told again.
	Connection string `json:"connection,omitempty"`
	// Channels are those whose orders it is told of; none are all.
	Channels []string `json:"channels,omitempty"`
	// Secrets are references (env:, file:) to what signs, at most MaxSecrets: each message is signed with
	// every one, so that a secret can be changed without a gap.
	Secrets []string `json:"secrets"`
	Mode    string   `json:"mode"` // on, paused
	Note    string   `json:"note,omitempty"`
}

// The modes of an endpoint.
const (
	On = "on"
	// Paused queues what happens and sends nothing.
	Paused = "paused"
)

// The limits of a document.
const (
	MaxSecrets   = 5
	maxEndpoints = 100 // each is asked at every event of every order
	maxEvents    = 50
	maxChannels  = 100
	maxURL       = 2048
	maxNote      = 255
)

// Test is the event that says nothing, to see whether messages arrive.
const Test = "webhook.test"

// Events are the names that an endpoint can be told. They are stable.
var Events = []string{
	string(orders.Created), string(orders.Changed), string(orders.Sent), string(orders.Called),
	string(orders.CallOff), string(orders.BuyerAsks), string(orders.BuyerDeclined),
	string(orders.Recall), string(orders.Moved), string(orders.Requested), string(orders.Received),
	string(orders.Refunded), string(orders.Short), string(orders.Allocated),
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Validate returns nil, or every fault as an *engine.FieldError, joined. No fault repeats what stands in
// secrets: it may be one.
func (e *Endpoint) Validate() error {
	var all []error
	fault := func(field, reason string, args ...any) {
		all = append(all, &engine.FieldError{Field: field, Reason: fmt.Sprintf(reason, args...)})
	}
	if !idForm.MatchString(e.ID) {
		fault("id", "must be 1 to 64 letters, digits, dots, hyphens and underscores")
	}
	if why := urlFault(e.URL); why != "" {
		fault("url", "%s", why)
	}
	if len(e.Events) > maxEvents {
		fault("events", "must be at most %d", maxEvents)
	}
	for i, name := range e.Events {
		if !slices.ContainsFunc(Events, func(known string) bool { return matches(name, known) }) {
			fault(fmt.Sprintf("events[%d]", i), "must be one of %s, or a beginning of some and a star",
				strings.Join(Events, ", "))
		}
	}
	if e.Connection != "" && !idForm.MatchString(e.Connection) {
		fault("connection", "must be the id of a connection")
	}
	if len(e.Channels) > maxChannels {
		fault("channels", "must be at most %d", maxChannels)
	}
	for i, c := range e.Channels {
		if c == "" || len(c) > engine.MaxIDBytes {
			fault(fmt.Sprintf("channels[%d]", i), "must be the id of a channel")
		}
	}
	if len(e.Secrets) < 1 || len(e.Secrets) > MaxSecrets {
		fault("secrets", "must be 1 to %d", MaxSecrets)
	}
	for i, s := range e.Secrets {
		if !connections.IsReference(s) {
			fault(fmt.Sprintf("secrets[%d]", i),
				"must be env:NAME or file:/absolute/path; secrets are never stored")
		}
	}
	if e.Mode != On && e.Mode != Paused {
		fault("mode", "must be on or paused")
	}
	if len(e.Note) > maxNote || !utf8.ValidString(e.Note) {
		fault("note", "must be at most %d bytes of UTF-8", maxNote)
	}
	return errors.Join(all...)
}

// urlFault says what is wrong with an address, or nothing. What it leads to is looked at when it is
// called; here only what can never be right is refused.
func urlFault(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > maxURL || u.Host == "" || u.Hostname() == "":
		return "must be a URL such as https://erp.example/hooks"
	case u.User != nil || u.Fragment != "":
		return "must have no user and no fragment"
	case u.Scheme == "https", u.Scheme == "http" && near(u.Hostname()):
		return ""
	case u.Scheme == "http":
		return "must be https, except on this machine or in a private network"
	}
	return "must be https"
}

// near reports whether a host cannot be on the internet.
func near(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsLoopback() || addr.IsPrivate()
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost")
}

// matches reports whether a name, or a beginning with a star, means an event.
func matches(name, event string) bool {
	if start, ok := strings.CutSuffix(name, "*"); ok {
		return strings.HasPrefix(event, start)
	}
	return name == event
}

// wants reports whether the endpoint is told of what happened.
func (e *Endpoint) wants(h *orders.Happening) bool {
	if e.Connection != "" && h.By == e.Connection {
		return false
	}
	if len(e.Channels) > 0 && !slices.Contains(e.Channels, h.Channel) {
		return false
	}
	return len(e.Events) == 0 || slices.ContainsFunc(e.Events, func(name string) bool {
		return matches(name, string(h.Event))
	})
}

// Standing is how an endpoint does. The leader writes it.
type Standing struct {
	FailingSince time.Time `json:"failing_since,omitzero"` // zero: the last delivery arrived
	LastSuccess  time.Time `json:"last_success,omitzero"`
	LastFailure  time.Time `json:"last_failure,omitzero"`
	LastError    string    `json:"last_error,omitempty"`
	DisabledAt   time.Time `json:"disabled_at,omitzero"` // nothing is sent until it is saved again
	Why          string    `json:"why,omitempty"`        // it is disabled
	Waiting      int       `json:"waiting"`              // messages in its queue
	Full         bool      `json:"full,omitempty"`       // no new ones are queued
}

// Entry is an endpoint with how it does.
type Entry struct {
	Endpoint
	Version  uint64
	Standing Standing
}

// closed is why nothing is sent; empty when it is.
func (e *Entry) closed() string {
	switch {
	case e.Mode != On:
		return e.Mode
	case !e.Standing.DisabledAt.IsZero():
		return "disabled"
	}
	return ""
}
