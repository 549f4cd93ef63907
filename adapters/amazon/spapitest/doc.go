// Package spapitest is an Amazon that runs on loopback: the part of the Selling Partner API that an
// order and stock integration uses, in several regions and for several sellers, with Login with
// Amazon, notifications on queues that speak the JSON protocol of SQS, buyers and warehouses that
// act on their own, the documented rate limits, and faults by script and seed.
//
// What it guarantees:
//
//	I1. A call happens whole or not at all: an error means that nothing changed, unless a fault says
//	    otherwise.
//	I2. Every change of a number of stock is one entry of the journal, with its time, its cause (own
//	    call, buyer, warehouse, admin) and the number afterwards. Entries are in the order in which
//	    the changes took place.
//	I3. Stock of sellers and stock of Amazon's warehouses are different numbers: an order takes from
//	    the one that fulfils it, at the moment at which it is placed.
//	I4. Whatever is made to go wrong on purpose stands in the journal under the id of its fault.
//	I5. The same seed, script and order of calls give the same ids, stock and faults.
//
// Answers follow Amazon's models of August 2026 and a test holds each of them to those. Where the
// behaviour of Amazon is not documented, [Assumptions] has one switch for each guess, with its
// source, and [Timing] one span for each delay. It imports nothing of ours but what simulators
// share, so that it can stand in for Amazon in front of anybody's adapter. Open server.go first,
// then operations.go.
package spapitest
