// Package demo runs a sale event on three nodes of one process and proves that the ledger kept
// every promise.
//
// It uses the nodes as any caller would: over HTTP on loopback, with retries under the same key. A
// run has five parts, each in a file: [Catalogue] is what is sold, a [Plan] of orders comes from a
// seed, shoppers send it while the leader is killed and started again from its folder (nodes.go),
// [Books] keeps what was acknowledged, and afterwards collect.go reads what the nodes say and
// checks.go compares the two. The books never ask the ledger: they add up accepted answers.
//
// Each check is a pure function of the books and of what was seen, prints what it compared, and has
// a test that makes it fail.
package demo
