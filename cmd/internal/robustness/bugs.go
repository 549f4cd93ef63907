package robustness

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"holdfast/cmd/internal/robustness/broken"
)

// Caught is how often the judge rejected one broken build.
type Caught struct {
	Bug     broken.Bug
	Rounds  int
	Times   int
	By      map[string]int // rounds in which each rule was broken
	Took    time.Duration
	Good    bool // the same schedule found nothing wrong with a good build
	Skipped string
}

// Bugs builds each broken node and runs its schedule, rounds times, with seeds from seed on, and
// once on a good build, which must pass. Only, when not empty, chooses one by its tag. It fails
// when the harness could not go on.
func Bugs(ctx context.Context, dir string, seed uint64, rounds int, only string,
	out io.Writer) ([]Caught, error) {
	var all []Caught
	good := filepath.Join(dir, "good")
	if err := Build(ctx, good, ""); err != nil {
		return nil, err
	}
	for _, b := range broken.Bugs {
		if only != "" && b.Tag != only {
			continue
		}
		c := Caught{Bug: b, By: map[string]int{}}
		control := Caught{Bug: b, By: map[string]int{}}
		if err := control.round(ctx, filepath.Join(dir, b.Tag+"-good"), good, seed); err != nil {
			return all, fmt.Errorf("the schedule of %s on a good build, seed %d: %w", b.Tag, seed, err)
		}
		if c.Good = control.Times == 0; !c.Good {
			fmt.Fprintf(out, "%s: a good build is rejected too: %v\n", b.Tag, control.By)
		}
		binary := filepath.Join(dir, b.Tag)
		if err := Build(ctx, binary, b.Tag); err != nil {
			return all, err
		}
		for i := range rounds {
			if err := c.round(ctx, filepath.Join(dir, fmt.Sprintf("%s-%d", b.Tag, i)), binary,
				seed+uint64(i)); err != nil {
				return append(all, c), fmt.Errorf("%s, seed %d: %w", b.Tag, seed+uint64(i), err)
			}
			if c.Skipped != "" {
				break
			}
			fmt.Fprintf(out, "%s: caught %d of %d (%v)\n", b.Tag, c.Times, c.Rounds,
				c.Took.Round(time.Second))
		}
		all = append(all, c)
		_ = os.Remove(binary) // large, and made again in seconds
	}
	return all, nil
}

// bugPatience is what a broken build gets: it may never be whole again.
const bugPatience = 15 * time.Second

// round runs one schedule. What it leaves is deleted when it was caught.
func (c *Caught) round(ctx context.Context, dir, binary string, seed uint64) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	r, err := Run(ctx, Config{Binary: binary, Dir: dir, Seed: seed, Script: c.Bug.Script,
		Load: c.Bug.Load, Serve: c.Bug.Serve, Plain: !c.Bug.Mounts, Patience: bugPatience})
	if err != nil {
		return err
	}
	if c.Bug.Mounts && len(r.Notes) > 0 {
		c.Skipped = r.Notes[0]
		return nil
	}
	c.Rounds++
	c.Took += r.Took
	seen := map[string]bool{}
	for _, v := range r.Violations {
		if !seen[v.Oracle] {
			c.By[v.Oracle]++
		}
		seen[v.Oracle] = true
	}
	if len(r.Violations) == 0 {
		return nil
	}
	c.Times++
	return os.RemoveAll(dir)
}

// Missed reports whether some round of it was not caught, or a good build was.
func (c Caught) Missed() bool { return !c.Good || (c.Skipped == "" && c.Times < c.Rounds) }

// PrintCaught writes the table of the broken builds.
func PrintCaught(w io.Writer, all []Caught) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"broken build", "what is wrong", "caught", "good build", "by"})
	for _, c := range all {
		times := fmt.Sprintf("%d of %d", c.Times, c.Rounds)
		if c.Skipped != "" {
			times = "not run: " + c.Skipped
		}
		by := ""
		for rule, n := range c.By {
			by += fmt.Sprintf("%s (%d)\n", rule, n)
		}
		good := "passes"
		if !c.Good {
			good = "REJECTED"
		}
		t.AppendRow(table.Row{c.Bug.Tag, c.Bug.What, times, good, strings.TrimSpace(by)})
	}
	t.Render()
}
