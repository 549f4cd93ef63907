package netsuite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"holdfast/adapters/connections"
	"holdfast/engine"
)

// kindName is the kind of connections that this package is for.
const kindName = "netsuite"

// Settings are the settings of a connection of the kind netsuite. The ids in them are internal ids of
// the account, as texts.
type Settings struct {
	// Auth is certificate, the default, or tokens.
	Auth Auth `json:"auth,omitempty"`
	// Concurrency is how many calls of ours the account may have under way: what its tier allows less
	// what other integrations use. Default DefaultConcurrency.
	Concurrency int `json:"concurrency,omitempty"`
	// Books say how documents are made.
	Books Books `json:"books,omitzero"`
	// Map is "suggested": what the audit is sure of is mapped by itself.
	Map string `json:"map,omitempty"`
	// Speed divides the intervals, for a simulator that runs faster.
	Speed int `json:"speed,omitempty"`
}

// account is a connection as this package needs it. It is never changed.
type account struct {
	id        string
	settings  Settings
	conn      connections.Connection
	locations map[string]string // theirs → ours
	places    map[string]string // ours → theirs
}

// newAccount reads a document. It fails when its settings have another shape, or a member that is not
// known: a misspelt one would be a rule that does not hold.
func newAccount(c connections.Connection) (*account, error) {
	a := &account{id: c.ID, conn: c, locations: map[string]string{}, places: map[string]string{}}
	if len(c.Settings) > 0 {
		dec := json.NewDecoder(bytes.NewReader(c.Settings))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&a.settings); err != nil {
			return nil, fmt.Errorf("settings of connection %s: %w", c.ID, err)
		}
	}
	if a.settings.Concurrency == 0 {
		a.settings.Concurrency = DefaultConcurrency
	}
	if a.settings.Auth == "" {
		a.settings.Auth = Certificate
	}
	for theirs, ours := range c.Locations {
		a.locations[theirs], a.places[ours] = ours, theirs
	}
	return a, nil
}

// faults collects what is wrong with a document, each with its field.
type faults []error

func (f *faults) add(field, reason string, args ...any) {
	*f = append(*f, &engine.FieldError{Field: field, Reason: fmt.Sprintf(reason, args...)})
}

// checkSettings joins every fault of a document's own part, as *engine.FieldError; nil: none.
func checkSettings(c connections.Connection) error {
	var f faults
	a, err := newAccount(c)
	if err != nil {
		f.add("settings", "must be an object of known members: %v", err)
		return errors.Join(f...)
	}
	s := &a.settings
	if err := AccountID(c.Account).Validate(); err != nil {
		f.add("account", "%v", err)
	} else if c.Endpoint != "" {
		if err := checkEndpoint(c.Endpoint, AccountID(c.Account)); err != nil {
			f.add("endpoint", "%v", err)
		}
	}
	f.secrets(c.Secrets, s.Auth)
	if s.Concurrency < 1 || s.Concurrency > MaxConcurrency {
		f.add("settings.concurrency", "must be 1 to %d", MaxConcurrency)
	}
	if s.Map != "" && s.Map != "suggested" {
		f.add("settings.map", "must be suggested, or left out")
	}
	if s.Speed < 0 || s.Speed > 100_000 {
		f.add("settings.speed", "must be 0 to 100,000")
	}
	f.locations(c.Locations)
	s.Books.check(&f)
	return errors.Join(f...)
}

func (f *faults) secrets(given map[string]string, auth Auth) {
	needed, ok := secretNames[auth]
	if !ok {
		f.add("settings.auth", "must be %s or %s", Certificate, Tokens)
		return
	}
	for _, name := range needed {
		if given[name] == "" {
			f.add("secrets."+name, "is needed with auth %s", auth)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(needed, name) {
			f.add("secrets."+name, "is not used with auth %s, which has %v", auth, needed)
		}
	}
}

func (f *faults) locations(places map[string]string) {
	seen := map[string]bool{}
	for _, theirs := range slices.Sorted(maps.Keys(places)) {
		ours := places[theirs]
		if !isID(theirs) {
			f.add("locations."+theirs, "must be keyed by the internal id of the location")
		}
		if seen[ours] {
			f.add("locations."+theirs, "names %s, which another one has already", ours)
		}
		seen[ours] = true
	}
}

// isID reports whether a text is an internal id as NetSuite writes it.
func isID(s string) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && n > 0 && strconv.FormatInt(n, 10) == s
}
