package httpapi

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type fakeHooks struct {
	status int
	got    []Webhook
	body   string
}

func (f *fakeHooks) Take(_ context.Context, w Webhook) int {
	f.got, f.body = append(f.got, w), string(w.Body)
	return f.status
}

func TestWebhooksArePassedOnAsTheyCame(t *testing.T) {
	t.Parallel()
	hooks := &fakeHooks{status: 200}
	s := serve(t, newFake(), func(c *Config) { c.Webhooks = hooks })
	body := "{\"id\": 1,  \"x\":\"\\u00e9\"}\n"
	r := s.do("POST", "/hooks/shopify/shop-1", body, "X-Shopify-Topic", "orders/create",
		"x-shopify-webhook-id", "w1", "X-Shopify-Hmac-Sha256", "c2ln", "Host", "shop.example",
		"X-Shopify-Triggered-At", "2026-11-23T10:00:00Z", "X-Shopify-Shop-Domain", "a.myshopify.com")
	require.Equal(t, 200, r.status)
	require.Empty(t, r.text)
	require.Equal(t, body, hooks.body, "the signature is over these bytes")
	w := hooks.got[0]
	w.Body = nil
	require.Equal(t, Webhook{Connection: "shop-1", Topic: "orders/create", ID: "w1",
		Shop: "a.myshopify.com", Signature: "c2ln", Triggered: "2026-11-23T10:00:00Z"}, w)

	for status, code := range map[int]string{401: "unauthenticated", 404: "unknown-connection",
		503: "overloaded"} {
		hooks.status = status
		s.problem(status, code, "POST", "/hooks/shopify/shop-1", "{}")
	}
	hooks.status = 503
	r = s.do("POST", "/hooks/shopify/shop-1", "{}")
	require.NotEmpty(t, r.header.Get("Retry-After"), "a 503 says when")

	calls := len(hooks.got)
	s.problem(413, "too-large", "POST", "/hooks/shopify/shop-1", strings.Repeat(" ", hookBytes+1))
	require.Len(t, hooks.got, calls)
	s.problem(400, "invalid", "POST", "/hooks/shopify/a%20b", "{}")
}

func TestWithoutShopsThereIsNoHook(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	s.problem(404, "not-found", "POST", "/hooks/shopify/shop-1", "{}")
}
