// Package trace tells all that is known of one order, under whatever name somebody has it: one
// timeline of what its home said, what its stock did, what other systems were told and what failed.
//
// It only reads, and it reads little: the order by its key, its tasks by theirs, and the newest
// exceptions and events up to a bound. What is behind the bound is said to be missing, not left out
// in silence. Open trace.go.
package trace
