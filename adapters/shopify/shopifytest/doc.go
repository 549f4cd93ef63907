// Package shopifytest is a Shopify that runs on loopback: the part of the Admin GraphQL API that an
// order and stock integration uses, with Shopify's documented rules, signed webhooks, shoppers and
// staff who act on their own, and faults by script and seed.
//
// What it guarantees:
//
//	I1. A mutation happens whole or not at all: user errors mean that nothing changed.
//	I2. Every change of a stock number is one entry of the journal, with its time, its cause (own
//	    call, shopper, admin, system) and the number afterwards. Entries are in the order in which
//	    the changes took place.
//	I3. on_hand is always the sum of available, committed, reserved, damaged, safety_stock and
//	    quality_control.
//	I4. Whatever is made to go wrong on purpose stands in the journal under the id of its fault.
//	I5. The same seed, script and order of calls give the same ids, stock and faults.
//
// It must never accept what Shopify is known to refuse. Where Shopify's behaviour is not
// documented, [Assumptions] has one switch for each guess. It imports nothing of ours but what
// simulators share, so that it can stand in for Shopify in front of anybody's adapter. Open
// server.go first, then mutations.go.
package shopifytest
