//go:build bug_local_keys

package raftstore

import "holdfast/engine"

// keysHere is broken on purpose: only the node that proposed an entry remembers the answers under
// the keys in it; the others apply it as if it had none. See bugs.go.
func keysHere(e engine.Entry, own bool) (engine.Entry, error) {
	if own {
		return e, nil
	}
	ops, err := e.Ops()
	if err != nil {
		return e, err
	}
	var b engine.EntryBuilder
	for _, op := range ops {
		b.Add(engine.Op{Command: op.Command})
	}
	return engine.OpenEntry(b.Seal(e.Now, e.Due))
}
