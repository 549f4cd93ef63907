package publish

import "holdfast/engine"

// Term is one addend of a target; the terms of a slot add up to it.
type Term struct {
	Term     string `json:"term"` // available, buffer, split, shortfall, max, min, threshold, stop, lag, …
	Location string `json:"location,omitempty"`
	Rule     string `json:"rule,omitempty"`
	Value    int64  `json:"value"`
}

// sum is a number under construction: terms are kept only for somebody who asks.
type sum struct {
	n       int64
	explain bool
	terms   []Term
}

func (s *sum) add(value int64, term, location, rule string) {
	s.n += value
	if s.explain && value != 0 {
		s.terms = append(s.terms, Term{Term: term, Location: location, Rule: rule, Value: value})
	}
}

// to moves the number to n under a term.
func (s *sum) to(n int64, term, location, rule string) { s.add(n-s.n, term, location, rule) }

// supply is what a channel may draw from, in the channel's order: one place, or more.
type supply struct {
	have []int64
	rest []int64 // scratch
}

// cut takes n units out of rest, from the last place backwards.
func (s *supply) cut(n int64) {
	for i := len(s.rest) - 1; i >= 0 && n > 0; i-- {
		by := min(n, s.rest[i])
		s.rest[i] -= by
		n -= by
	}
}

func (s *supply) total() (n int64) {
	for _, v := range s.rest {
		n += v
	}
	return n
}

// at is what the slot would show: the rest of place i, or, for −1, of all of them; a channel without
// split sells from one place at a time, so that the best one counts.
func (s *supply) at(i int, split bool) (n int64) {
	if i >= 0 {
		return s.rest[i]
	}
	if split {
		return s.total()
	}
	for _, v := range s.rest {
		n = max(n, v)
	}
	return n
}

// shape works out what is shown of a supply at place i, −1 for one number for all places. The order
// is the engine's: buffer, split, maximum, threshold; then the rules of this location alone.
func shape(r *Ruling, s *supply, i int, o *engine.Offer, out *sum) {
	place := ""
	if i >= 0 {
		place = o.Places[i].Location
	}
	s.rest = append(s.rest[:0], s.have...)
	out.add(s.at(i, true), "available", place, "")
	if o.Unsettled {
		out.to(0, "shortfall", place, "")
		return
	}
	all := s.total()
	s.cut(min(all, max(r.All.Buffer, percentUp(r.All.BufferPercent, all))))
	out.to(s.at(i, true), "buffer", place, r.All.Kept)
	out.to(s.at(i, o.Split), "split", place, r.All.Kept)
	sellable := s.at(-1, o.Split)
	p := sellable
	if r.All.Max > 0 && p > r.All.Max {
		s.cap(r.All.Max, o.Split)
		p = r.All.Max
		out.to(min(s.at(i, o.Split), p), "max", place, r.All.Capped)
	}
	if p <= r.All.Threshold && p > 0 {
		clear(s.rest)
		p = 0
		out.to(0, "threshold", place, r.All.Cut)
	}
	if r.All.Min > p && sellable >= r.All.Min && (i < 0 || len(s.have) == 1) {
		out.to(r.All.Min, "min", place, r.All.Floored)
	}
	if r.restricted {
		r.Here.alone(out, place)
	}
	if r.Zero != "" {
		out.to(0, "stop", place, r.Zero)
	}
}

// cap leaves n units: of all that is there, or, without split, of every place.
func (s *supply) cap(n int64, split bool) {
	if split {
		s.cut(s.total() - n)
		return
	}
	for i := range s.rest {
		s.rest[i] = min(s.rest[i], n)
	}
}

// alone is what rules of one location do to its number.
func (h *Shape) alone(out *sum, place string) {
	have := out.n
	out.to(have-min(have, max(h.Buffer, percentUp(h.BufferPercent, have))), "buffer", place, h.Kept)
	sellable := out.n
	if h.Max > 0 {
		out.to(min(out.n, h.Max), "max", place, h.Capped)
	}
	if out.n <= h.Threshold {
		out.to(0, "threshold", place, h.Cut)
	}
	if h.Min > out.n && sellable >= h.Min {
		out.to(h.Min, "min", place, h.Floored)
	}
}

// percentUp is n × hundredths of a percent, rounded up, without passing 64 bits on the way.
func percentUp(hundredths, n int64) int64 {
	return n/10_000*hundredths + (n%10_000*hundredths+9_999)/10_000
}
