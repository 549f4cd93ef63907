package engine

import "slices"

// Offer is what a channel's sourcing locations have of a SKU, before anything is kept back: what
// rules beyond the channel's own are worked out on. Its room is reused.
type Offer struct {
	Kind    ChannelKind
	Publish PublishMode
	Split   bool
	Rules   Rules // the channel's own
	Places  []OfferPlace
	// Unsettled: a shortfall of the SKU waits to be resolved, and nobody gets new units until then.
	Unsettled bool
	// Short is how many units of the SKU itself wait for stock on channels that draw from one of these
	// places. It is counted for dedicated channels only.
	Short int64
}

// OfferPlace is one sourcing location, in the channel's order.
type OfferPlace struct {
	Location string
	Number   uint32
	Master   string
	Have     int64 // max(0, available); of a kit, whole kits
}

// OfferOf fills o with what a channel may draw a SKU from, or refuses with UnknownChannel or
// UnknownSKU. Its cost is linear in the SKU's stock rows; it allocates only to grow o.Places.
func (l *Ledger) OfferOf(channel, sku string, o *Offer) Refusal {
	places := o.Places[:0]
	*o = Offer{Places: places}
	ch := l.find(ChannelName, Name(channel))
	if ch == 0 {
		return UnknownChannel
	}
	number := l.find(SKUName, Name(sku))
	if number == 0 {
		return UnknownSKU
	}
	d := l.channel(ch)
	s := l.stockFor(d, number, &l.work.supply)
	o.Kind, o.Publish, o.Split, o.Rules = d.Kind, d.Publish, d.Split, d.Rules
	o.Unsettled = len(l.shortfall) > 0 && l.unsettled(number)
	for i, n := range s.have {
		at := l.location(d.sourcing[i])
		o.Places = append(o.Places, OfferPlace{
			Location: at.Name, Number: at.Number, Master: at.Master, Have: n,
		})
	}
	if l.waiting > 0 && d.Publish == Dedicated {
		o.Short = l.shortBeside(number, d)
	}
	return Accepted
}

// shortBeside counts the short units of a SKU on channels that share a sourcing location with d.
func (l *Ledger) shortBeside(sku uint32, d *channelDef) (n int64) {
	l.work.waiting = l.claimsOn(l.work.waiting[:0], sku)
	for _, c := range l.work.waiting {
		of := l.channel(uint32(l.resvAt(c.resv).channel))
		if slices.ContainsFunc(of.sourcing, func(at uint32) bool { return d.sourcingIndex(at) >= 0 }) {
			n += int64(l.partAt(c.part).held)
		}
	}
	return n
}
