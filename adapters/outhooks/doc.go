// Package outhooks tells systems outside of what happens to orders, by signed webhooks: whoever keeps
// the books, or packs, without a connector of its own.
//
// It follows Standard Webhooks (https://www.standardwebhooks.com, specification 1.0): the headers
// webhook-id, webhook-timestamp and webhook-signature, a body with type, timestamp and data, and tries
// that go on for days.
//
//	order ──one Tx──▶ task webhook.send ──outbox──▶ [Courier] ──▶ the receiver
//
// # What it guarantees
//
//   - H1 a message is queued in the Tx that makes it true, once for each endpoint that wants it; after
//     that it is delivered at least once, under one webhook-id for ever. A receiver that remembers ids
//     has each once.
//   - H2 what a receiver gets of the order is as it is when the message is sent, with the index of its
//     last change: a message that comes late never tells old news.
//   - H3 one endpoint, slow, down or wrong, holds up neither another one nor any other flow.
//   - H4 an address that is not public is never called unless the operator of the node allows it, and
//     that is looked at when the connection is made, not when the name was looked up.
//   - H5 nothing grows without a bound: an endpoint that fails for days is disabled, one whose queue is
//     full gets no new messages, and each is an exception. What it missed it reads by the API.
//
// # What it must never do
//
// Log or keep a secret, a body or what a receiver answers. Follow a redirect: the signature is for one
// receiver.
//
// # Where to start
//
// endpoint.go is the document, courier.go one delivery, keeper.go what the leader watches.
package outhooks
