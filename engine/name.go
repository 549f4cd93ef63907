package engine

import "encoding/binary"

// Name names a SKU, a location or a channel inside a command.
//
// A caller writes the plain name: 1 to 255 bytes of UTF-8 without control characters. The node that is
// asked may put the numbered form in its place ([Ledger.AppendOps]), which is shorter
// in the log and cheaper to apply, and says the same: the name that has, or had, that number. The two
// cannot be mistaken for each other: the numbered form begins with a zero byte. A name that the node
// does not know travels as it is, so that "unknown" is always a verdict of the log and never of one
// node.
type Name string

// number returns the number of a numbered name. ok is false for a plain name and for bytes that
// only begin like a numbered one.
func (n Name) number() (num uint32, ok bool) {
	if len(n) < 2 || n[0] != 0 {
		return 0, false
	}
	var v uint64
	for i := 1; i < len(n); i++ {
		v |= uint64(n[i]&0x7f) << (7 * (i - 1))
		if n[i] < 0x80 {
			return uint32(v), i == len(n)-1 && v != 0 && v <= 1<<32-1
		}
		if i == binary.MaxVarintLen32 {
			break
		}
	}
	return 0, false
}

// NameKind says in which of the ledger's three name tables a name stands.
type NameKind uint8

// The name tables.
const (
	SKUName NameKind = iota + 1
	LocationName
	ChannelName
)
