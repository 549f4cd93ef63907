// Package recordstest is the replicated store in memory, and the suite that says what a store is.
//
// [Store] keeps records in maps beside a real engine.Ledger: every Tx is one entry of that ledger, at
// one index. It passes [RunConformance], which the real store must pass too; where the port leaves
// something open, it is the stricter of the two, so that what works here works there.
//
// It never writes to a disk, and its clock is the caller's.
package recordstest
