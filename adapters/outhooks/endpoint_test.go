package outhooks

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/orders"
)

func TestEndpointsAreChecked(t *testing.T) {
	t.Parallel()
	good := func() Endpoint {
		return Endpoint{ID: "erp", URL: "https://erp.example/x", Secrets: []string{"env:A"}, Mode: On}
	}
	e := good()
	require.NoError(t, e.Validate())
	for field, spoil := range map[string]func(e *Endpoint){
		"id":          func(e *Endpoint) { e.ID = "a/b" },
		"url":         func(e *Endpoint) { e.URL = "http://erp.example" },
		"events[0]":   func(e *Endpoint) { e.Events = []string{"order.crated"} },
		"channels[0]": func(e *Endpoint) { e.Channels = []string{""} },
		"secrets":     func(e *Endpoint) { e.Secrets = nil },
		"secrets[0]":  func(e *Endpoint) { e.Secrets = []string{"whsec_AAAA"} },
		"mode":        func(e *Endpoint) { e.Mode = "off" },
		"note":        func(e *Endpoint) { e.Note = strings.Repeat("x", 300) },
	} {
		e := good()
		spoil(&e)
		err := e.Validate()
		require.ErrorContains(t, err, field+":")
		require.NotContains(t, err.Error(), "whsec_", "it may be the secret")
	}
	for _, url := range []string{"", "ftp://x", "https://u:p@x.example", "https://x.example#f", "//x"} {
		e := good()
		e.URL = url
		require.Error(t, e.Validate(), url)
	}
	for _, url := range []string{"http://127.0.0.1:9/x", "http://erp:8080", "https://10.0.0.1"} {
		e := good()
		e.URL = url
		require.NoError(t, e.Validate(), url)
	}
}

func TestEveryEventCanBeAskedFor(t *testing.T) {
	t.Parallel()
	require.Contains(t, Events, string(orders.Created))
	require.Len(t, Events, 14)
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false,
		"192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "0.0.0.0": false, "::": false,
		"::1": false, "fe80::1": false, "fd00::1": false, "::ffff:127.0.0.1": false, "::ffff:8.8.8.8": true,
		"64:ff9b::7f00:1": false, "2002:7f00:1::": false, "224.0.0.1": false, "255.255.255.255": false,
		"198.18.0.1": false, "::127.0.0.1": false, "ff02::1": false,
	} {
		require.Equal(t, want, guard{}.allows(netip.MustParseAddr(text)), text)
	}
	g := guard{prefixes("10.1.0.0/16")}
	require.True(t, g.allows(netip.MustParseAddr("10.1.9.9")))
	require.True(t, g.allows(netip.MustParseAddr("::ffff:10.1.9.9")))
	require.False(t, g.allows(netip.MustParseAddr("10.2.0.1")))
	require.False(t, g.allows(netip.MustParseAddr("127.0.0.1")))
}

// TestTheAddressIsLookedAtWhenItIsCalled has a name that leads to this machine, whatever it led to when
// the document was saved.
func TestTheAddressIsLookedAtWhenItIsCalled(t *testing.T) {
	t.Parallel()
	called := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	require.NoError(t, err)
	url := "http://localhost:" + port
	_, err = newHTTP(nil).Post(url, "application/json", strings.NewReader("{}"))
	var refused *AddressError
	require.ErrorAs(t, err, &refused)
	require.False(t, called)
	require.Equal(t, "address-refused", unreachable(err).Code())
	res, err := newHTTP(prefixes("127.0.0.0/8", "::1/128")).Post(url, "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.True(t, called)
}

func TestThePortsAreRequired(t *testing.T) {
	t.Parallel()
	_, err := NewCourier(CourierConfig{})
	require.Error(t, err)
	_, err = NewKeeper(KeeperConfig{})
	require.Error(t, err)
	require.Equal(t, "x", Gate{NewBook(nil, nil), stuck("x")}.Blocked("shop"))
}

type stuck string

func (a stuck) Blocked(string) string { return string(a) }
