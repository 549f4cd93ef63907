// Package answers remembers what calls with an Idempotency-Key were answered, for those calls whose
// effect is more than one command of the ledger: the ledger remembers its own.
//
// A key is claimed before the call does anything, for what the call was told, and gets the answer
// when the call is done. So a key never stands for two commands, whatever dies in between; a call
// that was claimed and never answered is done again, and its own names and versions keep it from
// doing twice what it did.
//
// Start at [Book.Claim].
package answers
