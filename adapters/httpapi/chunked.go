package httpapi

import (
	"sync"
	"unsafe"

	"github.com/valyala/fasthttp"
)

// chunkedRoutes remembers which call a chunked body belongs to while it is read: fasthttp forgets
// the headers of a request whose chunks pass the limit, and the 413 names the limit of its route.
// The address of the headers stands for the request; as a number it keeps nothing alive. Who hangs
// up in the middle of a body, or sends an empty one, leaves a row behind until that memory is used
// again. It is safe for concurrent use.
type chunkedRoutes struct {
	mu   sync.Mutex
	rows map[uintptr]*route
}

// maxChunkedRows is above the connections that read a chunked body at any time; beyond it the rows
// are forgotten, and a 413 then names the limit of small bodies.
const maxChunkedRows = 64 << 10

func addressOfHeader(h *fasthttp.RequestHeader) uintptr { return uintptr(unsafe.Pointer(h)) }

// begin notes the route, which may be nil, of a request whose body is chunked.
func (t *chunkedRoutes) begin(h *fasthttp.RequestHeader, r *route) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows == nil || len(t.rows) >= maxChunkedRows {
		t.rows = make(map[uintptr]*route)
	}
	t.rows[addressOfHeader(h)] = r
}

// end forgets a request and returns its route; nil when it has none.
func (t *chunkedRoutes) end(h *fasthttp.RequestHeader) *route {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rows[addressOfHeader(h)]
	delete(t.rows, addressOfHeader(h))
	return r
}
