// Package report turns what a run did, and what the checker found, into a verdict that a person and
// a machine can read. The rate that was offered is part of every report.
package report
