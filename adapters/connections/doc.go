// Package connections keeps the accounts at outside systems: how to reach them and what flows.
//
// # What it guarantees
//
//   - C1 nothing changes at an outside system unless [Registry.Open] says so: the document says on,
//     its start is finished, and nothing stood in the way when it was opened.
//   - C2 a start is resumable: what a page found and how far the start has come are one transaction,
//     so a crash at any line repeats at most one page. See [Progress].
//   - C3 one leader runs a connection: every step is written with the version that was read, so the
//     late write of a deposed leader changes nothing.
//   - C4 one connection's failure, panic or silence never touches another: see [Supervisor].
//   - C5 a secret is named by reference, read where and when it is used, and prints as ***.
//   - C6 a schedule runs each due time at most once a leader, and what was missed once: see [Schedule].
//
// # What it must never do
//
// Know a vendor: what is of one kind is behind [Kind] and [Adapter]. Keep what another node would
// have to know: that is in the records.
//
// # Where to start
//
// connection.go is the document, supervisor.go what the leader does with it.
package connections
