// Package netsuitetest is a NetSuite account that runs on loopback: the part of SuiteTalk REST
// records and SuiteQL that an order and stock integration uses, with both ways to authenticate, the
// rules of sublists, external ids, transforms, commitment and periods, staff who work in the account,
// and faults by script and seed.
//
// What it guarantees:
//
//	I1. A write happens whole or not at all: an error means that no record changed.
//	I2. Every change of a stock number is one entry of the journal, with its time, its cause (api or
//	    staff), its record and the number afterwards. Entries are in the order of the changes.
//	I3. What is available at an item and location is on hand less committed, and committed is the sum
//	    over the open lines of orders.
//	I4. Whatever is made to go wrong on purpose stands in the journal under the id of its fault.
//	I5. The same seed, script and order of calls give the same ids, stock and faults.
//
// It must never accept what NetSuite is known to refuse, and a query outside of the subset of SuiteQL
// that it reads is refused, never guessed at. Where NetSuite's behaviour is not documented,
// [Assumptions] has one switch for each guess. It imports nothing of ours, so that it can stand in for
// NetSuite in front of anybody's adapter. Open server.go first, then schema.go and save.go.
package netsuitetest
