package engine

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// Key is a 128-bit hash of a principal, an idempotency key and a position under it. The zero Key is
// no key: the answer is not remembered.
type Key struct{ Hi, Lo uint64 }

// KeyOf returns the key for the answer to the whole of one call. Scope names the principal, the
// method and the path, so that two of them never share a key.
func KeyOf(scope, key string) Key {
	h := xxh3.New()
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(scope)))
	h.Write(n[:]) // so that no part of one can pass for part of the other
	h.WriteString(scope)
	h.WriteString(key)
	return nonZero(h.Sum128())
}

// At returns the key of op i, from 1, of the call that k names. The zero key stays zero.
func (k Key) At(i int) Key {
	if k.IsZero() {
		return k
	}
	var b [24]byte
	binary.LittleEndian.PutUint64(b[0:], k.Hi)
	binary.LittleEndian.PutUint64(b[8:], k.Lo)
	binary.LittleEndian.PutUint64(b[16:], uint64(i))
	return nonZero(xxh3.Hash128(b[:]))
}

// IsZero reports whether k is no key.
func (k Key) IsZero() bool { return k == Key{} }

func nonZero(u xxh3.Uint128) Key {
	if u.Hi == 0 && u.Lo == 0 {
		u.Lo = 1
	}
	return Key{Hi: u.Hi, Lo: u.Lo}
}
