// Package schedule says when each call is due and what it is: pure functions of a scenario and its
// seed. No clock, no answer and no other call changes either, so a server that is slow meets the
// same load as one that is fast, and a run can be repeated.
package schedule
