package engine

import (
	"encoding/binary"
	"unsafe"

	"github.com/zeebo/xxh3"
)

// coder walks the fields of a command. Each command describes its body once, in wire, and the
// coder's mode says what is done with each field, so that writing, reading, numbering and hashing
// can never disagree about the shape.
type coder struct {
	mode coderMode
	// b is what was written so far, or what is left to read.
	b []byte
	// bad latches the first fault of reading; after it every field reads as zero.
	bad  string
	hash uint64
	// names gives the texts for hashing, and the numbers for writing where it is not nil.
	names *Ledger
}

type coderMode uint8

const (
	writing coderMode = iota // names by their numbers, where names is given and knows them
	reading                  // strings alias b
	hashing                  // mixes the content into hash, names by their text
)

func (x *coder) uint(v *uint64) {
	switch x.mode {
	case writing:
		x.b = binary.AppendUvarint(x.b, *v)
	case reading:
		*v = x.takeUvarint()
	case hashing:
		x.hash = mix(x.hash, *v)
	}
}

// int codes a signed number; small ones of either sign are short.
func (x *coder) int(v *int64) {
	u := zigzag(*v)
	x.uint(&u)
	if x.mode == reading {
		*v = unzigzag(u)
	}
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

func (x *coder) bool(v *bool) {
	var e uint8
	if *v {
		e = 1
	}
	codeByte(x, &e)
	if x.mode == reading {
		if e > 1 {
			x.fail("a truth value is neither 0 nor 1")
		}
		*v = e == 1
	}
}

// codeByte codes a value of an enum.
func codeByte[E ~uint8](x *coder, v *E) {
	switch x.mode {
	case writing:
		x.b = append(x.b, byte(*v))
	case reading:
		*v = 0
		if len(x.b) == 0 {
			x.fail("the body ends early")
			return
		}
		*v, x.b = E(x.b[0]), x.b[1:]
	case hashing:
		x.hash = mix(x.hash, uint64(*v))
	}
}

func (x *coder) string(v *string) {
	switch x.mode {
	case writing:
		x.b = binary.AppendUvarint(x.b, uint64(len(*v)))
		x.b = append(x.b, *v...)
	case reading:
		*v = x.takeString()
	case hashing:
		x.hash = mix(x.hash, xxh3.HashString(*v))
	}
}

func (x *coder) bytes(v *[]byte) {
	s := aliasText(*v)
	x.string(&s)
	if x.mode == reading {
		*v = unsafe.Slice(unsafe.StringData(s), len(s))
	}
}

func (x *coder) name(k NameKind, v *Name) {
	switch {
	case x.mode == hashing:
		if number, ok := v.number(); ok && !x.names.given(k, number) {
			x.fail("a number was never given to a name")
		}
		x.hash = mix(x.hash, x.names.nameHash(k, *v))
		return
	case x.mode == writing && x.names != nil && *v != "":
		if number := x.names.find(k, *v); number != 0 {
			x.b = appendNumber(x.b, number)
			return
		}
	}
	x.string((*string)(v))
}

// codeList codes a list of at most limit elements. Reading reuses the list's room.
func codeList[T any](x *coder, list *[]T, limit int, element func(*coder, *T)) {
	n := uint64(len(*list))
	x.uint(&n)
	if x.mode == reading {
		if n > uint64(limit) || n > uint64(len(x.b)) {
			x.fail("a list is longer than its limit or its body")
			n = 0
		}
		*list = grow(*list, int(n))
	}
	for i := range *list {
		element(x, &(*list)[i])
	}
}

// grow returns list with length n, keeping its room where that is enough.
func grow[T any](list []T, n int) []T {
	if cap(list) < n {
		return make([]T, n, n+n/2)
	}
	return list[:n]
}

func (x *coder) takeUvarint() uint64 {
	if len(x.b) > 0 && x.b[0] < 0x80 { // most numbers are small
		v := uint64(x.b[0])
		x.b = x.b[1:]
		return v
	}
	v, n := binary.Uvarint(x.b)
	if n <= 0 {
		x.fail("a number is cut off or too large")
		return 0
	}
	x.b = x.b[n:]
	return v
}

func (x *coder) takeString() string {
	n := x.takeUvarint()
	if n > uint64(len(x.b)) {
		x.fail("a text is longer than its body")
		return ""
	}
	s := aliasText(x.b[:n])
	x.b = x.b[n:]
	return s
}

// aliasText returns b as a string that shares its bytes.
func aliasText(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// fail latches a fault and leaves nothing to read.
func (x *coder) fail(why string) {
	if x.bad == "" {
		x.bad = why
	}
	x.b = nil
}

// mix folds v into h. It is a multiply-and-fold of two odd constants (the golden ratio's and one of
// Steele and Vigna's), good enough that a changed field changes half the bits; it is no defence
// against somebody who chooses the values.
func mix(h, v uint64) uint64 {
	h = (h ^ v ^ 0x9e3779b97f4a7c15) * 0xd1342543de82ef95
	return h ^ h>>32
}
