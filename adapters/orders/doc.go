// Package orders keeps every sale: its life, its stock, its shipments, returns and refunds.
//
// # What it guarantees
//
//   - O1 a sale and its stock change at one index or not at all: the order, what the ledger does for
//     it, the id of the webhook, the tasks and the tallies are one [records.Tx].
//   - O2 what is applied is a state, never a step: [Book.Receive] compares what the home says now with
//     what the order has, so duplicates, disorder and losses end where the last word leads.
//   - O3 only the home's feed reserves, releases and cancels. Everybody else attaches, and the first
//     report of a package ships it.
//   - O4 an order is announced to others once, for ever: its record is never deleted, only archived.
//   - O5 what a system has reported is never queued to that system again.
//   - O6 no sale is lost: lines that cannot have stock yet wait under an exception, the others do not
//     wait for them; a ledger that refuses leaves the order stored, with an exception.
//   - O7 on hand rises by a return only on a receipt by the location's master.
//
// # What it must never do
//
// Call an outside system, or know what one's documents look like: adapters make a [Snapshot] of
// whatever they were sent, and tasks tell them what is to be said.
//
// # Where to start
//
// receive.go takes a snapshot in; goal.go says what the ledger must have for a line; plan.go makes
// it so; event.go is the table of who is told what.
package orders
