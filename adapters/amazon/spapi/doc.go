// Package spapi speaks with Amazon's Selling Partner API, as one seller account in one region:
// tokens, limits, faults, the operations that a flow of ours uses, documents, notifications and
// reports.
//
// It is thin, and knows nothing of orders or stock of ours. Types have the fields that are used,
// and no others.
//
// # What it guarantees
//
//   - A call is sent only while the account has a token of that operation's bucket, as far as is
//     known; nothing waits longer than [MaxPause] for it. The buckets of an account are its own:
//     one region's trouble never slows another.
//   - A call that may have taken effect says so: [Fault.Unknown].
//   - A value that is not in Amazon's models is kept as it was written, never an error: what it
//     means is decided by whoever uses it.
//   - A document that was cut off, or is longer than it may be, is an error and never a short one.
//   - Quantities and ids are int64 or text, money is text. No float is ever made of either.
//
// # What it must never do
//
// Send an access token to a presigned address. Log a token, a presigned address, or anything of a
// buyer. Make a quantity patch that wipes the handling time.
//
// # Where to start
//
// client.go is one call; operation.go has every operation with its limits; notification.go decodes
// what comes over a queue, table.go what comes as a report.
package spapi
