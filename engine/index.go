package engine

import (
	"encoding/binary"
	"math/bits"
)

// index finds a row's slot by a hash of the row's key. It is a linear-hashing table (Litwin 1980):
// it grows by one bucket at a time as rows come in, so no insert ever waits for a rehash. It keeps
// no keys: who looks up compares each candidate's row, of which there is hardly ever a second one.
type index struct {
	buckets []*[bucketsAChunk]bucket // bucket b is buckets[b/bucketsAChunk][b%bucketsAChunk]
	count   uint32                   // of buckets
	level   uint8                    // 2^level buckets are there in full; those below split, twice
	split   uint32                   // the next bucket to split
	over    slab[bucket]             // overflow buckets, chained from their bucket
	rows    uint32
	sink    uint64 // keeps the load that splitOne makes ahead from being optimised away
}

// bucket is one cache line. The tag is the low 24 bits of the hash, which both choose the bucket, for
// up to 2^24 of them, and spare most looks at rows of other keys. Its upper byte stands by itself, so
// that one look compares those of all places.
type bucket struct {
	high  [bucketSlots]uint8
	low   [bucketSlots]uint16
	slots [bucketSlots]uint32
	over  uint32
	used  uint8 // a bit for each place that has a row
	_     [3]byte
}

const (
	bucketSlots   = 8
	bucketsAChunk = 256 // 16 KiB
	bucketFill    = 5   // split above this many rows a bucket: 14 bytes a row with overflows
	indexTagBits  = 24
	indexTagMask  = 1<<indexTagBits - 1
)

// probe walks the candidates for one hash: for p := x.probe(h); p.next(); { … p.slot … }.
type probe struct {
	x    *index
	b    *bucket
	tag  uint32
	left uint64 // the top bit of each byte whose place may match and was not looked at
	i    int
	slot uint32
}

func (x *index) probe(hash uint64) probe {
	if x.count == 0 {
		return probe{}
	}
	p := probe{x: x, b: x.bucket(x.home(uint32(hash))), tag: uint32(hash) & indexTagMask}
	p.left = p.b.candidates(p.tag)
	return p
}

func (p *probe) next() bool {
	for p.b != nil {
		for p.left != 0 {
			p.i = bits.TrailingZeros64(p.left) / 8
			p.left &= p.left - 1
			if p.b.used>>p.i&1 != 0 && p.b.tag(p.i) == p.tag {
				p.slot = p.b.slots[p.i]
				return true
			}
		}
		if p.b.over == 0 {
			return false
		}
		p.b = p.x.over.at(p.b.over)
		p.left = p.b.candidates(p.tag)
	}
	return false
}

// candidates marks the places whose upper byte is the tag's, and now and then another one: the borrow
// of a match may pass into the byte above it.
func (b *bucket) candidates(tag uint32) uint64 {
	x := binary.LittleEndian.Uint64(b.high[:]) ^ uint64(tag>>16)*ones
	return (x - ones) &^ x & high
}

// touch loads the bucket of a hash. What it returns means nothing: it is there to be used.
func (x *index) touch(hash uint64) uint64 {
	if x.count == 0 {
		return 0
	}
	return uint64(x.bucket(x.home(uint32(hash))).used)
}

// touchOver loads the overflow of a bucket that was touched, if it has one.
func (x *index) touchOver(hash uint64) uint64 {
	if x.count == 0 {
		return 0
	}
	over := x.bucket(x.home(uint32(hash))).over
	if over == 0 {
		return 0
	}
	return uint64(x.over.at(over).used)
}

// put adds a row; the caller has looked that its key is not there.
func (x *index) put(hash uint64, slot uint32) {
	if x.count == 0 {
		x.addBucket()
	}
	x.place(x.bucket(x.home(uint32(hash))), uint32(hash)&indexTagMask, slot)
	x.rows++
	if x.rows > x.count*bucketFill && x.count < 1<<indexTagBits {
		x.splitOne()
	}
}

// drop removes a row that is there.
func (x *index) drop(hash uint64, slot uint32) {
	for p := x.probe(hash); p.next(); {
		if p.slot == slot {
			p.b.used &^= 1 << p.i
			x.rows--
			return
		}
	}
	panic("engine: a row is missing from its index")
}

// home is the number of the bucket for a hash.
func (x *index) home(hash uint32) uint32 {
	b := hash & (1<<x.level - 1)
	if b < x.split {
		b = hash & (1<<(x.level+1) - 1)
	}
	return b
}

func (x *index) bucket(n uint32) *bucket {
	return &x.buckets[n/bucketsAChunk][n%bucketsAChunk]
}

func (x *index) addBucket() {
	if x.count%bucketsAChunk == 0 {
		x.buckets = append(x.buckets, new([bucketsAChunk]bucket))
	}
	x.count++
}

func (x *index) place(b *bucket, tag, slot uint32) {
	for {
		if free := bits.TrailingZeros8(^b.used); free < bucketSlots {
			b.used |= 1 << free
			b.high[free], b.low[free], b.slots[free] = uint8(tag>>16), uint16(tag), slot
			return
		}
		if b.over == 0 {
			b.over = x.over.take()
		}
		b = x.over.at(b.over)
	}
}

// splitOne splits the bucket whose turn it is in two: at most a chain of rows is moved.
func (x *index) splitOne() {
	level := x.level
	x.addBucket()
	half := [2]*bucket{x.bucket(x.split), x.bucket(x.count - 1)}
	if x.split++; x.split == 1<<level {
		x.split, x.level = 0, level+1
	}
	x.sink += uint64(x.bucket(x.split).used) // its turn is next: let it come
	chain := *half[0]
	*half[0] = bucket{}
	for {
		for left := chain.used; left != 0; left &= left - 1 {
			i := bits.TrailingZeros8(left)
			tag := chain.tag(i)
			x.place(half[tag>>level&1], tag, chain.slots[i])
		}
		if chain.over == 0 {
			return
		}
		ref := chain.over
		chain = *x.over.at(ref)
		x.over.give(ref)
	}
}

func (b *bucket) tag(i int) uint32 { return uint32(b.high[i])<<16 | uint32(b.low[i]) }
