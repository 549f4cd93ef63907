package doctor

import (
	"cmp"
	"fmt"
	"slices"
)

// Level says how bad a finding is.
type Level string

// The levels, from the harmless one.
const (
	OK   Level = "ok"   // looked at, and well
	Note Level = "note" // worth knowing; nothing has to be done
	Warn Level = "warn" // will hurt when something else happens, or if it goes on
	Bad  Level = "bad"  // hurts now
)

var levels = []Level{OK, Note, Warn, Bad}

// rank orders levels; what is not one is the worst.
func (l Level) rank() int {
	if i := slices.Index(levels, l); i >= 0 {
		return i
	}
	return len(levels)
}

// Finding is one thing that was looked at.
type Finding struct {
	Level Level  `json:"level"`
	Check string `json:"check"`          // such as clock; see checks
	Node  string `json:"node,omitempty"` // empty: of the whole cluster
	Says  string `json:"says"`
	Do    string `json:"do,omitempty"`
}

// Report is all findings, the worst first.
type Report struct {
	Worst    Level     `json:"worst"`
	Findings []Finding `json:"findings"`
}

// Wrong reports whether anything has to be done.
func (r *Report) Wrong() bool { return r.Worst.rank() >= Warn.rank() }

// findings gathers a report.
type findings struct{ all []Finding }

func (f *findings) add(l Level, check, node, do, format string, args ...any) {
	f.all = append(f.all, Finding{Level: l, Check: check, Node: node, Do: do,
		Says: fmt.Sprintf(format, args...)})
}

func (f *findings) report() Report {
	slices.SortStableFunc(f.all, func(a, b Finding) int {
		return cmp.Compare(b.Level.rank(), a.Level.rank())
	})
	r := Report{Worst: OK, Findings: f.all}
	if len(f.all) > 0 {
		r.Worst = f.all[0].Level
	}
	return r
}
