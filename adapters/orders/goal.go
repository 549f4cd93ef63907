package orders

import "time"

// facts writes into a line what its home says of it. It looks at nothing that was known before but
// how many were ever ordered, so the order of two snapshots cannot show in what the later one
// leaves.
func (l *Line) facts(s *Snapshot, sl *SnapshotLine) {
	l.HomeSent = sentBy(s.Shipments, l.Ref)
	var back, cancelled, refused int64
	for i := range s.Restocks {
		if r := &s.Restocks[i]; r.Ref == l.Ref {
			switch r.Kind {
			case ReturnRestock:
				back += r.Qty
			case CancelRestock:
				cancelled += r.Qty
			default:
				refused += r.Qty
			}
		}
	}
	l.Qty = max(0, sl.Qty)
	l.ToShip = max(0, l.Qty-max(0, l.HomeSent-back))
	if sl.ToShip != nil {
		l.ToShip = max(0, *sl.ToShip)
	}
	if s.Cancelled != nil {
		l.ToShip = 0
	}
	if sl.PointOfSale && l.ToShip > 0 {
		l.HomeSent, l.ToShip = l.HomeSent+l.ToShip, 0
	}
	l.Ordered = max(l.Ordered, sl.Ordered, l.Qty, l.ToShip+l.HomeSent)
	l.Cancelled = l.Ordered - l.ToShip - l.HomeSent
	l.Gone = min(refused, max(0, l.Cancelled-cancelled))
	if s.Cancelled != nil && !s.Cancelled.Restock {
		l.Gone += max(0, l.Cancelled-cancelled-l.Gone)
	}
}

// sentBy is how many units of a line some shipments have.
func sentBy(shipments []Shipment, ref string) (n int64) {
	for i := range shipments {
		for _, l := range shipments[i].Lines {
			if l.Ref == ref {
				n += l.Qty
			}
		}
	}
	return n
}

// restockPlace is where the home put units of a line, or where it did not; "" when it does not say.
func (s *Snapshot) restockPlace(ref string) string {
	for i := range s.Restocks {
		if r := &s.Restocks[i]; r.Ref == ref && r.Kind != ReturnRestock && r.Location != "" {
			return r.Location
		}
	}
	return ""
}

// returns are those that the snapshot names, and those that its refunds imply.
func (s *Snapshot) returns() []Return {
	all := append([]Return(nil), s.Returns...)
	for i := range s.Restocks {
		r := &s.Restocks[i]
		if r.Kind != ReturnRestock || r.Return != "" || r.Qty <= 0 {
			continue
		}
		id, line := "refund:"+r.Refund+"@"+r.Location, ShipmentLine{Ref: r.Ref, Qty: r.Qty}
		if n := len(all); n > 0 && all[n-1].ID == id {
			all[n-1].Lines = append(all[n-1].Lines, line)
			continue
		}
		all = append(all, Return{ID: id, State: ReturnReceived, Disposition: "sellable",
			Location: r.Location, At: s.refundedAt(r.Refund), Lines: []ShipmentLine{line}})
	}
	return all
}

// refundedAt is when a refund was made, as the snapshot has it.
func (s *Snapshot) refundedAt(id string) time.Time {
	for i := range s.Refunds {
		if s.Refunds[i].ID == id {
			return s.Refunds[i].At
		}
	}
	return s.UpdatedAt
}
