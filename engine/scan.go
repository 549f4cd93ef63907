package engine

import (
	"cmp"
	"slices"
)

// ReservationScan finds one page of reservations, in order of Seq. Reservations have no order in the
// tables, so it looks at all of them; it does so in steps, between which the state may change. A
// reservation that is there from before the first step until after the last one, and fits the filter
// all the while, is found.
type ReservationScan struct {
	l       *Ledger
	filter  ReservationFilter
	channel uint32
	sku     uint32
	after   uint64
	limit   int
	shard   int
	slot    uint32
	nobody  bool // the filter names something unknown
	page    []Reservation
}

// ScanReservations begins a scan for at most limit reservations with a Seq above after.
func (l *Ledger) ScanReservations(f ReservationFilter, after uint64, limit int) *ReservationScan {
	s := &ReservationScan{l: l, filter: f, after: after, limit: limit, slot: 1}
	if f.SKU != "" {
		s.sku = l.find(SKUName, Name(f.SKU))
		s.nobody = s.sku == 0
	}
	if f.Channel != "" {
		s.channel = l.find(ChannelName, Name(f.Channel))
		s.nobody = s.nobody || s.channel == 0
	}
	return s
}

// Step looks at about n rows; more is false when the page is complete.
func (s *ReservationScan) Step(n int) (more bool) {
	if s.nobody || s.limit <= 0 {
		return false
	}
	for ; n > 0 && s.shard < len(s.l.shards); n-- {
		sh := &s.l.shards[s.shard]
		if s.slot >= sh.resv.end() {
			s.shard, s.slot = s.shard+1, 1
			continue
		}
		ref := resvRef(s.l.makeRef(s.slot, uint32(s.shard)))
		s.slot++
		s.look(ref)
	}
	return s.shard < len(s.l.shards)
}

// Page returns what was found, in order of Seq.
func (s *ReservationScan) Page() []Reservation { return s.page }

// look keeps a reservation if it fits and is among the first limit of those found.
func (s *ReservationScan) look(ref resvRef) {
	row := s.l.resvAt(ref)
	full := len(s.page) == s.limit
	if row.seq <= s.after || full && row.seq > s.page[len(s.page)-1].Seq ||
		s.channel != 0 && uint32(row.channel) != s.channel || s.sku != 0 && !s.hasSKU(ref) {
		return
	}
	if s.filter.State != 0 && s.l.stateOfResv(ref) != s.filter.State {
		return
	}
	at, found := slices.BinarySearchFunc(s.page, row.seq, func(r Reservation, seq uint64) int {
		return cmp.Compare(r.Seq, seq)
	})
	if found {
		return
	}
	if full {
		s.page = s.page[:len(s.page)-1]
	}
	s.page = slices.Insert(s.page, at, s.l.copyResv(ref))
}

// hasSKU reports whether a line names the SKU, or has it as a component.
func (s *ReservationScan) hasSKU(ref resvRef) bool {
	sh := s.l.shardOfResv(ref)
	for at := s.l.resvAt(ref).parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		if s.l.skuOfPart(p) == s.sku {
			return true
		}
		at = p.next
	}
	return false
}

// stateOfResv is stateOf without building the view.
func (l *Ledger) stateOfResv(ref resvRef) State {
	var line ReservationLine
	sh := l.shardOfResv(ref)
	for at := l.resvAt(ref).parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		switch {
		case p.place():
			line.Held += int64(p.held)
			line.Committed += int64(p.committed)
			line.Shipped += int64(p.shipped)
			line.Expired += int64(p.expired)
		case p.short():
			line.Short += int64(p.held)
			line.Expired += int64(p.expired)
		}
		at = p.next
	}
	return stateOf([]ReservationLine{line})
}
