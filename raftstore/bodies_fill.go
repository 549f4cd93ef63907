package raftstore

import (
	"encoding/binary"
	"errors"
)

// After an install the ledger is here, and the bodies that it names are not. They follow in the
// background: rows in the order of their keys, as another node had them at the index of the install,
// piece by piece. Bodies of later entries are this node's own.

// callBodies asks for bodies: version 1, index, and the key behind which to begin. The answer is a
// version, whether these are the last, and rows; it is empty when that node has not all of them.
const callBodies byte = 6

const bodiesVersion = 1

var errBodiesAnswer = errors.New("bodies from another node cannot be read")

// bodyFill fetches bodies. A restart begins anew: what has come stays, and comes again.
func (s *Store) bodyFill() *filler {
	bodies := s.machine.bodies
	missing, after := uint64(0), []byte(nil)
	return &filler{
		name: "bodies", call: callBodies,
		next: func() (ask []byte, ok bool, err error) {
			if now := bodies.State().Missing; now != missing {
				missing, after = now, nil
			}
			ask = binary.LittleEndian.AppendUint64([]byte{bodiesVersion}, missing)
			return append(ask, after...), missing != 0, nil
		},
		take: func(answer []byte) error {
			rows, last, err := parseBodies(answer)
			if err != nil {
				return err
			}
			if bodies.State().Missing != missing {
				return nil // another install came in between: next begins anew
			}
			if err := bodies.Fill(after, rows, last); err != nil {
				return err
			}
			if !last {
				after = rows[len(rows)-1].Key
			}
			return nil
		},
		nobody:   func() error { return nil }, // a member that lacks them itself may have them soon
		complete: s.bodiesComplete,
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
		if len(answer) >= fillPiece {
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

// parseBodies reads an answer, which the rows share. It fails with errBodiesAnswer.
func parseBodies(p []byte) (rows []BodyRow, last bool, err error) {
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
