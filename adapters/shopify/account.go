package shopify

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/adapters/connections"
	"holdfast/engine"
)

// Settings are the settings of a connection of the kind shopify.
type Settings struct {
	APIVersion string `json:"api_version,omitempty"` // default Version
	// Callback is where the shop sends webhooks: https://HOST, without a path. Empty: nobody
	// subscribes, and only sweeps find what happens.
	Callback string `json:"callback,omitempty"`
	// AppID is the number of our app, when it is not read from the shop.
	AppID int64 `json:"app_id,omitempty"`
	// Placement is follow or lead.
	Placement string `json:"placement,omitempty"`
	// FBALocations are those of ours that mirror stock at Amazon.
	FBALocations []string `json:"fba_locations,omitempty"`
	// FBAOf says which of them is that of a connection of Amazon's; those in none have the first.
	FBAOf map[string]string `json:"fba_of,omitempty"`
	// FBAOrders is hold, after_shipped or skip.
	FBAOrders string `json:"fba_orders,omitempty"`
	// Speed divides the intervals, for a simulator that runs faster.
	Speed int `json:"speed,omitempty"`
}

// account is a connection as this package needs it. It is never changed.
type account struct {
	id        string
	app       int64
	settings  Settings
	conn      connections.Connection
	locations map[string]string // theirs → ours
	places    map[string]string // ours → theirs
}

// markAttribute is the attribute of an order that we have made; its value is our id of it. It
// travels in every webhook, which metafields do not.
const markAttribute = "holdfast_order"

// The metafield that carries our id of an order: its type allows a value once in a shop.
const (
	markNamespace = "holdfast"
	markKey       = "order_id"
)

func newAccount(c connections.Connection) (*account, error) {
	a := &account{id: c.ID, conn: c, locations: map[string]string{}, places: map[string]string{}}
	if len(c.Settings) > 0 {
		if err := json.Unmarshal(c.Settings, &a.settings); err != nil {
			return nil, fmt.Errorf("settings of connection %s: %w", c.ID, err)
		}
	}
	a.app = a.settings.AppID
	for theirs, ours := range c.Locations {
		place := gid(theirs).tail()
		a.locations[place], a.places[ours] = ours, place
	}
	return a, nil
}

// ours is the location of ours that a place of theirs is; empty when it is none.
func (a *account) ours(place string) string { return a.locations[place] }

// theirs is the place of a location of ours; empty when it has none.
func (a *account) theirs(location string) string { return a.places[location] }

// every divides an interval by the speed of a simulator.
func (a *account) every(d time.Duration) time.Duration {
	return max(d/time.Duration(max(a.settings.Speed, 1)), time.Millisecond)
}

// homeOf cuts an id of ours into the connection and the id at its home.
func homeOf(order string) (connection, id string, ok bool) {
	_, rest, ok := strings.Cut(order, ":")
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, ":")
}

// checkSettings joins every fault of a document's own part, as *engine.FieldError; nil: none.
func checkSettings(c connections.Connection) error {
	var all []error
	fault := func(field, reason string) {
		all = append(all, &engine.FieldError{Field: field, Reason: reason})
	}
	a, err := newAccount(c)
	if err != nil {
		fault("settings", "must be an object of known members")
		return errors.Join(all...)
	}
	s := &a.settings
	version := s.APIVersion
	if version == "" {
		version = Version
	}
	token, client := c.Secrets["token"] != "", c.Secrets["client_id"] != ""
	cfg := ClientConfig{Endpoint: c.Endpoint, Version: version, Token: "x"}.WithDefaults()
	if err := cfg.Validate(); err != nil {
		fault("endpoint", err.Error())
	}
	if token == client || client != (c.Secrets["client_secret"] != "") {
		fault("secrets", "need either token, or client_id and client_secret")
	}
	if s.Callback != "" && c.Secrets["webhook"] == "" && c.Secrets["client_secret"] == "" {
		fault("secrets.webhook", "is needed with settings.callback: the app's secret, which signs the webhooks")
	}
	if s.Placement != "" && s.Placement != "follow" && s.Placement != "lead" {
		fault("settings.placement", "must be follow or lead")
	}
	if !slices.Contains([]string{"", fbaHold, fbaAfter, fbaSkip}, s.FBAOrders) {
		fault("settings.fba_orders", "must be hold, after_shipped or skip")
	}
	if s.Speed < 0 || s.Speed > 100_000 {
		fault("settings.speed", "must be 0 to 100,000")
	}
	if s.Callback != "" && !strings.HasPrefix(s.Callback, "https://") &&
		!strings.HasPrefix(s.Callback, "http://127.0.0.1") {
		fault("settings.callback", "must be https://HOST")
	}
	places := map[string]bool{}
	for theirs, ours := range c.Locations {
		if gid(theirs).tail() == "" || places[ours] {
			fault("locations", "each location of theirs is one of ours, and none twice")
		}
		places[ours] = true
	}
	return errors.Join(all...)
}
