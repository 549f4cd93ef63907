package engine

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
}

// bucket is one cache line. A slot of 0 is free. The tag is the low 24 bits of the hash, which both
// choose the bucket, for up to 2^24 of them, and spare most looks at rows of other keys.
type bucket struct {
	slots [bucketSlots]uint32
	tags  [bucketSlots][3]byte
	over  uint32
	_     uint32
}

const (
	bucketSlots   = 8
	bucketsAChunk = 256 // 16 KiB
	bucketFill    = 6   // split above this many rows a bucket: 11 bytes a row, few overflows
	indexTagBits  = 24
)

// probe walks the candidates for one hash: for p := x.probe(h); p.next(); { … p.slot … }.
type probe struct {
	x    *index
	b    *bucket
	tag  uint32
	i    int
	slot uint32
}

func (x *index) probe(hash uint64) probe {
	if x.count == 0 {
		return probe{}
	}
	return probe{x: x, b: x.bucket(x.home(uint32(hash))), tag: uint32(hash) & (1<<indexTagBits - 1), i: -1}
}

func (p *probe) next() bool {
	for p.b != nil {
		for p.i++; p.i < bucketSlots; p.i++ {
			if p.b.slots[p.i] != 0 && p.b.tag(p.i) == p.tag {
				p.slot = p.b.slots[p.i]
				return true
			}
		}
		if p.i = -1; p.b.over == 0 {
			return false
		}
		p.b = p.x.over.at(p.b.over)
	}
	return false
}

// put adds a row; the caller has looked that its key is not there.
func (x *index) put(hash uint64, slot uint32) {
	if x.count == 0 {
		x.addBucket()
	}
	x.place(x.bucket(x.home(uint32(hash))), uint32(hash)&(1<<indexTagBits-1), slot)
	x.rows++
	if x.rows > x.count*bucketFill && x.count < 1<<indexTagBits {
		x.splitOne()
	}
}

// drop removes a row that is there.
func (x *index) drop(hash uint64, slot uint32) {
	for p := x.probe(hash); p.next(); {
		if p.slot == slot {
			p.b.slots[p.i] = 0
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
		for i := range b.slots {
			if b.slots[i] == 0 {
				b.slots[i] = slot
				b.tags[i] = [3]byte{byte(tag), byte(tag >> 8), byte(tag >> 16)}
				return
			}
		}
		if b.over == 0 {
			b.over = x.over.take()
		}
		b = x.over.at(b.over)
	}
}

// splitOne splits the bucket whose turn it is in two: at most a chain of rows is moved.
func (x *index) splitOne() {
	old := x.split
	x.addBucket()
	if x.split++; x.split == 1<<x.level {
		x.split, x.level = 0, x.level+1
	}
	chain := *x.bucket(old)
	*x.bucket(old) = bucket{}
	for {
		for i, slot := range chain.slots {
			if slot != 0 {
				tag := chain.tag(i)
				x.place(x.bucket(x.home(tag)), tag, slot)
			}
		}
		if chain.over == 0 {
			return
		}
		ref := chain.over
		chain = *x.over.at(ref)
		x.over.give(ref)
	}
}

func (b *bucket) tag(i int) uint32 {
	t := &b.tags[i]
	return uint32(t[0]) | uint32(t[1])<<8 | uint32(t[2])<<16
}
