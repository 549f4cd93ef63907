package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/client"
)

func (a *app) eventCommand() *cobra.Command {
	var after uint64
	var follow bool
	tail := a.asks(&cobra.Command{
		Use:   "tail",
		Short: "Print events in order, and with --follow wait for more",
		Long: "Prints every event with a sequence above --after, the oldest first; -o json prints\n" +
			"one object a line. With --follow it waits for more until it is interrupted, and goes on\n" +
			"by itself when the server was away: no event is left out and none is printed twice.",
		Args: cobra.NoArgs,
	}, func(ctx context.Context, s session, _ []string) error {
		t := &tailer{session: s, after: after, csv: csv.NewWriter(s.stdout)}
		return t.run(ctx, follow)
	})
	tail.Flags().Uint64Var(&after, "after", 0, "sequence after which to begin")
	tail.Flags().BoolVar(&follow, "follow", false, "wait for more events")
	return group("event", "See what happened", tail)
}

// tailer prints events and remembers how far it came.
type tailer struct {
	session
	after uint64
	csv   *csv.Writer
	begun bool // the header was printed
}

func (t *tailer) run(ctx context.Context, follow bool) error {
	if err := t.pages(ctx); err != nil || !follow {
		return err
	}
	const firstPause, longestPause = 200 * time.Millisecond, 5 * time.Second
	pause := firstPause
	for {
		before := t.after
		err := t.stream(ctx)
		if ctx.Err() != nil {
			return nil // being interrupted is how following ends
		}
		if err != nil && !client.Repeatable(err, true) {
			return err
		}
		if t.after > before {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// pages prints what is there, page by page.
func (t *tailer) pages(ctx context.Context) error {
	for {
		const limit = 1_000 // the most that a page may have
		var page client.EventPage
		_, err := t.client.Do(ctx, client.Call{Path: "/v1/events", Query: url.Values{
			"after": {strconv.FormatUint(t.after, 10)}, "limit": {strconv.Itoa(limit)},
		}}, &page)
		if err != nil {
			return err
		}
		for _, raw := range page.Events {
			if err := t.print(raw); err != nil {
				return err
			}
		}
		if len(page.Events) < limit {
			return nil
		}
	}
}

// stream prints what comes until the connection ends. Being cut off is an *UnreachableError.
func (t *tailer) stream(ctx context.Context) error {
	body, err := t.client.Stream(ctx, client.Call{Path: "/v1/events", Accept: "text/event-stream",
		Last: strconv.FormatUint(t.after, 10)})
	if err != nil {
		return err
	}
	defer body.Close()
	const longest = 1 << 20 // bytes of one event; the server's are below 2 KiB
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, longest)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data:"))
		if !ok {
			continue // comments keep the connection alive; id and type are in the data too
		}
		if err := t.print(bytes.TrimSpace(data)); err != nil {
			return err
		}
	}
	err = lines.Err()
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return &client.UnreachableError{Server: t.client.Server(), Err: err}
}

func (t *tailer) print(raw []byte) error {
	var e client.Event
	if err := json.Unmarshal(raw, &e); err != nil {
		return fmt.Errorf("read an event: %w", err)
	}
	if e.Seq <= t.after {
		return nil // seen before a stream was taken up again
	}
	if err := t.printForm(raw, e); err != nil {
		return err
	}
	t.after = e.Seq
	return nil
}

func (t *tailer) printForm(raw []byte, e client.Event) error {
	head := []string{"seq", "index", "at", "type", "sku", "location", "qty", "on_hand", "held",
		"committed", "cause", "note"}
	cells := []string{fmt.Sprint(e.Seq), fmt.Sprint(e.Index),
		e.At.UTC().Format("2006-01-02T15:04:05.000Z"), e.Type, e.SKU, e.Location,
		fmt.Sprint(e.Qty), fmt.Sprint(e.OnHand), fmt.Sprint(e.Held),
		fmt.Sprint(e.Committed), e.Cause, e.Note}
	first := !t.begun
	t.begun = true
	switch t.out.form {
	case "json":
		var line bytes.Buffer
		if err := json.Compact(&line, raw); err != nil {
			return err
		}
		_, err := fmt.Fprintf(t.stdout, "%s\n", line.Bytes())
		return err
	case "csv":
		var faults []error
		if first {
			faults = append(faults, t.csv.Write(head))
		}
		faults = append(faults, t.csv.Write(cells))
		t.csv.Flush() // an event at a time: somebody may be watching
		return errors.Join(append(faults, t.csv.Error())...)
	}
	// The widths are fixed: rows that are still to come cannot be measured.
	const form = "%8s %8s  %-24s  %-24s %-20s %-12s %6s %8s %8s %9s  %s\n"
	if first {
		fmt.Fprintf(t.stdout, form, anys(append(head[:11:11], ""))[:11]...)
	}
	for i := range cells {
		cells[i] = printable(cells[i])
	}
	if cells[11] != "" {
		cells[10] += " (" + cells[11] + ")"
	}
	_, err := fmt.Fprintf(t.stdout, form, anys(cells[:11])...)
	return err
}

func anys(texts []string) []any {
	all := make([]any, len(texts))
	for i, t := range texts {
		all[i] = t
	}
	return all
}
