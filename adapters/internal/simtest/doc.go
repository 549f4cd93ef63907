// Package simtest holds what every vendor simulator of this house needs: a clock that is real or
// moved by hand, a bounded journal, and rules of faults that strike by script and seed.
//
// It knows no vendor and imports nothing of ours. Open clock.go first.
package simtest
