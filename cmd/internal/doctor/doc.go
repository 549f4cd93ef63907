// Package doctor looks at a running cluster and says in plain words what is wrong and what to do.
//
// [Look] asks every node, and only reads. [Judge] makes findings of what was seen; it is pure, so that
// each finding is one row of a test. A finding names what it is about, what is so, and what to do.
package doctor
