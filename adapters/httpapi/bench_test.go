package httpapi

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"holdfast/engine"
)

// instant is a ledger that answers at once, so that a benchmark sees the edge alone.
type instant struct {
	fakeLedger
	result engine.Result
}

func (i *instant) Submit(context.Context, engine.Op) (engine.Result, error) { return i.result, nil }

// BenchmarkReserve is one reserve from parsed headers to the reply in its buffer: the edge's own
// share of a request, without sockets and ledger.
func BenchmarkReserve(b *testing.B) {
	ledger := &instant{result: fakeResult(engine.Op{Command: &engine.Reserve{
		ID: "order-0123456789-abcdef", Channel: "web", Mode: engine.Strict,
		Lines: []engine.Line{{SKU: "SKU-000123", Qty: 1}}}}, 42)}
	s, err := New(Config{Ledger: ledger, Node: &fakeNode{}})
	require.NoError(b, err)
	var ctx fasthttp.RequestCtx
	ctx.Init(&fasthttp.Request{}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, nil)
	ctx.Request.Header.SetMethod("POST")
	ctx.Request.SetRequestURI("/v1/reservations")
	ctx.Request.Header.SetHost("127.0.0.1:7480")
	ctx.Request.Header.Set("Idempotency-Key", "order-0123456789-abcdef")
	ctx.Request.SetBodyString(`{"id":"order-0123456789-abcdef","channel":"web",` +
		`"lines":[{"sku":"SKU-000123","qty":1}],"ttl_ms":900000}`)
	b.ReportAllocs()
	for b.Loop() {
		ctx.Response.Reset()
		s.handle(&ctx)
	}
	require.Equal(b, 201, ctx.Response.StatusCode())
}

// BenchmarkReadOp is the pass over one reserve's body.
func BenchmarkReadOp(b *testing.B) {
	const body = `{"id":"order-0123456789-abcdef","channel":"web",` +
		`"lines":[{"sku":"SKU-000123","qty":1}],"ttl_ms":900000}`
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, p := readVerb(verbReserve, body); p != nil {
			b.Fatal(p)
		}
	}
}
