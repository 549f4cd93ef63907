package robustness

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"holdfast/cmd/internal/robustness/fault"
)

// heartbeat is what the nodes of a run have: the default.
const heartbeat = time.Second

// Print writes the closing table.
func (r Result) Print(w io.Writer) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"what", "how many"})
	for _, k := range fault.Kinds {
		if why, skipped := r.Tally.Skipped[k]; skipped && r.Tally.Done[k] == 0 {
			t.AppendRow(table.Row{k, "none: " + why})
		} else if r.Tally.Done[k] > 0 {
			t.AppendRow(table.Row{k, r.Tally.Done[k]})
		}
	}
	t.AppendSeparator()
	t.AppendRows([]table.Row{
		{"damaged files that a start refused, naming file and remedy", r.Tally.Refusals},
		{"damaged files that a node came back from, equal", r.Tally.Survived},
		{"operations", r.Ops},
		{"of these accepted", r.Accepted},
		{"outcome unknown", r.Unknown},
		{"histories judged for linearizability", r.Histories},
	})
	if kills := slices.Sorted(slices.Values(r.Tally.LeaderKills)); len(kills) > 0 {
		t.AppendRow(table.Row{fmt.Sprintf("first write after a leader kill, heartbeats (%d kills)",
			len(kills)), fmt.Sprintf("p50 %.2f, p99 %.2f, worst %.2f", quantile(kills, 0.50),
			quantile(kills, 0.99), quantile(kills, 1))})
	}
	t.AppendSeparator()
	t.AppendRow(table.Row{"violations", len(r.Violations)})
	t.AppendRow(table.Row{"seed", r.Seed})
	t.AppendRow(table.Row{"took", r.Took.Round(time.Second)})
	t.Render()
	for _, note := range r.Notes {
		fmt.Fprintln(w, "note:", note)
	}
	for _, v := range r.Violations {
		fmt.Fprintf(w, "VIOLATION %s: %s\n", v.Oracle, v.Detail)
	}
}

// quantile of sorted durations, in heartbeats.
func quantile(sorted []time.Duration, q float64) float64 {
	at := int(q*float64(len(sorted)) + 0.5)
	return float64(sorted[min(max(at, 1), len(sorted))-1]) / float64(heartbeat)
}
