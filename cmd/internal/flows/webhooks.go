package flows

import (
	"context"
	"net/http"

	"holdfast/adapters/httpapi"
	"holdfast/adapters/shopify"
)

// webhooks gives what came in over HTTP to the adapter that understands it.
type webhooks struct {
	shops *shopify.Hook
	ready <-chan struct{}
}

// Take answers with an HTTP status: 503 while this node does not know yet which shops there are.
func (w webhooks) Take(ctx context.Context, in httpapi.Webhook) int {
	select {
	case <-w.ready:
	default:
		return http.StatusServiceUnavailable
	}
	return w.shops.Take(ctx, shopify.Webhook(in))
}
