package raftstore

import (
	"reflect"

	"github.com/hashicorp/raft"
)

// letEnd makes a future of raft end when raft has been shut down, at the latest. Those of Apply do not
// by themselves (raft#498, raft#145): an entry that raft forgets while it loses the lead or shuts down
// keeps whoever waits for it for ever.
//
// The field that raft's other futures have for this is there, exported, and unused; only its type is
// not. It must be set before Error is called, by whoever calls that. A future without the field is left
// as it is, and false returned: it has its answer already.
func letEnd(f raft.Future, gone chan struct{}) bool {
	v := reflect.ValueOf(f)
	if v.Kind() != reflect.Pointer {
		return false
	}
	field := v.Elem().FieldByName("ShutdownCh")
	if !field.IsValid() || !field.CanSet() || field.Type() != reflect.TypeFor[chan struct{}]() {
		return false
	}
	field.Set(reflect.ValueOf(gone))
	return true
}
