package engine

import (
	"cmp"
	"slices"
	"strings"
)

// explainedHolds bounds the holds of one explanation: a person reads it.
const explainedHolds = 100

// Explain says why a channel may sell as many units of a SKU as it may, or UnknownChannel or
// UnknownSKU. The terms add up to what [Ledger.Sellable] returns. Its cost is linear in the live
// allocations of the SKU.
func (l *Ledger) Explain(channel, sku string) (Explanation, Refusal) {
	ch := l.find(ChannelName, Name(channel))
	if ch == 0 {
		return Explanation{}, UnknownChannel
	}
	number := l.find(SKUName, Name(sku))
	if number == 0 {
		return Explanation{}, UnknownSKU
	}
	d := l.channel(ch)
	s := l.stockFor(d, number, &l.work.supply)
	e := Explanation{Sellable: s.sellable(d.Split)}
	for i, n := range s.have {
		e.Terms = append(e.Terms, Term{
			Term: "available", Location: l.location(d.sourcing[i]).Name, Value: n,
		})
	}
	switch unsettled := len(l.shortfall) > 0 && l.unsettled(number); {
	case unsettled:
		e.Terms = append(e.Terms, Term{Term: "shortfall", Value: -s.buffer})
	default:
		e.Terms = append(e.Terms, Term{
			Term: "buffer", Rule: "channel:" + d.Name, Value: -s.buffer,
		})
	}
	if rest := s.all - s.buffer - e.Sellable; rest != 0 {
		e.Terms = append(e.Terms, Term{Term: "split", Rule: "channel:" + d.Name, Value: -rest})
	}
	e.Holds = l.explainHolds(number)
	return e, Accepted
}

// explainHolds lists the reservations that have live units of a SKU, the newest first.
func (l *Ledger) explainHolds(sku uint32) []ExplainedHold {
	list := l.work.losers[:0]
	skus := []uint32{sku}
	for at := l.moreOf(sku).usedIn; at != 0; at = l.names.uses.at(at).next {
		skus = append(skus, l.names.uses.at(at).kit)
	}
	for _, n := range skus {
		for ref := l.sku(n).stock; ref != 0; ref = l.stockAt(ref).next {
			for at := l.stockAt(ref).parts; at != 0; at = l.partAt(at).later {
				p, owner := l.partAt(at), l.ownerOf(at)
				if p.place() && (n == sku || l.perUnit(owner, p, sku) > 0) {
					list = append(list, claim{
						seq: l.resvAt(owner).seq, line: p.line, part: at, resv: owner,
					})
				}
			}
		}
	}
	l.work.losers = list
	slices.SortFunc(list, func(a, b claim) int {
		return cmp.Or(cmp.Compare(b.seq, a.seq), cmp.Compare(a.line, b.line),
			cmp.Compare(l.placeOf(a), l.placeOf(b)))
	})
	var holds []ExplainedHold
	for _, c := range list[:min(len(list), explainedHolds)] {
		p, row := l.partAt(c.part), l.resvAt(c.resv)
		per := max(1, l.perUnit(c.resv, p, sku))
		holds = append(holds, ExplainedHold{
			Reservation: strings.Clone(l.idOf(l.shardOfResv(c.resv), row)),
			Channel:     l.channel(uint32(row.channel)).Name,
			Location:    l.location(l.placeOf(c)).Name,
			Held:        per * int64(p.held), Committed: per * int64(p.committed),
		})
	}
	return holds
}

func (l *Ledger) placeOf(c claim) uint32 { return l.stockAt(l.partAt(c.part).stock).location }
