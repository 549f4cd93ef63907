package httpapi

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// localPrincipal is who calls while no API key exists: whoever is on this machine.
const localPrincipal = "local"

// authenticate says who calls; it is the one place that decides it. While no key was ever created
// only loopback is served, and since any web page may make a browser on this machine call loopback,
// a foreign Origin is refused, and a Host with a dot that is not an address: only such a name can be
// bought and pointed here. API keys are not there yet, so no Authorization can be right.
func (c *call) authenticate() (string, error) {
	h := &c.ctx.Request.Header
	if len(h.Peek("Authorization")) > 0 {
		return "", newProblem(codeUnauth, "No API key exists yet, so none can be right.")
	}
	if !isLoopback(c.ctx.RemoteAddr()) {
		return "", newProblem(codeUnauth, "While no API key exists only loopback is served.")
	}
	if host := h.Host(); len(host) > 0 && !safeHost(string(host)) {
		return "", newProblem(codeForbidden, "While no API key exists the Host must be an address"+
			" or a name without a dot, so that no web site can point its own name here.")
	}
	if origin := h.Peek("Origin"); len(origin) > 0 {
		u, err := url.Parse(string(origin))
		if err != nil || !localHost(u.Host) && !strings.EqualFold(u.Host, string(h.Host())) {
			return "", newProblem(codeForbidden, "A web page of another origin must not call.")
		}
	}
	return localPrincipal, nil
}

func isLoopback(addr net.Addr) bool {
	switch a := addr.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}

// safeHost reports whether a web site cannot have chosen the name: an address, or a name without a
// dot, which nobody can register.
func safeHost(hostport string) bool {
	host := hostOf(hostport)
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host != "" && !strings.Contains(host, ".")
}

// localHost reports whether a host is this machine by its own name.
func localHost(hostport string) bool {
	host := hostOf(hostport)
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// hostOf is a Host without port and brackets.
func hostOf(hostport string) string {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}
