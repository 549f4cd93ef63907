package amazon

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"holdfast/adapters/amazon/queue"
	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/connections"
	"holdfast/engine"
)

// kindName is the kind of connections that this package is for.
const kindName = "amazon"

// Settings are the settings of a connection of the kind amazon.
type Settings struct {
	// Region is na, eu or fe; empty: that of the marketplaces.
	Region string `json:"region,omitempty"`
	// TokenEndpoint is where access tokens come from; empty: Login with Amazon.
	TokenEndpoint string `json:"token_endpoint,omitempty"`
	// Queue is the URL of the queue that Amazon sends to. Empty: nobody listens, and only sweeps
	// find what happens.
	Queue         string `json:"queue,omitempty"`
	QueueARN      string `json:"queue_arn,omitempty"`      // with it, the subscriptions are kept
	QueueEndpoint string `json:"queue_endpoint,omitempty"` // of something that speaks as SQS does
	QueueRegion   string `json:"queue_region,omitempty"`   // empty: that of the queue's URL
	// Channels are our channels of own stock by marketplace, FBAChannels those of Amazon's stock.
	// What is in none of them sells on the connection's channel.
	Channels    map[string]string `json:"channels,omitempty"`
	FBAChannels map[string]string `json:"fba_channels,omitempty"`
	// Pools are marketplaces that see the same units of Amazon's warehouses, by the one of them whose
	// figures are used. Those that are in none are one pool, in the countries of Pan-European FBA, or
	// each its own. Which location of ours a pool is stands in the connection's locations.
	Pools map[string][]string `json:"pools,omitempty"`
	// Fulfilment says who fulfils in this region: merchant, amazon or both.
	Fulfilment string `json:"fulfilment,omitempty"`
	// Recipient says that the application has the roles to see where orders go.
	Recipient bool `json:"recipient,omitempty"`
	// Carriers are Amazon's codes of carriers by the names that others write; those that Amazon has no
	// code for are told by their names.
	Carriers map[string]string `json:"carriers,omitempty"`
	// Speed divides the intervals, for a simulator that runs faster.
	Speed int `json:"speed,omitempty"`
}

// The secrets of a connection, beside those of package spapi.
const (
	secretKeyID   = "aws_access_key_id"
	secretKey     = "aws_secret_access_key"
	secretSession = "aws_session_token"
)

// account is a connection as this package needs it. It is never changed.
type account struct {
	id       string
	seller   string
	region   spapi.Region
	settings Settings
	conn     connections.Connection
}

func newAccount(c connections.Connection) (*account, error) {
	a := &account{id: c.ID, seller: c.Account, conn: c}
	if len(c.Settings) > 0 {
		if err := json.Unmarshal(c.Settings, &a.settings); err != nil {
			return nil, fmt.Errorf("settings of connection %s: %w", c.ID, err)
		}
	}
	a.region = spapi.Region(a.settings.Region)
	for _, id := range c.Marketplaces {
		if m, ok := spapi.MarketplaceOf(id); ok && a.region == "" {
			a.region = m.Region
		}
	}
	if a.conn.Endpoint == "" {
		a.conn.Endpoint = a.region.Endpoint()
	}
	return a, nil
}

// every divides an interval by the speed of a simulator.
func (a *account) every(d time.Duration) time.Duration {
	return max(d/time.Duration(max(a.settings.Speed, 1)), time.Millisecond)
}

// channel is ours of an order; empty: the connection's.
func (a *account) channel(marketplace, fulfilledBy string) string {
	if fulfilledBy == byAmazon {
		return a.settings.FBAChannels[marketplace]
	}
	return a.settings.Channels[marketplace]
}

// sells reports whether a marketplace is one of the connection's.
func (a *account) sells(marketplace string) bool {
	for _, id := range a.conn.Marketplaces {
		if id == marketplace {
			return true
		}
	}
	return false
}

// orderKey is our id of an order whose home is the account.
func (a *account) orderKey(id string) string { return kindName + ":" + a.id + ":" + id }

// Obstacles are what of a document stands in the way of being on, though it can be worked with: somebody
// must have said who fulfils, because the two ways sell different stock.
func Obstacles(c connections.Connection) []connections.Obstacle {
	a, err := newAccount(c)
	if err != nil || a.settings.Fulfilment != "" {
		return nil
	}
	return []connections.Obstacle{{Code: connections.FulfilmentModel, Names: []string{string(a.region)},
		Detail: "settings.fulfilment does not say who fulfils the orders of the region"}}
}

// checkSettings joins every fault of a document's own part, as *engine.FieldError; nil: none.
func checkSettings(c connections.Connection) error {
	var all []error
	fault := func(field, format string, args ...any) {
		all = append(all, &engine.FieldError{Field: field, Reason: fmt.Sprintf(format, args...)})
	}
	a, err := newAccount(c)
	if err != nil {
		fault("settings", "must be an object of known members")
		return errors.Join(all...)
	}
	s := &a.settings
	if c.Account == "" || strings.ContainsAny(c.Account, "/ ") {
		fault("account", "must be the id of the seller, such as A3TH9S8BH6GOGM")
	}
	if a.region.Endpoint() == "" {
		fault("settings.region", "must be na, eu or fe, or follow from the marketplaces")
	}
	checkMarketplaces(a, fault)
	cfg := spapi.Config{Endpoint: a.conn.Endpoint, TokenEndpoint: s.TokenEndpoint,
		Secret: func(string) (connections.Secret, error) { return connections.Secret{}, nil }}
	if err := cfg.Validate(); err != nil {
		fault("endpoint", "%s", err)
	}
	for _, name := range []string{spapi.ClientID, spapi.ClientSecret, spapi.RefreshToken} {
		if c.Secrets[name] == "" {
			fault("secrets."+name, "is needed")
		}
	}
	checkQueue(a, fault)
	checkPools(a, fault)
	switch s.Fulfilment {
	case "", "merchant", "amazon", "both":
	default:
		fault("settings.fulfilment", "must be merchant, amazon or both")
	}
	if s.Speed < 0 || s.Speed > 100_000 {
		fault("settings.speed", "must be 0 to 100,000")
	}
	return errors.Join(all...)
}

// checkMarketplaces: an account has other credentials, limits and stock in each region.
func checkMarketplaces(a *account, fault func(field, format string, args ...any)) {
	if len(a.conn.Marketplaces) == 0 {
		fault("marketplaces", "must name at least one")
	}
	for i, id := range a.conn.Marketplaces {
		at := fmt.Sprintf("marketplaces[%d]", i)
		if m, ok := spapi.MarketplaceOf(id); !ok {
			fault(at, "is no marketplace of Amazon's")
		} else if m.Region != a.region {
			fault(at, "is in region %s; a connection has one region, which is %s", m.Region, a.region)
		}
	}
	for name, channels := range map[string]map[string]string{"settings.channels": a.settings.Channels,
		"settings.fba_channels": a.settings.FBAChannels} {
		for id := range channels {
			if !a.sells(id) {
				fault(name, "%s is no marketplace of the connection", id)
			}
		}
	}
}

func checkQueue(a *account, fault func(field, format string, args ...any)) {
	s := &a.settings
	if s.Queue == "" {
		if s.QueueARN != "" || s.QueueEndpoint != "" || s.QueueRegion != "" {
			fault("settings.queue", "is needed with other settings of the queue")
		}
		return
	}
	for name, address := range map[string]string{"settings.queue": s.Queue,
		"settings.queue_endpoint": s.QueueEndpoint} {
		u, err := url.Parse(address)
		local := err == nil && (u.Hostname() == "localhost" || strings.HasPrefix(u.Hostname(), "127."))
		if address != "" && (err != nil || u.Host == "" || u.Scheme != "https" && !local) {
			fault(name, "must be an https URL")
		}
	}
	if strings.HasSuffix(s.Queue, ".fifo") {
		fault("settings.queue", "must be a standard queue: Amazon does not send to a FIFO queue")
	}
	if s.QueueRegion == "" && queue.RegionOf(s.Queue) == "" {
		fault("settings.queue_region", "is needed: the URL of the queue does not say it")
	}
	for _, name := range []string{secretKeyID, secretKey} {
		if a.conn.Secrets[name] == "" {
			fault("secrets."+name, "is needed with settings.queue")
		}
	}
}
