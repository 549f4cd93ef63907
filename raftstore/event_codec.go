package raftstore

import (
	"fmt"

	"holdfast/engine"
)

// eventCodec reads the frames of engine.Output.Events. Tests have one of their own.
type eventCodec struct {
	// span is the first sequence of a frame and the number of its events.
	span func(frame []byte) (first uint64, count int, err error)
	// each visits the events of a frame, until visit returns false.
	each func(frame []byte, visit func(*engine.Event) bool) error
}

var engineEvents = eventCodec{
	span: func(frame []byte) (uint64, int, error) {
		f, err := engine.OpenEvents(frame)
		return f.FirstSeq, f.Count, err
	},
	each: func(frame []byte, visit func(*engine.Event) bool) error {
		f, err := engine.OpenEvents(frame)
		if err != nil {
			return err
		}
		var ev engine.Event
		for n := 0; n < f.Count; n++ {
			if !f.Next(&ev) {
				return fmt.Errorf("entry %d: %d of %d events can be read: %w",
					f.Index, n, f.Count, f.Err())
			}
			if !visit(&ev) {
				return nil
			}
		}
		return nil
	},
}
