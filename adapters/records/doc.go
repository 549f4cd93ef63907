// Package records is how the sync core sees the replicated store: the ledger, and the keyed records
// that live in the same log beside it.
//
// A [Tx] groups commands of the ledger with writes of records and with what must hold for them. It
// happens whole at one index, or not at all: a webhook's reserve, its order, its pushes and its id
// are one Tx, so a crash, a failover or a second delivery finds all of them or none.
//
// What a flow knows between two transactions is a guess: it reads, thinks, and writes with the
// versions that it read. [Retry] does that, and begins again when somebody was faster.
//
// Start at [Store]. The package has no state of its own; recordstest.Store is the twin in memory, and
// both pass recordstest.RunConformance.
package records
