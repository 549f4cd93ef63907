package demo

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// Report is what is printed at the end.
type Report struct {
	Books   *Books
	Killer  *killer
	Sender  *sender
	Took    time.Duration // of the event, without start and checks
	Checks  []Check
	Color   bool
	Batches int
}

// OK reports whether every check holds.
func (r Report) OK() bool {
	for _, c := range r.Checks {
		if !c.OK() {
			return false
		}
	}
	return true
}

// Print writes the tables and the checks. The error is the writer's.
func (r Report) Print(w io.Writer) error {
	var b strings.Builder
	b.WriteString("\n" + r.flows() + "\n\n" + r.run() + "\n\n")
	held := 0
	for _, c := range r.Checks {
		r.check(&b, c)
		if c.OK() {
			held++
		}
	}
	fmt.Fprintf(&b, "\n%d of %d checks hold\n", held, len(r.Checks))
	_, err := io.WriteString(w, b.String())
	return err
}

// tally counts one row of the table, by channel.
type tally struct {
	name string
	n    map[string]int64
}

// flows is the table of what became of the orders.
func (r Report) flows() string {
	channels := []string{web, market, pos}
	var rows []*tally
	at := map[string]*tally{}
	add := func(name, channel string, n int64) {
		t := at[name]
		if t == nil {
			t = &tally{name: name, n: map[string]int64{}}
			at[name] = t
			rows = append(rows, t)
		}
		t.n[channel] += n
	}
	for _, name := range []string{"orders", "refused: out of stock", "accepted",
		"  with short units"} {
		for _, ch := range channels {
			add(name, ch, 0)
		}
	}
	for f := range fates {
		add("  "+f.String(), web, 0)
	}
	for _, name := range []string{"units shipped", "units returned", "units given back",
		"units expired"} {
		add(name, web, 0)
	}
	for _, acc := range r.Books.accounts {
		ch := acc.Order.Channel
		add("orders", ch, 1)
		if acc.Refused != "" {
			add("refused: out of stock", ch, 1)
			continue
		}
		add("accepted", ch, 1)
		add("  "+acc.Order.Fate.String(), ch, 1)
		var short int64
		for _, l := range acc.Last.Lines {
			short += l.Short
			add("units shipped", ch, l.Shipped)
			add("units given back", ch, l.Released)
			expired := l.Expired
			if acc.Order.Fate == Abandoned {
				expired += l.Held // nobody asked since; the checks saw them end
			}
			add("units expired", ch, expired)
		}
		add("units returned", ch, acc.Returned)
		if short > 0 {
			add("  with short units", ch, 1)
		}
	}
	t := newTable()
	t.AppendHeader(table.Row{"what happened", web, market, pos, "all"})
	for _, row := range rows {
		t.AppendRow(table.Row{row.name, row.n[web], row.n[market], row.n[pos],
			row.n[web] + row.n[market] + row.n[pos]})
	}
	return t.Render()
}

// run is the table of how the event went.
func (r Report) run() string {
	t := newTable()
	n := len(r.Books.accounts)
	t.AppendRow(table.Row{"orders a second", fmt.Sprintf("%.0f (%d in %s, the kill included)",
		float64(n)/max(r.Took.Seconds(), 0.001), n, r.Took.Round(100*time.Millisecond))})
	t.AppendRow(table.Row{"requests", fmt.Sprintf("%d, of them %d batches of orders",
		r.Sender.calls.Load(), r.Batches)})
	t.AppendRow(table.Row{"sent twice on purpose", r.Books.again})
	t.AppendRow(table.Row{"sent again: not now", r.Sender.later.Load()})
	t.AppendRow(table.Row{"sent again: outcome unknown", r.Sender.lost.Load()})
	if k := r.Killer; k.Victim != "" {
		t.AppendRow(table.Row{"leader killed", fmt.Sprintf(
			"%s; %s led %s later; longest pause of writes %s", k.Victim, k.Heir,
			k.Election.Round(time.Millisecond), r.Books.pause.Round(time.Millisecond))})
		t.AppendRow(table.Row{"back from its folder", fmt.Sprintf("%s, %s after the kill", k.Victim,
			k.Down.Round(time.Millisecond))})
	}
	return t.Render()
}

func newTable() table.Writer {
	t := table.NewWriter()
	style := table.StyleLight
	style.Format = table.FormatOptions{}
	t.SetStyle(style)
	return t
}

func (r Report) check(b *strings.Builder, c Check) {
	word, on, off := "ok    ", "\x1b[32m", "\x1b[0m"
	if !c.OK() {
		word, on = "FAILED", "\x1b[31m"
	}
	if !r.Color {
		on, off = "", ""
	}
	fmt.Fprintf(b, "%s%s%s %s: %s\n", on, word, off, c.Name, c.Compared)
	const shown = 5
	for i, f := range c.Faults {
		if i == shown {
			fmt.Fprintf(b, "         … and %d more\n", len(c.Faults)-shown)
			break
		}
		fmt.Fprintf(b, "         %s\n", f)
	}
}
