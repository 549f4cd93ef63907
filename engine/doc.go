// Package engine is the ledger: a deterministic state machine that holds the stock of every SKU at
// every location and every promise that was made on it.
//
// Entries go in, in log order, through [Ledger.Apply]; results, events and a digest come out. Two
// ledgers that applied the same entries are equal in everything that can be seen, whatever was
// saved and loaded in between. The package has no clock, chance, I/O, lock, log, context or
// goroutine: time and ids come in with the entry, and the owner of a Ledger (package raftstore)
// lets one goroutine at a time touch it, but for [Ledger.AppendOps].
//
// # What it guarantees
//
// [Ledger.Check] looks for those that a state can break (I1, I4 to I7) and names each row that does;
// the others are about what a command does, and the tests hold them after every one:
//
//   - I1 for every SKU at a location: held is the sum over live holds, committed the sum over
//     committed allocations.
//   - I2 no accepted strict reserve leaves what is available below its buffer.
//   - I3 on hand changes only by set, adjust, move, ship and return.
//   - I4 no hold whose deadline is at or before due outlives that entry.
//   - I5 one effect per key.
//   - I6 FBA stock is never allocated to a channel that does not list that location.
//   - I7 replicas at the same index have the same digest.
//   - I8 what is available of a kit at a merchant location is the minimum over its components of
//     available / quantity, rounded down.
//
// # What it must never do
//
// Fail. A command ends in a result, and a refusal is a result: [Refusal] lists them in order of
// precedence. A command that passes [Validate] never panics; what cannot be decoded was never
// written by this package, and [OpenEntry] says so before anything is applied.
//
// It must never show what depends on its history: slot numbers, free lists and list order differ
// after a reload and stay inside.
//
// # Where to start
//
// command.go says what can be asked, apply.go runs one entry, apply_reserve.go is the heart, and
// sellable.go is the one place that says how many units a channel may sell.
package engine
