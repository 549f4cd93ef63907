package httpapi

import "context"

// Webhooks takes in what shops send by themselves. It is safe for concurrent use.
type Webhooks interface {
	// Take answers a webhook with an HTTP status: 200 only after what it means is in the log, 401
	// when nobody who knows the secret has signed it, 404 when there is no such connection, else
	// 503. It returns within 4 s.
	Take(ctx context.Context, w Webhook) int
}

// Webhook is a webhook as it came in. Body is valid until Take returns; the rest may be kept.
type Webhook struct {
	Connection, Topic, ID, Shop, Signature, Triggered string

	Body []byte
}

// hookBytes is over the largest order that Shopify describes, 500 lines of some 4 KiB each.
const hookBytes = 4 << 20

func hookRoutes() []*route {
	return []*route{{method: "POST", pattern: "/hooks/shopify/{connection}", handle: postHook,
		body: hookBytes, limit: "webhook-bytes", signed: true}}
}

// postHook passes the body on as it came: its signature is over the very bytes. A shop has no API
// key; that signature is what it is known by.
func postHook(c *call) error {
	connection, err := c.param(0, "connection", idRule)
	if err != nil {
		return err
	}
	if c.s.cfg.Webhooks == nil {
		return unrouted("")
	}
	h := &c.ctx.Request.Header
	status := c.s.cfg.Webhooks.Take(c.s.base, Webhook{
		Connection: connection,
		Topic:      string(h.Peek("X-Shopify-Topic")),
		ID:         string(h.Peek("X-Shopify-Webhook-Id")),
		Shop:       string(h.Peek("X-Shopify-Shop-Domain")),
		Signature:  string(h.Peek("X-Shopify-Hmac-Sha256")),
		Triggered:  string(h.Peek("X-Shopify-Triggered-At")),
		Body:       c.ctx.PostBody(),
	})
	switch status {
	case 200:
		c.ctx.SetStatusCode(200)
		return nil
	case 401:
		return newProblem(codeUnauth, "No secret of the connection has signed this body.")
	case 404:
		return newProblem(codeNoConnection, "There is no Shopify connection "+connection+".")
	}
	return newProblem(codeOverloaded, "The webhook was not taken in; send it again.")
}
