package flows

import (
	"context"

	"holdfast/adapters/httpapi"
	"holdfast/adapters/shopify"
)

// webhooks gives what came in over HTTP to the adapter that understands it.
type webhooks struct{ shops *shopify.Hook }

// Take answers with an HTTP status.
func (w webhooks) Take(ctx context.Context, in httpapi.Webhook) int {
	return w.shops.Take(ctx, shopify.Webhook(in))
}
