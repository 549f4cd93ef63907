package outhooks

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// AddressError says that an address was not called because it is not public.
type AddressError struct{ Addr netip.Addr }

// Error names the address.
func (e *AddressError) Error() string {
	return fmt.Sprintf("%s is not a public address, and not allowed by webhooks.private", e.Addr)
}

// special are the blocks that are not on the internet, or lead to another address (RFC 6890 and its
// registries), beside those that package netip knows.
var special = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16",
	"3fff::/20", "5f00::/16", "fec0::/10")

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		list[i] = netip.MustParsePrefix(t)
	}
	return list
}

// public reports whether an address is one of the internet.
func public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() ||
		a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// guard lets connections go to public addresses, and to those that are allowed.
type guard struct{ allowed []netip.Prefix }

func (g guard) allows(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range g.allowed {
		if p.Contains(a) {
			return true
		}
	}
	return public(a)
}

// control is called with the address that is about to be connected to, behind every lookup of a name: a
// name that leads elsewhere the second time it is asked for gains nothing. It fails with *AddressError.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("the address %q: %w", address, err)
	}
	if !g.allows(to.Addr()) {
		return &AddressError{to.Addr()}
	}
	return nil
}

// newHTTP makes a client that calls only what the guard allows. It goes through no proxy, which would be
// asked instead of the guard, and follows no redirect.
func newHTTP(allowed []netip.Prefix) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: guard{allowed}.control}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			MaxConnsPerHost:        16,
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        90 * time.Second,
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  sendTimeout,
			MaxResponseHeaderBytes: 32 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
