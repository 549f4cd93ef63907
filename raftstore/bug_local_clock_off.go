//go:build !bug_local_clock

package raftstore

import "holdfast/engine"

// timeOf is the time at which an entry is applied: the one that its leader stamped. See bugs.go.
func timeOf(e engine.Entry) engine.Entry { return e }
