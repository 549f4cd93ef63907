package engine

import (
	"fmt"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// FieldError says which field of a command breaks which rule. Field is in the words of the HTTP
// body, such as "lines[0].qty"; Reason says what is allowed.
type FieldError struct{ Field, Reason string }

// Error returns the field and the reason.
func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

// Code returns the wire name of what is wrong.
func (e *FieldError) Code() string { return Invalid.String() }

// Validate checks what needs no state. It returns nil or a *FieldError: the first fault in the order
// of the fields. A command that fails has not been and will not be in the log.
func Validate(c Command) error {
	f := faults{outside: true}
	f.check(c)
	if f.reason == "" {
		return nil
	}
	return &FieldError{Field: f.field.String(), Reason: f.reason}
}

// faults latches the first fault that it is told of.
type faults struct {
	field  field
	reason string
	// outside: the command comes from a caller, who must not use the numbered form of a name.
	outside bool
	inGroup bool
	op      int // place in the group
}

// field is a path into a command: leaf, list[i], list[i].leaf, all below ops[op] in a group.
type field struct {
	list string
	i    int
	leaf string
	op   int // place in a group, from 1; 0 is none
}

func (p field) String() string {
	s := p.list
	if s != "" {
		s += "[" + strconv.Itoa(p.i) + "]"
		if p.leaf != "" {
			s += "."
		}
	}
	s += p.leaf
	if p.op > 0 {
		s = "ops[" + strconv.Itoa(p.op-1) + "]." + s
	}
	return s
}

// The words that a refusal's field is made of. Their places are in remembered answers and never
// change; a word that is not here is not remembered.
var (
	fieldLists  = [...]string{"", "lines", "kit", "locations"}
	fieldLeaves = [...]string{"", "id", "sku", "location", "channel", "lines", "qty", "line", "from",
		"to", "set", "adjust", "move", "as_of", "kit", "kind", "name", "locations", "key", "state",
		"value"}
)

// pack makes 32 bits of a field: list, leaf, and the place in the list.
func (p field) pack() int32 {
	list := slices.Index(fieldLists[:], p.list)
	leaf := slices.Index(fieldLeaves[:], p.leaf)
	if list < 0 || leaf < 0 || p.i >= 1<<16 {
		return 0
	}
	return int32(list<<24 | leaf<<16 | p.i)
}

func unpackField(v int32) field {
	list, leaf := int(v>>24), int(v>>16&0xff)
	if v < 0 || list >= len(fieldLists) || leaf >= len(fieldLeaves) {
		return field{}
	}
	return field{list: fieldLists[list], i: int(v & 0xffff), leaf: fieldLeaves[leaf]}
}

func (f *faults) add(at field, reason string) {
	if f.reason == "" {
		if f.inGroup {
			at.op = f.op + 1
		}
		f.field, f.reason = at, reason
	}
}

func (f *faults) id(id string) {
	if len(id) == 0 || len(id) > MaxIDBytes || !printableASCII(id) {
		f.add(field{leaf: "id"}, "must be 1 to 128 bytes of printable ASCII without space")
	}
}

// name checks a plain name; a numbered one was checked when it was defined.
func (f *faults) name(k NameKind, at field, n Name, required bool) {
	if n == "" && !required {
		return
	}
	if _, ok := n.number(); ok && !f.outside {
		return
	}
	if k == SKUName {
		if len(n) == 0 || len(n) > MaxSKUBytes || !plainText(string(n)) {
			f.add(at, "must be 1 to 255 bytes of UTF-8 without control characters")
		}
		return
	}
	if len(n) == 0 || len(n) > MaxIDBytes || !printableASCII(string(n)) {
		f.add(at, "must be 1 to 128 bytes of printable ASCII without space")
	}
}

func (f *faults) between(at field, v, low, high int64) {
	if v < low || v > high {
		f.add(at, fmt.Sprintf("must be an integer from %d to %d", low, high))
	}
}

func (f *faults) note(leaf, text string, limit int) {
	if len(text) > limit || !plainText(text) {
		f.add(field{leaf: leaf}, fmt.Sprintf(
			"must be at most %d bytes of UTF-8 without control characters", limit))
	}
}

func (f *faults) attributes(b []byte) {
	if len(b) > MaxAttributes {
		f.add(field{leaf: "attributes"}, "must be at most 4 KiB in all")
	}
}

func (f *faults) ttl(ttl int64) {
	if ttl != 0 {
		f.between(field{leaf: "ttl_ms"}, ttl, MinTTL, MaxTTL)
	}
}

func (f *faults) asOf(v int64) {
	if v < 0 {
		f.add(field{leaf: "as_of"}, "must not be before 1970")
	}
}

func enum[E ~uint8](f *faults, at field, t texts[E], v E) {
	if !t.valid(v) {
		f.add(at, "must be one of "+t.list())
	}
}

// list returns the texts of the enum for a message: "strict, dip, accept".
func (t texts[E]) list() string {
	var s string
	for i := 1; i < len(t); i++ {
		if i > 1 {
			s += ", "
		}
		s += t[i]
	}
	return s
}

// printableASCII reports whether s is ASCII without space and control characters.
func printableASCII(s string) bool {
	for ; len(s) >= 8; s = s[8:] {
		if w := word(s); w&high != 0 || below(w, '!') || below(^w&^high, 0x7f-'~') {
			return false
		}
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// plainText reports whether s is UTF-8 without control characters.
func plainText(s string) bool {
	rest := s
	for ; len(rest) >= 8; rest = rest[8:] {
		if w := word(rest); w&high != 0 {
			return plainUTF8(s)
		} else if below(w, ' ') || below(^w&^high, 1) {
			return false
		}
	}
	for i := 0; i < len(rest); i++ {
		if rest[i] >= utf8.RuneSelf {
			return plainUTF8(s)
		}
		if rest[i] < ' ' || rest[i] == 0x7f {
			return false
		}
	}
	return true
}

func plainUTF8(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}

// Eight bytes at a time: every command's texts are checked when it is submitted and again on every
// node when it is applied.
const (
	ones = 0x0101010101010101
	high = 0x8080808080808080
)

func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// below reports whether a byte of w, all of which are below 0x80, is below n.
func below(w, n uint64) bool { return (w+(0x80-n)*ones)&high != high }
