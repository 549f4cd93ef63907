package engine

import "encoding/binary"

// An op is one byte of kind, whose top bit says that a key of 16 bytes follows, then the length of
// the body and the body.
const keyFollows = 0x80

// AppendOp appends the encoded op to dst.
func AppendOp(dst []byte, op Op) []byte {
	var x coder
	return appendOp(&x, dst, op, nil)
}

// appendOp is AppendOp with a coder that the caller reuses, and numbers the names that l knows.
func appendOp(x *coder, dst []byte, op Op, l *Ledger) []byte {
	k := byte(op.Command.kind())
	if op.Key.IsZero() {
		dst = append(dst, k)
	} else {
		dst = append(dst, k|keyFollows)
		dst = binary.LittleEndian.AppendUint64(dst, op.Key.Hi)
		dst = binary.LittleEndian.AppendUint64(dst, op.Key.Lo)
	}
	// Almost every body is shorter than 128 bytes: leave one byte for its length, make room if not.
	at := len(dst)
	dst = append(dst, 0)
	if c, ok := op.Command.(*Reserve); ok && l != nil {
		if b, ok := appendPlain(dst, c, l); ok {
			return putLength(b, at)
		}
	}
	*x = coder{mode: writing, b: dst, names: l}
	op.Command.wire(x)
	return putLength(x.b, at)
}

// putLength writes the length of the body that begins behind b[at].
func putLength(b []byte, at int) []byte {
	size := len(b) - at - 1
	if size < 0x80 {
		b[at] = byte(size)
		return b
	}
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(size))
	b = append(b, length[:n-1]...)
	copy(b[at+n:], b[at+1:at+1+size])
	copy(b[at:], length[:n])
	return b
}

// DecodeOp reads one op from the front of p and returns what is behind it. The command's strings
// share p. It returns an *EntryError when p does not begin with an op.
func DecodeOp(p []byte) (op Op, rest []byte, err error) {
	head, body, rest, err := splitOp(p)
	if err != nil {
		return Op{}, nil, err
	}
	c := newCommand(head.kind)
	if c == nil {
		return Op{}, nil, &EntryError{Reason: "a kind of command is not known to this build"}
	}
	if err := decodeBody(new(coder), c, body); err != nil {
		return Op{}, nil, err
	}
	return Op{Key: head.key, Command: c}, rest, nil
}

type opHead struct {
	kind kind
	key  Key
}

func splitOp(p []byte) (head opHead, body, rest []byte, err error) {
	cut := func() (opHead, []byte, []byte, error) {
		return opHead{}, nil, nil, &EntryError{Reason: "an op is cut off"}
	}
	if len(p) == 0 {
		return cut()
	}
	head.kind = kind(p[0] &^ keyFollows)
	hasKey := p[0]&keyFollows != 0
	p = p[1:]
	if hasKey {
		if len(p) < 16 {
			return cut()
		}
		head.key.Hi = binary.LittleEndian.Uint64(p)
		head.key.Lo = binary.LittleEndian.Uint64(p[8:])
		p = p[16:]
		if head.key.IsZero() {
			return opHead{}, nil, nil, &EntryError{Reason: "a key is zero"}
		}
	}
	size, n := binary.Uvarint(p)
	if n <= 0 || size > uint64(len(p)-n) {
		return cut()
	}
	return head, p[n : n+int(size)], p[n+int(size):], nil
}

// decodeBody reads the body of a command into c, whose lists' room is reused.
func decodeBody(x *coder, c Command, body []byte) error {
	*x = coder{mode: reading, b: body}
	c.wire(x)
	if x.bad == "" && len(x.b) != 0 {
		x.bad = "bytes are left over behind a command"
	}
	if x.bad != "" {
		return &EntryError{Reason: x.bad}
	}
	return nil
}
