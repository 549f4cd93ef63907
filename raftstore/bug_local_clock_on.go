//go:build bug_local_clock

package raftstore

import (
	"time"

	"holdfast/engine"
)

// timeOf is broken on purpose: each node ends holds by its own clock. See bugs.go.
func timeOf(e engine.Entry) engine.Entry {
	e.Now = time.Now().UnixMilli()
	e.Due = e.Now
	return e
}
