// Package shopify is the way to a Shopify shop and back: webhooks and sweeps come in as snapshots
// of orders, tasks and quantities go out as calls of the GraphQL Admin API.
//
// It is thin. It verifies, translates, paces and pushes; what an order means for stock is decided
// by package orders, what a slot should show by package publish, when a call is made by package
// outbox.
//
// # What it guarantees
//
//   - A webhook is answered 200 only when what it says is in the log, or can never be of use. What
//     cannot be understood becomes an exception with its payload.
//   - A quantity is only written with what it is changed from, or as a delta, and under an
//     idempotency key. The type changeFrom has no usable zero value.
//   - A mutation that Shopify does not deduplicate is sent once; its outcome unknown, the next try
//     looks first.
//   - What we have caused over there is recognised before the call that caused it was answered.
//   - Ids are int64 or text, money is text. No float is ever made of either.
//
// # What it must never do
//
// Take a number from an inventory webhook: its body is made when it is sent, not when it happened.
// Call the shop before the commit of orders/create. Log a token, or anything of a buyer.
//
// # Where to start
//
// client.go is one call, operations.go is every call, hook.go the way in, adapter.go what is
// offered to the other packages.
package shopify
