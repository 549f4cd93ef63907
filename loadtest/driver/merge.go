package driver

import (
	"cmp"
	"slices"
)

func sortCells(cells []*Cell) {
	slices.SortFunc(cells, func(a, b *Cell) int {
		return cmp.Or(cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Op, b.Op))
	})
}

// Merge adds what another process of the same run did. The histograms are added, never the
// percentiles.
func (r *Result) Merge(o *Result) {
	r.Due, r.Sent, r.Unsent, r.Instead = r.Due+o.Due, r.Sent+o.Sent, r.Unsent+o.Unsent,
		r.Instead+o.Instead
	r.Took = max(r.Took, o.Took)
	r.Marks = append(r.Marks, o.Marks...)
	r.Records = append(r.Records, o.Records...)
	for _, c := range o.Cells {
		i := slices.IndexFunc(r.Cells, func(x *Cell) bool {
			return x.Phase == c.Phase && x.Op == c.Op
		})
		if i < 0 {
			r.Cells = append(r.Cells, c)
			continue
		}
		mine := r.Cells[i]
		for k, n := range c.Counts {
			mine.Counts[k] += n
		}
		for k, n := range c.Classes {
			mine.Classes[k] += n
		}
		mine.Latency.Merge(c.Latency.Histogram)
		mine.Late.Merge(c.Late.Histogram)
	}
	sortCells(r.Cells)
	for i, s := range o.Slices {
		if i == len(r.Slices) {
			r.Slices = append(r.Slices, &Slice{Latency: NewHist()})
		}
		m := r.Slices[i]
		m.Sent, m.Done, m.Refused = m.Sent+s.Sent, m.Done+s.Done, m.Refused+s.Refused
		m.Errors, m.Unsent = m.Errors+s.Errors, m.Unsent+s.Unsent
		m.Latency.Merge(s.Latency.Histogram)
	}
}

// Latency is that of all calls of an operation in a phase; empty names are all.
func (r *Result) Latency(phase, op string) Hist {
	h := NewHist()
	for _, c := range r.Cells {
		if (phase == "" || phase == c.Phase) && (op == "" || op == c.Op) {
			h.Merge(c.Latency.Histogram)
		}
	}
	return h
}

// Count adds up an outcome, as Latency chooses.
func (r *Result) Count(phase, op, outcome string) int {
	n := 0
	for _, c := range r.Cells {
		if (phase == "" || phase == c.Phase) && (op == "" || op == c.Op) {
			n += c.Counts[outcome]
		}
	}
	return n
}
