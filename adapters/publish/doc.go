// Package publish keeps the numbers that channels show equal to what they may sell.
//
// A [Slot] is one such number. What it should be is the target, made by [Decide] from the ledger, the
// rules and the mode; what we believe that it is, is expected: the last acknowledged value and what the
// channel did itself since, which is summed in the slot's tally ([Moved]). The difference, and nothing
// else, is pushed, so that a channel's own sale never causes a push to it.
//
// # What it guarantees
//
//   - P1 one push of a slot is in flight, and only the latest value of a slot is ever sent.
//   - P2 what is pushed was computed from the ledger and the tally at one index.
//   - P3 a push is claimed in the log before it is sent and acknowledged in the log after it; whoever
//     leads next finds it, and sends it again under the same key or reads the slot.
//   - P4 in pooled mode nothing rises before the watermark has passed the moment at which the rise was
//     wanted: every sale of the channel up to then is in the ledger.
//   - P5 in dedicated mode what a channel could still sell, seen or not, is at most its standing hold.
//     The hold is taken before the push that raises; it falls only with sales, and with the rest once
//     the watermark has passed the push that lowered.
//   - P6 an edit made at a slot changes on hand once, and only where that system is the master;
//     elsewhere it is drift, and a push repairs it.
//
// # What it must never do
//
// Write a number over one that it did not expect: what is there may be a sale that nobody has seen.
//
// # Where to start
//
// plan.go says what is to be done with a slot; it is pure. publisher.go does it, for the leader only.
// observe.go is what a read of a slot means. lease.go is for whoever books a channel's sales.
package publish
