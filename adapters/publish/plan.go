package publish

import (
	"slices"
	"strconv"
	"time"

	"holdfast/engine"
)

// Facts are all that decides what is to be done with a slot. Slot, Tally, Offer and Pool are of one
// index; see [Publisher].
type Facts struct {
	Slot      *Slot
	Tally     int64
	Style     Style
	Closed    string // why nothing may be sent to the connection, such as "observe"; "" when it may
	Remapped  bool   // what is shown there is another SKU by now, and the slot will follow
	Now       time.Time
	Watermark time.Time // of the connection
	Index     uint64    // of the ledger that was read
	Term      uint64    // of the leader
	Offer     *engine.Offer
	Place     int // of the slot in Offer.Places; AllPlaces; NoPlace
	Ruling    *Ruling
	Master    bool  // the slot's system says how many units are at its location
	Pool      Pool  // of dedicated mode
	Lowest    int64 // that the slot's other channels would show; only if it has any
	// Unseen is how many units the channel is expected to have sold unseen: velocity × lag, rounded up.
	Unseen    int64
	RiseSince time.Time // since when the slot is to rise; zero: as of now
	Explain   bool      // keep the terms
}

// Where a slot is not at one of the channel's places.
const (
	AllPlaces = -1 // one number for all of them
	NoPlace   = -2 // at none: the channel does not draw from there, or the ledger does not know it
)

// Why nothing is sent to a connection that is still read: it is only observed, its pushes wait for their
// schedule, these are its quiet hours, it is never pushed to, or its start is not done. Any other reason
// stops reads too.
const (
	Observing = "observe"
	Scheduled = "schedule"
	Quiet     = "quiet"
	Off       = "off"
	Starting  = "starting"
)

// Remapped is why nothing is sent to a slot, and it is not read, whose item is mapped to another SKU, or to
// none, or whose place is another location: until its record has followed, it says what was.
const Remapped = "remapped"

// readable reports whether slots are read although nothing is sent, for the reason that is given.
func readable(closed string) bool {
	switch closed {
	case "", Observing, Scheduled, Quiet, Off, Starting:
		return true
	}
	return false
}

// Pool is what dedicated channels have between them of a SKU at a slot's places.
type Pool struct {
	Hold   int64   // held units of this slot's standing hold
	Short  int64   // units of it that wait for stock
	Holds  []int64 // of all slots' standing holds, by Offer.Places
	Slots  int64   // dedicated slots that share; this one is one of them
	Rank   int64   // of this one among them, from 0
	Others bool    // other channels draw from there too, and have a share together
}

// Deed is what is to be done with a slot.
type Deed uint8

// The deeds.
const (
	Rest   Deed = iota // nothing, until something changes
	Wait               // nothing yet: until Plan.Wake, or until the watermark moves
	Read               // read it
	Send               // send Plan.Push, which is new
	Resend             // send Slot.Sent again
	Settle             // only change the standing hold, by Plan.Hold
)

// Plan is what is to be done with a slot, and why.
type Plan struct {
	Do       Deed
	Why      string // stable, such as "in-step", "watermark", "observe"
	Target   int64
	Expected int64
	Claims   int64
	Push     Push      // for Send; also what would be sent were the connection open
	Hold     int64     // to be taken before the push, or to be given back
	Wake     time.Time // for Wait
	Terms    []Term
}

// The periods of pushes.
const (
	// CallTime bounds one call, and is how long its claim lasts.
	CallTime = 20 * time.Second
	// CallGrace is how long after that nobody else calls: what was sent may still arrive.
	CallGrace = 5 * time.Second
	// KeyLife is how long after the first sending a key may be sent again. Vendors keep keys for 24
	// hours from then; what is later could count twice.
	KeyLife = 20 * time.Hour
)

// planner is room that is reused from slot to slot.
type planner struct {
	supply supply
	out    sum
}

// Decide says what is to be done with a slot. It is pure. A terse p.Why is stable; p is overwritten.
func Decide(f *Facts, p *Plan) {
	var room planner
	room.decide(f, p)
}

func (r *planner) decide(f *Facts, p *Plan) {
	s := f.Slot
	*p = Plan{Expected: s.Expected(f.Tally), Claims: s.Claims(f.Style, f.Tally, f.Watermark)}
	if f.Place == NoPlace {
		p.Why = "not-listed"
		return
	}
	r.target(f, p)
	switch {
	case f.Ruling.Frozen != "":
		p.Why = "freeze"
	case s.Blocked == Missing:
		p.Why = Missing // until a full pass finds it there
	case s.Sent != nil:
		f.inFlight(p)
	case !s.Known:
		p.Do, p.Why = Read, "not-read"
	default:
		f.step(p)
	}
	if f.Remapped && p.Do != Rest {
		p.Do, p.Why = Rest, Remapped
	}
	if f.Closed != "" && p.Do != Rest && (p.Do != Read || !readable(f.Closed)) {
		p.Do, p.Why = Rest, f.Closed
	}
}

// target fills in what the slot should show.
func (r *planner) target(f *Facts, p *Plan) {
	dedicated := f.Offer.Publish == engine.Dedicated
	r.supply.have = r.supply.have[:0]
	for i, place := range f.Offer.Places {
		n := place.Have
		if dedicated && i < len(f.Pool.Holds) {
			n += f.Pool.Holds[i]
		}
		r.supply.have = append(r.supply.have, n)
	}
	r.out = sum{explain: f.Explain}
	ruling := f.Ruling
	if f.Master { // its buffer is kept there, beside what is available
		ruling = &Ruling{Zero: f.Ruling.Zero}
	}
	shape(ruling, &r.supply, f.Place, f.Offer, &r.out)
	if len(f.Slot.Also) > 0 {
		r.out.to(min(r.out.n, f.Lowest), "lowest", "", "")
	}
	if dedicated && r.out.n > 0 {
		f.share(&r.out, p.Expected)
	}
	p.Target, p.Terms = r.out.n, r.out.terms
}

// share cuts a pool down to this slot's part, and to what there is for it. A slot whose lease is
// within a quarter of its part keeps it, so that a sale elsewhere does not move every slot.
func (f *Facts) share(out *sum, expected int64) {
	pool, free := out.n, int64(0)
	for i := range f.Offer.Places {
		if f.Place == AllPlaces || f.Place == i {
			free += f.Offer.Places[i].Have
		}
	}
	all := &f.Ruling.All
	part := pool
	if all.Share >= 0 {
		part = pool/10_000*all.Share + pool%10_000*all.Share/10_000
	} else {
		n := max(1, f.Pool.Slots)
		if f.Pool.Others {
			n++
		}
		if part = pool / n; f.Pool.Rank < pool%n {
			part++
		}
	}
	part = max(part, min(all.Min, pool))
	out.to(part, "share", "", all.Shared)
	alone := f.Pool.Slots <= 1 && !f.Pool.Others && all.Share < 0
	if slack := part / 4; !alone && expected >= part-slack && expected <= part+slack {
		out.to(expected, "kept", "", "")
	}
	out.to(min(out.n, f.Pool.Hold+free), "free", "", "")
	if f.Offer.Short > 0 { // who waits for units gets them before anybody is offered more
		out.to(min(out.n, max(0, expected)), "short", "", "")
	}
}

// inFlight is for a slot with a push that was not acknowledged.
func (f *Facts) inFlight(p *Plan) {
	sent := f.Slot.Sent
	over := sent.Until.Add(CallGrace)
	switch {
	case !sent.Unknown && f.Now.Before(over): // also one of a leader before this one
		p.Do, p.Why, p.Wake = Wait, "in-flight", over
	case f.Style == Overwrite && f.Offer.Publish == engine.Dedicated:
		f.push(p, 0) // any other number would be sold on top of the one that may be there
		p.Why = "unknown"
	case f.Style == Overwrite:
		f.push(p, p.Target) // the latest value is sent again
		p.Why = "unknown"
	case !f.Now.Before(sent.At.Add(KeyLife)):
		p.Do, p.Why = Read, "unknown-too-long"
	default:
		p.Do, p.Why = Resend, "unknown"
	}
}

// step is for a slot that is known and has nothing in flight.
func (f *Facts) step(p *Plan) {
	s, dedicated := f.Slot, f.Offer.Publish == engine.Dedicated
	switch seen := s.Seen; {
	case seen != nil && !seen.Tracked:
		p.Why = "untracked"
	case seen != nil && !seen.Active && p.Target == 0:
		p.Why = "inactive"
	case f.Master && p.Expected < 0 && p.Target == 0:
		p.Why = "backorder" // the shop owes units: that is no number of ours
	case dedicated && f.Style == Overwrite && p.Target != p.Expected:
		f.viaZero(p)
	case p.Target < p.Expected:
		f.fall(p)
	case p.Target > p.Expected:
		f.rise(p)
	default:
		p.Why = "in-step"
	}
	if p.Do == Rest && dedicated {
		f.settle(p)
	}
}

// fall lowers at once.
func (f *Facts) fall(p *Plan) {
	p.Why = "fall"
	if f.Style == Delta {
		f.push(p, p.Target) // a difference: what was sold unseen is off already
		return
	}
	f.push(p, max(0, p.Target-f.Unseen))
}

// rise waits until every sale up to now is in: what was sold unseen must not be offered again.
func (f *Facts) rise(p *Plan) {
	s := f.Slot
	if s.Bulk != nil {
		p.Do, p.Why = Wait, "bulk" // its end changes the slot
		return
	}
	if f.Style == Overwrite && p.Target-p.Expected <= f.Unseen && !s.proven(f.Style, f.Watermark) {
		p.Do, p.Why = Wait, "watermark" // it was pushed that much lower on purpose
		return
	}
	since := f.RiseSince
	if since.IsZero() {
		since = f.Now
	}
	for _, t := range []time.Time{s.AckedAt, s.Doubt} {
		if t.After(since) {
			since = t
		}
	}
	switch {
	case !f.Watermark.After(since):
		p.Do, p.Why = Wait, "watermark"
	case !s.Doubt.IsZero():
		p.Do, p.Why = Read, "doubt"
	default:
		f.push(p, p.Target)
		p.Why = "rise"
	}
}

// viaZero is how the number of a system that overwrites is changed in dedicated mode: 0, then all of
// its sales, and only then the new number.
func (f *Facts) viaZero(p *Plan) {
	switch s := f.Slot; {
	case s.Acked != 0:
		f.push(p, 0)
		p.Why = "to-zero"
	case !s.proven(f.Style, f.Watermark):
		p.Do, p.Why = Wait, "watermark"
	default:
		f.push(p, p.Target)
		p.Why = "from-zero"
	}
}

// settle makes the standing hold what the channel may still claim. It grows at once where there is
// stock, and shrinks only when nothing is unseen.
func (f *Facts) settle(p *Plan) {
	proven := f.Slot.proven(f.Style, f.Watermark)
	switch lack := max(0, p.Expected) - f.Pool.Hold; {
	case lack > 0 && p.Expected <= p.Target:
		p.Do, p.Why, p.Hold = Settle, "hold", lack
	case lack-f.Pool.Short < 0 && lack <= 0 && proven:
		p.Do, p.Why, p.Hold = Settle, "release", lack-f.Pool.Short
	case lack < 0:
		p.Do, p.Why = Wait, "watermark"
	}
}

// push makes the push that leaves n at the slot.
func (f *Facts) push(p *Plan, n int64) {
	s := f.Slot
	p.Do = Send
	p.Push = Push{
		Sequence: s.Sequence + 1, Quantity: n, From: p.Expected, Index: f.Index, At: f.Now,
		Until: f.Now.Add(CallTime), Term: f.Term, Tally: f.Tally,
		Key: s.ID + "#" + strconv.FormatUint(s.Sequence+1, 10),
	}
	switch {
	case s.Seen != nil && !s.Seen.Active:
		p.Push.Activate, p.Push.Set, p.Push.From = true, true, s.Seen.Available
	case f.Style == Overwrite || n > p.Expected:
		p.Push.Set = true
	default:
		p.Push.Delta = n - p.Expected
	}
	if f.Offer.Publish == engine.Dedicated && n > 0 {
		p.Hold = max(0, n-f.Pool.Hold)
	}
}

// claimed is the slot once a push of it is claimed: what it may sell is the most that it may show
// before or after, and for one that is overwritten both together.
func claimed(s Slot, f *Facts, p *Plan) Slot {
	push := p.Push
	s.Sequence, s.Sent = push.Sequence, &push
	s.LeaseTally = f.Tally
	if f.Style == Overwrite {
		s.Lease = p.Claims + push.Quantity
	} else {
		s.Lease = max(p.Claims, push.Quantity)
	}
	return s
}

// applied is the slot once its push has taken effect: a difference was added to whatever was there,
// a number is what is there since it was computed.
func applied(s Slot, now time.Time) Slot {
	push := s.Sent
	if push.Delta != 0 {
		s.Acked += push.Delta
	} else {
		s.Acked, s.Tally = push.Quantity, push.Tally
	}
	s.AckedAt, s.Index, s.Known = now, push.Index, true
	s.Sent, s.Blocked = nil, ""
	if push.Activate && s.Seen != nil {
		seen := *s.Seen
		seen.Active = true
		s.Seen = &seen
	}
	if s.Drift != nil && s.Drift.Repaired.IsZero() {
		drift := *s.Drift
		drift.Repaired = now
		s.Drift = &drift
	}
	return s
}

// Missing is why nothing is sent to a slot that was there and is gone, and the cause of its drift.
const Missing = "missing"

// placeOf finds a slot's place in what its channel may draw from.
func placeOf(s *Slot, o *engine.Offer) int {
	if s.Location == "" {
		if len(o.Places) == 0 {
			return NoPlace
		}
		return AllPlaces
	}
	i := slices.IndexFunc(o.Places, func(p engine.OfferPlace) bool { return p.Location == s.Location })
	if i < 0 {
		return NoPlace
	}
	return i
}
