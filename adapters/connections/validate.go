package connections

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"holdfast/engine"
)

// The limits of a document; with all of them at their most it still fits a record.
const (
	maxMarketplaces = 100
	maxSecrets      = 20
	maxFlows        = 50
	maxLocations    = 300
	maxText         = 255
	maxSettings     = 16 << 10 // bytes
)

var (
	// idForm has no slash and no colon, which part the keys that an id stands in.
	idForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,63}$`)
	envForm  = regexp.MustCompile(`^env:[A-Za-z_][A-Za-z0-9_]{0,254}$`)
)

var kinds = []string{"shopify", "amazon", "netsuite", "erp"}

// Validate checks what can be said of a document without its adapter and without state: nil, or
// every fault as an *engine.FieldError, joined. No fault repeats what stands in secrets: it may be
// one.
func (c *Connection) Validate() error {
	var f faults
	if !idForm.MatchString(c.ID) {
		f.add("id", "must be 1 to 64 letters, digits, dots, hyphens and underscores")
	}
	if !slices.Contains(kinds, c.Kind) {
		f.add("kind", "must be one of %s", strings.Join(kinds, ", "))
	}
	if !slices.Contains([]string{Observe, On, Paused}, c.Mode) {
		f.add("mode", "must be one of observe, on, paused")
	}
	if c.Channel != "" && !ledgerID(c.Channel) {
		f.add("channel", "must be 1 to 128 bytes of printable ASCII without space")
	}
	if c.Endpoint != "" {
		f.endpoint(c.Endpoint)
	}
	f.text("account", c.Account)
	f.marketplaces(c.Marketplaces)
	f.secrets(c.Secrets)
	if y := c.OrdersFrom.Year(); !c.OrdersFrom.IsZero() && (y < 1970 || y > 9999) {
		f.add("orders_from", "must be a time from 1970 to 9999")
	}
	f.flows(c.Flows)
	f.locations(c.Locations)
	f.settings(c.Settings)
	return f.err()
}

// endpoint: a token must not cross a network in clear, so http is only for what is near.
func (f *faults) endpoint(text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > maxText || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		f.add("endpoint", "must be a URL such as https://shop.example")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		f.add("endpoint", "must have no user, query or fragment: credentials belong in secrets")
	case u.Scheme == "http" && !near(u.Hostname()):
		f.add("endpoint", "must be https, except on this machine or in a private network")
	}
}

// near reports whether a host cannot be on the internet: this machine, a private address, or a name
// without a dot.
func near(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast()
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost")
}

func (f *faults) marketplaces(list []string) {
	if len(list) > maxMarketplaces {
		f.add("marketplaces", "must be at most %d", maxMarketplaces)
		return
	}
	for i, m := range list {
		at := fmt.Sprintf("marketplaces[%d]", i)
		if !ledgerID(m) {
			f.add(at, "must be an id such as ATVPDKIKX0DER")
		} else if slices.Contains(list[:i], m) {
			f.add(at, "is listed twice")
		}
	}
}

func (f *faults) secrets(secrets map[string]string) {
	if len(secrets) > maxSecrets {
		f.add("secrets", "must be at most %d", maxSecrets)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if !nameForm.MatchString(name) {
			f.add("secrets", "must be named with small letters, digits, dots, hyphens and underscores")
		} else if !isReference(secrets[name]) {
			f.add("secrets."+name, "must be env:NAME or file:/absolute/path; secrets are never stored")
		}
	}
}

// isReference reports whether a text says where a secret is, and is not the secret.
func isReference(text string) bool {
	if file, ok := strings.CutPrefix(text, "file:"); ok {
		return len(file) <= 4096 && path.IsAbs(file) && path.Clean(file) == file && plain(file)
	}
	return envForm.MatchString(text)
}

func (f *faults) flows(flows map[string]Flow) {
	if len(flows) > maxFlows {
		f.add("flows", "must be at most %d", maxFlows)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(flows)) {
		if !nameForm.MatchString(name) {
			f.add("flows", "must be named with small letters, digits, dots, hyphens and underscores")
			continue
		}
		f.flow("flows."+name, flows[name])
	}
}

func (f *faults) flow(at string, flow Flow) {
	if !slices.Contains([]string{"", OnEvent, OnSchedule, OnOff}, flow.On) {
		f.add(at+".on", "must be one of event, schedule, off")
	}
	if flow.On == OnSchedule && flow.Cron == "" {
		f.add(at+".cron", "is required with on schedule")
	}
	if flow.Cron != "" && flow.On == OnOff {
		f.add(at+".cron", "is not for on off")
	}
	zone, err := parseZone(flow.Zone)
	if err != nil {
		f.add(at+".zone", "%s", err)
	}
	if flow.Cron != "" {
		if _, err := parseCron(flow.Cron); err != nil {
			f.add(at+".cron", "%s", err)
		}
	}
	if _, err := parseQuiet(flow.Quiet, zone); err != nil {
		f.add(at+".quiet", "%s", err)
	}
}

func (f *faults) locations(places map[string]string) {
	if len(places) > maxLocations {
		f.add("locations", "must be at most %d", maxLocations)
		return
	}
	for _, theirs := range slices.Sorted(maps.Keys(places)) {
		if theirs == "" || len(theirs) > maxText || !plain(theirs) {
			f.add("locations", "must be keyed by the other system's id of each location")
		} else if !ledgerID(places[theirs]) {
			f.add("locations."+theirs, "must be the id of a location of ours")
		}
	}
}

func (f *faults) settings(raw json.RawMessage) {
	if len(raw) == 0 {
		return
	}
	var object map[string]json.RawMessage
	if len(raw) > maxSettings || json.Unmarshal(raw, &object) != nil || object == nil {
		f.add("settings", "must be an object of at most %d bytes", maxSettings)
	}
}

func (f *faults) text(at, text string) {
	if len(text) > maxText || !plain(text) {
		f.add(at, "must be at most %d bytes of UTF-8 without control characters", maxText)
	}
}

// ledgerID reports whether a text can be an id of the ledger.
func ledgerID(text string) bool {
	return text != "" && len(text) <= engine.MaxIDBytes &&
		!strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

func plain(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' || r >= 0x7f && r < 0xa0
	})
}

// faults collects what is wrong, each with its field.
type faults []error

func (f *faults) add(field, reason string, args ...any) {
	*f = append(*f, &engine.FieldError{Field: field, Reason: fmt.Sprintf(reason, args...)})
}

func (f faults) err() error { return errors.Join(f...) }
