// Package routing decides from where an order is served.
//
// The merchant keeps one ordered [List] of rules; the first one whose conditions all hold decides,
// and where none does the channel's own order of locations stands. [Decide] is pure: the same list,
// order and stock give the same [Decision], so that a decision can be tried before it is needed and
// explained long after it was made. It reserves nothing: what it read of the stock may be gone a
// moment later, and the reserve, which looks again in its own entry, has the last word.
//
// A list is checked as a whole when it is saved ([Book.Save]): a rule that was accepted never fails
// while an order waits. Money is compared as decimal text; no float is ever made of it.
//
// Open decide.go first.
package routing
