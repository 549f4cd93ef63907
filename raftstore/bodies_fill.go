package raftstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// After an install the ledger is here, and the bodies that it names are not. They follow in the
// background: rows in the order of their keys, as another node had them at the index of the install,
// chunk by chunk. Bodies of later entries are this node's own.

// callBodies asks for bodies: version 1, index, and the key behind which to begin. The answer is a
// version, whether these are the last, and rows; it is empty when that node has not all of them.
const callBodies byte = 6

const (
	bodiesVersion = 1
	// bodiesChunk is about how large an answer is.
	bodiesChunk = 1 << 20
	// fillPause is the least time between two chunks: 20 MB/s at most beside the traffic.
	fillPause = 50 * time.Millisecond
)

var (
	errBodiesElsewhere = errors.New("that node has not all bodies")
	errBodiesAnswer    = errors.New("bodies from another node cannot be read")
)

// fillBodies fetches what is missing from the node at addr, and returns nil when nothing is missing any
// more. It may be called again, with another node: what has come stays, and comes again. It fails with
// the error of the call or of the disk, errBodiesElsewhere or errBodiesAnswer.
func (s *Store) fillBodies(ctx context.Context, addr string) error {
	missing := s.machine.bodies.State().Missing
	if missing == 0 {
		return nil
	}
	for after := []byte(nil); ; {
		ask := binary.LittleEndian.AppendUint64([]byte{bodiesVersion}, missing)
		answer, _, err := s.peers.Call(ctx, addr, callBodies, append(ask, after...))
		if err != nil {
			return fmt.Errorf("fetch bodies from %s: %w", addr, err)
		}
		rows, last, err := parseBodies(answer)
		if err != nil {
			return fmt.Errorf("fetch bodies from %s: %w", addr, err)
		}
		if s.machine.bodies.State().Missing != missing {
			return errBodiesElsewhere // another install came in between: begin anew
		}
		if err := s.machine.bodies.Fill(rows, last); err != nil {
			return err
		}
		if last {
			return nil
		}
		after = rows[len(rows)-1].Key
		if !pause(ctx, fillPause) {
			return context.Cause(ctx)
		}
	}
}

// bodiesComplete reports whether every body that the ledger names is here.
func (s *Store) bodiesComplete() bool { return s.machine.bodies.State().Missing == 0 }

// handleBodies answers callBodies; nil says that the bodies are not to be had here.
func (s *Store) handleBodies(ask []byte) []byte {
	if len(ask) < 9 || ask[0] != bodiesVersion {
		return nil
	}
	index, after := binary.LittleEndian.Uint64(ask[1:]), ask[9:]
	bodies := s.machine.bodies
	if s.machine.applied.Load() < index || !s.bodiesComplete() {
		return nil
	}
	if err := bodies.Flush(index, 0); err != nil {
		s.log.Warn("bodies for another node", "error", err)
		return nil
	}
	answer := []byte{bodiesVersion, 1}
	if err := bodies.Scan(after, index, func(r BodyRow) bool {
		if len(answer) >= bodiesChunk {
			answer[1] = 0
			return false
		}
		answer = appendBody(answer, r)
		return true
	}); err != nil {
		s.log.Error("bodies for another node", "error", err)
		return nil
	}
	return answer
}

// appendBody appends a row: length of key, key, version, length of value, value.
func appendBody(dst []byte, r BodyRow) []byte {
	dst = append(binary.AppendUvarint(dst, uint64(len(r.Key))), r.Key...)
	dst = binary.AppendUvarint(dst, r.Version)
	return append(binary.AppendUvarint(dst, uint64(len(r.Value))), r.Value...)
}

// parseBodies reads an answer, which the rows share. It fails with errBodiesElsewhere or
// errBodiesAnswer.
func parseBodies(p []byte) (rows []BodyRow, last bool, err error) {
	if len(p) == 0 {
		return nil, false, errBodiesElsewhere
	}
	if len(p) < 2 || p[0] != bodiesVersion || p[1] > 1 {
		return nil, false, errBodiesAnswer
	}
	last, p = p[1] == 1, p[2:]
	number := func() (v uint64) {
		v, n := binary.Uvarint(p)
		if n <= 0 {
			err = errBodiesAnswer
			return 0
		}
		p = p[n:]
		return v
	}
	text := func() (b []byte) {
		n := number()
		if n > uint64(len(p)) {
			err = errBodiesAnswer
			return nil
		}
		b, p = p[:n:n], p[n:]
		return b
	}
	for len(p) > 0 {
		r := BodyRow{Key: text()}
		r.Version, r.Value = number(), text()
		if err != nil || len(r.Key) < 2 || len(r.Value) == 0 || r.Version == 0 {
			return nil, false, errBodiesAnswer
		}
		rows = append(rows, r)
	}
	if len(rows) == 0 && !last {
		return nil, false, errBodiesAnswer
	}
	return rows, last, nil
}
