package netsuite

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
	"holdfast/adapters/records/recordstest"
)

func document() connections.Connection {
	return connections.Connection{ID: "erp", Kind: kindName, Mode: "observe", Account: "123456_SB1",
		Secrets:   map[string]string{"client_id": "env:ID", "certificate_id": "env:CERT", "private_key": "file:/run/key"},
		Locations: map[string]string{"6": "main"}, Settings: json.RawMessage(`{"concurrency":4,
			"books":{"customers":{"*":"42"},"tax":"lines","rounding_item":"103"}}`)}
}

func TestDocumentsAreChecked(t *testing.T) {
	t.Parallel()
	require.NoError(t, checkSettings(document()))
	for field, spoil := range map[string]func(c *connections.Connection){
		"account":              func(c *connections.Connection) { c.Account = "https://x" },
		"endpoint":             func(c *connections.Connection) { c.Endpoint = "https://evil.example" },
		"secrets.private_key":  func(c *connections.Connection) { delete(c.Secrets, "private_key") },
		"secrets.token":        func(c *connections.Connection) { c.Secrets["token"] = "env:X" },
		"settings.auth":        func(c *connections.Connection) { c.Settings = json.RawMessage(`{"auth":"basic"}`) },
		"settings.concurrency": func(c *connections.Connection) { c.Settings = json.RawMessage(`{"concurrency":500}`) },
		"settings:":            func(c *connections.Connection) { c.Settings = json.RawMessage(`{"concurency":4}`) },
		"locations.Main":       func(c *connections.Connection) { c.Locations["Main"] = "x" },
		"locations.7":          func(c *connections.Connection) { c.Locations["7"] = "main" },
		"settings.books.tax":   func(c *connections.Connection) { c.Settings = json.RawMessage(`{"books":{"tax":"vat"}}`) },
		"settings.books.shipping_item": func(c *connections.Connection) {
			c.Settings = json.RawMessage(`{"books":{"tax":"suitetax","tax_type":"1","tax_code":"2"}}`)
		},
		"settings.books.zone":        func(c *connections.Connection) { c.Settings = json.RawMessage(`{"books":{"zone":"Mars/X"}}`) },
		"settings.books.tax_item":    func(c *connections.Connection) { c.Settings = json.RawMessage(`{"books":{"tax_item":"VAT"}}`) },
		"settings.books.customers.a": func(c *connections.Connection) { c.Settings = json.RawMessage(`{"books":{"customers":{"a":"x"}}}`) },
		"settings.speed":             func(c *connections.Connection) { c.Settings = json.RawMessage(`{"speed":-1}`) },
	} {
		c := document()
		spoil(&c)
		require.ErrorContains(t, checkSettings(c), field)
	}
	c := document()
	c.Settings = json.RawMessage(`{"auth":"tokens"}`)
	require.ErrorContains(t, checkSettings(c), "secrets.consumer_key: is needed with auth tokens")
	require.ErrorContains(t, checkSettings(c), "secrets.client_id: is not used with auth tokens")
}

// entries are connections in memory.
type entries map[string]connections.Entry

func (e entries) Entry(id string) (connections.Entry, bool) {
	x, ok := e[id]
	return x, ok
}

func TestConnectionsToOneAccountShareItsLimit(t *testing.T) {
	t.Parallel()
	reg := entries{}
	for _, id := range []string{"a", "b", "c"} {
		d := document()
		d.ID = id
		if id == "b" {
			d.Account = "123456-sb1"
		} else if id == "c" {
			d.Account = "999"
		}
		reg[id] = connections.Entry{Connection: d, Version: 1}
	}
	all, err := NewAccounts(Config{Store: recordstest.New(recordstest.Options{}), Registry: reg, Now: time.Now})
	require.NoError(t, err)
	a, err := all.book("a")
	require.NoError(t, err)
	b, err := all.book("b")
	require.NoError(t, err)
	c, err := all.book("c")
	require.NoError(t, err)
	require.Same(t, a.client.cfg.limit, b.client.cfg.limit)
	require.NotSame(t, a.client.cfg.limit, c.client.cfg.limit)
	p, err := a.client.cfg.limit.take(t.Context(), "orders")
	require.NoError(t, err)
	require.Equal(t, 1, b.client.Concurrency().InFlight)
	p.give(true)

	e := reg["a"]
	e.Version, e.Settings = 2, json.RawMessage(`{"concurrency":6}`)
	reg["a"] = e
	again, err := all.book("a")
	require.NoError(t, err)
	require.NotSame(t, a.client, again.client, "another document, another client")
	require.Same(t, a.client.cfg.limit, again.client.cfg.limit, "what was learnt of the account stays")
	require.Equal(t, 2, again.client.Concurrency().Allowed)
	require.Equal(t, 6, again.client.Concurrency().Most)
	_, err = all.book("none")
	require.Equal(t, codeConnection, codeOf(err))
}
