package engine

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// arena keeps short byte strings in large chunks, addressed by a number, so that millions of ids
// cost the collector nothing. Room that is given back is used again for strings of the same size
// class. Number 0 stands for the empty string.
type arena struct {
	chunks [][]byte
	used   int        // bytes of the last chunk
	free   [][]uint32 // by size class
}

const (
	arenaUnit      = 4 // bytes: rooms begin at multiples of it
	arenaUnitBits  = 14
	arenaChunk     = arenaUnit << arenaUnitBits // 64 KiB
	arenaExact     = 64                         // classes up to this many units are exact, larger ones powers of 2
	arenaLargest   = arenaChunk / arenaUnit
	arenaUnitsMask = 1<<arenaUnitBits - 1
)

// put stores b with its length and returns its number. b may be up to 2^28 bytes.
func (a *arena) put(b []byte) uint32 {
	if len(b) == 0 {
		return 0
	}
	var head [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(head[:], uint64(len(b)))
	ref, room := a.room(n + len(b))
	copy(room, head[:n])
	copy(room[n:], b)
	return ref
}

// putText is put for a text.
func (a *arena) putText(s string) uint32 {
	return a.put(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// at returns the bytes of a number. They are valid until it is given back.
func (a *arena) at(ref uint32) []byte {
	if ref == 0 {
		return nil
	}
	room := a.chunks[ref>>arenaUnitBits-1][ref&arenaUnitsMask*arenaUnit:]
	size, n := binary.Uvarint(room)
	return room[n : n+int(size)]
}

// text returns the bytes of a number as a string that is valid as long as they are.
func (a *arena) text(ref uint32) string {
	return aliasText(a.at(ref))
}

func (a *arena) give(ref uint32) {
	if ref == 0 {
		return
	}
	size := len(a.at(ref))
	class, _ := arenaClass(size + uvarintLen(uint64(size)))
	for len(a.free) <= class {
		a.free = append(a.free, nil)
	}
	a.free[class] = append(a.free[class], ref)
}

// room finds size bytes.
func (a *arena) room(size int) (ref uint32, room []byte) {
	class, units := arenaClass(size)
	if class < len(a.free) && len(a.free[class]) > 0 {
		list := a.free[class]
		ref = list[len(list)-1]
		a.free[class] = list[:len(list)-1]
		return ref, a.chunks[ref>>arenaUnitBits-1][ref&arenaUnitsMask*arenaUnit:][:size]
	}
	length := units * arenaUnit
	if units > arenaLargest { // a chunk of its own
		a.chunks = append(a.chunks, make([]byte, length))
		a.used = arenaChunk // what follows begins a new chunk
		return uint32(len(a.chunks)) << arenaUnitBits, a.chunks[len(a.chunks)-1][:size]
	}
	if len(a.chunks) == 0 || a.used+length > arenaChunk {
		a.chunks = append(a.chunks, make([]byte, arenaChunk))
		a.used = 0
	}
	chunk, at := len(a.chunks), a.used
	a.used += length
	return uint32(chunk)<<arenaUnitBits | uint32(at/arenaUnit), a.chunks[chunk-1][at : at+size]
}

// arenaClass returns the size class of a room, and how many units a room of that class has.
func arenaClass(size int) (class, units int) {
	units = (size + arenaUnit - 1) / arenaUnit
	if units <= arenaExact {
		return units, units
	}
	log := bits.Len(uint(units - 1))
	return arenaExact + log, 1 << log
}

func uvarintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }
