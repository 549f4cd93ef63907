// Package httpapi is the HTTP edge of the ledger: it decodes, checks, authenticates and answers.
//
// # What it guarantees
//
//   - H1 a body is read in one strict pass: what is not exactly a call of the contract is refused
//     with the path of the member that is wrong and what is allowed there, and changes nothing.
//   - H2 one table (outcomes.go) says for every refusal and every error which status, title and
//     promise go with it; handlers return errors and never write one themselves.
//   - H3 nothing of a request outlives its handler: strings are cut from one copy of the body,
//     because fasthttp recycles the original and a command may wait in a queue.
//   - H4 every wait, body, page, list, stream and table has a limit; over it the answer is an error
//     that names the limit.
//   - H5 a write is answered as done, as not done, or as unknown; unknown is never called either.
//
// # What it must never do
//
// Know raft, disk or third parties: it sees the ledger and the node through the interfaces [Ledger]
// and [Node]. Retry a write. Keep state that another node would have to know.
//
// # Where to start
//
// routes.go lists every call; server.go shows the life of a request; call.go is what a handler
// works with; scan.go is the pass over the body.
package httpapi
