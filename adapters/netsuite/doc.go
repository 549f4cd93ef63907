// Package netsuite is the way to a NetSuite account: SuiteTalk REST records and SuiteQL.
//
// It is thin. It signs, paces, calls and says what went wrong; which document an order becomes is
// made by pure functions (sales_order.go), and when a call is made is decided by package outbox.
//
// # What it guarantees
//
//   - A record is made once: it carries an external id that is made of what it stands for, NetSuite
//     refuses a second one, and after any doubt [Client.Make] looks before it answers. NetSuite's
//     idempotency header is not used: it is ignored on calls that are waited for.
//   - Unknown is not failed: a create or a transform whose answer is missing is a Fault with Unknown,
//     and is not sent again by the client itself.
//   - No account has more calls under way than its limit, whatever flows, connections and retries
//     there are; no flow waits for more than its turn; no pause holds a place.
//   - A misspelt field is an error, never dropped in silence: every write asks for it.
//   - Ids are int64 or text, money and quantities are text or integers. No float is made of either.
//
// # What it must never do
//
// Log a token, a key or a signature, or what a person has typed: a fault keeps codes, paths and a
// text without mail addresses and telephone numbers.
//
// # Where to start
//
// client.go is one call, record.go and query.go are the operations, fault.go what can go wrong.
package netsuite
