package engine

import "math/bits"

// digest is a sum over all rows of a hash of each row's logical content, so it does not depend on
// order, slots or shards, and a change costs two hashes. It has lanes, chosen by the row's hash,
// which keep two rows' differences from cancelling out as easily as in one sum.
type digest struct {
	lanes [8]uint64
	kept  [digestsKept]keptDigest
}

const (
	digestEvery = 1024 // a digest is kept at every multiple of this index
	digestsKept = 64
)

type keptDigest struct{ index, value uint64 }

func (d *digest) add(h uint64)    { d.lanes[h>>61] += h }
func (d *digest) remove(h uint64) { d.lanes[h>>61] -= h }

// Digest returns the digest of the whole state. Replicas at the same index have the same.
func (l *Ledger) Digest() uint64 {
	h := uint64(1)
	for _, lane := range l.digest.lanes {
		h = mixWide(h, lane)
	}
	for _, v := range [...]uint64{
		uint64(l.now), uint64(l.due), l.seq, l.eventSeq, uint64(l.names.skuNext),
		l.remember.head, l.remember.tail, l.closed.tail, l.retired.tail,
		uint64(l.limits.ResultsMax), uint64(l.limits.ResultsAge), uint64(l.limits.EventsMax),
		uint64(l.limits.ShortfallStep), uint64(l.limits.ApplyVersion), l.skipped,
		uint64(l.limits.ClosedAfter), uint64(l.limits.IDMemory),
		uint64(l.limits.RecordsMax), uint64(l.keyed.archived),
	} {
		h = mixWide(h, v)
	}
	for _, s := range l.shortfall {
		row := l.stockAt(s)
		h = mixWide(h, uint64(row.sku)<<32|uint64(row.location))
	}
	return h
}

// DigestAt returns the digest that was kept at a multiple of 1,024 of the index; the last 64 are
// kept, since this process started.
func (l *Ledger) DigestAt(index uint64) (value uint64, ok bool) {
	k := l.digest.kept[index/digestEvery%digestsKept]
	return k.value, index != 0 && k.index == index
}

// keepDigests keeps the digest at every multiple from the current index up to one before upTo:
// nothing is applied between them, so they all have the present state.
func (l *Ledger) keepDigests(upTo uint64) {
	from := (l.index + digestEvery - 1) / digestEvery * digestEvery
	if upTo > digestEvery*digestsKept {
		from = max(from, (upTo/digestEvery-digestsKept)*digestEvery)
	}
	for i := from; i < upTo; i += digestEvery {
		l.digest.kept[i/digestEvery%digestsKept] = keptDigest{index: i, value: l.Digest()}
	}
}

// mixPairs hashes four values with two multiplications that do not wait for each other.
func mixPairs(a, b, c, d uint64) uint64 {
	hi, lo := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	up, down := bits.Mul64(c^0x8ebc6af09c88c6e3, d^0x589965cc75374cc3)
	return (hi ^ lo) + bits.RotateLeft64(up^down, 31)
}

// mixWide folds v into h by a widening multiplication: slower than mix, and without its weak bits.
func mixWide(h, v uint64) uint64 {
	hi, lo := bits.Mul64(h^0xa0761d6478bd642f, v^0xe7037ed1a0b428db)
	return hi ^ lo ^ h
}
