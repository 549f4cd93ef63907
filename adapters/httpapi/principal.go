package httpapi

import (
	"bytes"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"holdfast/adapters/apikeys"
)

// Guard says who calls. It is safe for concurrent use, takes no lock and reads no disk: apikeys.Index.
type Guard interface {
	State() apikeys.State
	// Check returns who a token stands for, or nil.
	Check(token []byte) *apikeys.Caller
	// Local is who calls without a key while there is none.
	Local() *apikeys.Caller
}

// noKeys is the Guard of a server where keys cannot be made.
type noKeys struct{ local *apikeys.Caller }

func (noKeys) State() apikeys.State         { return apikeys.None }
func (noKeys) Check([]byte) *apikeys.Caller { return nil }
func (g noKeys) Local() *apikeys.Caller     { return g.local }

// authenticate says who calls and whether they may; it is the one place that decides it. A call that
// needs no key has no caller.
func (c *call) authenticate() error {
	need := c.route.needs
	if c.route.signed || need == 0 {
		return nil
	}
	caller, err := c.whoCalls()
	if err != nil {
		return err
	}
	if !caller.May(need) {
		return newProblem(codeForbidden, "The API key has the role "+caller.Role().String()+
			", and this call takes one with the role "+need.String()+".")
	}
	if wait := caller.Take(c.s.cfg.Now); wait > 0 {
		p := newProblem(codeRate, "The API key has made as many requests as it may on this node.")
		p.retryAfter = wait
		return p
	}
	c.caller, c.principal = caller, caller.Principal()
	return nil
}

// whoCalls finds the caller by the Authorization, or by where the call comes from.
func (c *call) whoCalls() (*apikeys.Caller, error) {
	guard := c.s.guard
	given := c.ctx.Request.Header.PeekAll("Authorization")
	state := guard.State()
	switch {
	case state == apikeys.Unsure && (len(given) > 0 || !c.isLocalAlone()):
		return nil, newProblem(codeNoLeader, "This node does not know yet which API keys there are.")
	case len(given) == 0 && state == apikeys.Some && !c.s.cfg.OpenLoopback:
		return nil, newProblem(codeUnauth, "The call needs an API key: Authorization: Bearer hf_…")
	case len(given) == 0:
		return c.whoIsHere(state)
	case state == apikeys.None:
		return nil, newProblem(codeUnauth, "No API key exists yet, so none can be right.")
	case len(given) > 1:
		return nil, newProblem(codeUnauth, "Authorization must be given once.")
	}
	scheme, token, _ := bytes.Cut(given[0], []byte(" "))
	if !bytes.EqualFold(scheme, []byte("Bearer")) {
		return nil, newProblem(codeUnauth, "Authorization must be Bearer and an API key.")
	}
	caller := guard.Check(bytes.TrimSpace(token))
	if caller == nil {
		return nil, newProblem(codeUnauth, "The API key is not known, or it was revoked.")
	}
	return caller, nil
}

// isLocalAlone reports whether a call is answered by what this node has, without anything that others
// may have agreed since: a node that cannot say whether keys exist shows that much to its own machine.
// It is from before any key was made.
func (c *call) isLocalAlone() bool {
	stale := text(c.ctx.QueryArgs().Peek("level")) == "stale"
	return isLoopback(c.ctx.RemoteAddr()) && c.route.method == "GET" && (!c.route.read || stale) &&
		c.route.needs == apikeys.Read
}

// whoIsHere is the caller without a key. While none was ever created only loopback is served, and since
// any web page may make a browser on this machine call loopback, a foreign Origin is refused, and a Host
// with a dot that is not an address: only such a name can be bought and pointed here. What a proxy on
// this machine passes on comes from elsewhere.
func (c *call) whoIsHere(state apikeys.State) (*apikeys.Caller, error) {
	h := &c.ctx.Request.Header
	if !isLoopback(c.ctx.RemoteAddr()) {
		return nil, newProblem(codeUnauth, "Without an API key only loopback is served.")
	}
	if len(h.Peek("X-Forwarded-For")) > 0 || len(h.Peek("Forwarded")) > 0 {
		return nil, newProblem(codeUnauth, "Without an API key only loopback is served, and a proxy"+
			" says that this call comes from elsewhere.")
	}
	if host := h.Host(); len(host) > 0 && !safeHost(string(host)) {
		return nil, newProblem(codeForbidden, "Without an API key the Host must be an address"+
			" or a name without a dot, so that no web site can point its own name here.")
	}
	if origin := h.Peek("Origin"); len(origin) > 0 {
		u, err := url.Parse(string(origin))
		if err != nil || !localHost(u.Host) && !strings.EqualFold(u.Host, string(h.Host())) {
			return nil, newProblem(codeForbidden, "A web page of another origin must not call.")
		}
	}
	if state == apikeys.Some {
		return c.s.operator, nil
	}
	return c.s.guard.Local(), nil
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
