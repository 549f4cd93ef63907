package httpapi

import (
	"slices"
	"strings"

	"holdfast/adapters/apikeys"
)

// route is one call of the contract.
type route struct {
	method  string
	pattern string // the metrics' label too
	handle  func(*call) error
	body    int          // the most bytes of a body; 0 means that none is read
	limit   string       // the name of that limit
	query   []string     // the parameters that it knows, beside those of every read
	many    string       // the one of them that may be given more than once
	read    bool         // takes level, and Holdfast-Min-Index
	write   bool         // takes an Idempotency-Key
	kept    bool         // of a write: its answer is kept under the key here, not by the ledger
	signed  bool         // is known by the signature of its body, and needs no API key
	needs   apikeys.Role // of the caller; 0 is none at all
	stats   *routeStats
}

// smallBody is what a call that reads no body, or only {}, may be sent.
const smallBody = 4 << 10

// bodyLimit is the limit that is set before the body is read.
func (r *route) bodyLimit() (most int, name string) {
	if r == nil || r.body == 0 {
		return smallBody, "body-bytes"
	}
	return r.body, r.limit
}

// router finds the route of a path. Segments are compared as they were sent; only parameters are
// percent-decoded, so that a SKU may contain a slash.
type router struct{ root node }

type node struct {
	fixed map[string]*node
	param *node
	calls map[string]*route
}

// maxParams is how many segments of a pattern may vary.
const maxParams = 2

// segments are the raw segments that stood for parameters.
type segments [maxParams]string

func newRouter(routes []*route) *router {
	rt := &router{}
	for _, r := range routes {
		n := &rt.root
		for _, seg := range strings.Split(r.pattern[1:], "/") {
			n = n.child(seg)
		}
		if n.calls == nil {
			n.calls = make(map[string]*route)
		}
		n.calls[r.method] = r
	}
	return rt
}

func (n *node) child(seg string) *node {
	if strings.HasPrefix(seg, "{") {
		if n.param == nil {
			n.param = &node{}
		}
		return n.param
	}
	if n.fixed == nil {
		n.fixed = make(map[string]*node)
	}
	if n.fixed[seg] == nil {
		n.fixed[seg] = &node{}
	}
	return n.fixed[seg]
}

// find returns the route, or nil and the methods that the path knows; none of them means that there
// is no such path.
func (rt *router) find(method, path string, params *segments) (r *route, allow string) {
	if path == "" || path[0] != '/' {
		return nil, ""
	}
	n, at := &rt.root, 0
	for rest := path[1:]; ; {
		seg, tail, more := strings.Cut(rest, "/")
		next := n.fixed[seg]
		if next == nil && n.param != nil && seg != "" && at < maxParams {
			next = n.param
			params[at] = seg
			at++
		}
		if next == nil {
			return nil, ""
		}
		n, rest = next, tail
		if !more {
			break
		}
	}
	if r = n.calls[method]; r != nil {
		return r, ""
	}
	if r = n.calls["GET"]; r != nil && method == "HEAD" {
		return r, ""
	}
	return nil, n.allow()
}

func (n *node) allow() string {
	var methods []string
	for m := range n.calls {
		methods = append(methods, m)
		if m == "GET" {
			methods = append(methods, "HEAD")
		}
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

// rawPath cuts the path out of a request line's target, as it was sent.
func rawPath(target string) string {
	if !strings.HasPrefix(target, "/") {
		if _, rest, ok := strings.Cut(target, "://"); ok {
			i := strings.IndexByte(rest, '/')
			if i < 0 {
				return "/"
			}
			target = rest[i:]
		}
	}
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		return target[:i]
	}
	return target
}

// unescape percent-decodes a segment into a string of its own.
func unescape(seg string) (string, bool) {
	if strings.IndexByte(seg, '%') < 0 {
		return strings.Clone(seg), true
	}
	b := make([]byte, 0, len(seg))
	for i := 0; i < len(seg); i++ {
		if seg[i] != '%' {
			b = append(b, seg[i])
			continue
		}
		if len(seg)-i < 3 {
			return "", false
		}
		high, low := hexValue(seg[i+1]), hexValue(seg[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b = append(b, byte(high<<4|low))
		i += 2
	}
	return string(b), true
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
