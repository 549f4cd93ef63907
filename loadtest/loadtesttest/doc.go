// Package loadtesttest is a small ledger over HTTP with faults to order, so that the harness can be
// tested for honesty: against a server that lies in one way, the run must fail and say which.
package loadtesttest
