package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/client"
)

func (a *app) connectionCommand() *cobra.Command {
	mode := func(use, mode, short, long string) *cobra.Command {
		return a.asks(&cobra.Command{Use: use + " ID", Short: short, Long: long, Args: one("ID")},
			func(ctx context.Context, s session, args []string) error {
				return connectionMode(ctx, s, args[0], mode)
			})
	}
	return group("connection", "See and switch the accounts at outside systems",
		a.asks(&cobra.Command{
			Use:   "list",
			Short: "List the connections and how they do",
			Args:  cobra.NoArgs,
		}, connectionList),
		a.asks(&cobra.Command{
			Use:   "show ID",
			Short: "Show one connection: its start, its health, what stands in its way",
			Args:  one("ID"),
		}, connectionShow),
		mode("pause", "paused", "Stop everything of a connection",
			"Stops the loops and the flows of a connection, and sends nothing any more. Sales that it\n"+
				"tells us of are still taken in; what they cause waits until `connection on`."),
		mode("on", "on", "Let a connection send",
			"Lets a connection send. It is refused, with what to do, while something stands in the way:\n"+
				"conflicts in the mapping, drift that nothing explains, orders of another app, a region\n"+
				"without its fulfilment model. While its start still runs it opens by itself at the end."),
		mode("observe", "observe", "Let a connection only read",
			"Lets a connection read all and send nothing; what it would send is shown and forgotten."))
}

func connectionPath(id string) string { return "/v1/connections/" + client.Segment(id) }

func connectionMode(ctx context.Context, s session, id, mode string) error {
	var c client.Connection
	reply, err := s.client.Do(ctx, client.Call{Method: "POST", Path: connectionPath(id) + "/mode",
		Body: map[string]string{"mode": mode}}, &c)
	if err != nil {
		return err
	}
	if s.out.form == "json" {
		return s.out.json(rawJSON(reply.Body))
	}
	return printConnections(s.out, []client.Connection{c})
}

func connectionList(ctx context.Context, s session, _ []string) error {
	var all []client.Connection
	var raw []json.RawMessage
	for after := ""; ; {
		var page client.Page
		query := url.Values{"limit": {"1000"}}
		if after != "" {
			query.Set("after", after)
		}
		_, err := s.client.Do(ctx, client.Call{Path: "/v1/connections", Query: query}, &page)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			var c client.Connection
			if err := json.Unmarshal(item, &c); err != nil {
				return fmt.Errorf("read a connection: %w", err)
			}
			all = append(all, c)
		}
		raw = append(raw, page.Items...)
		if after = page.Next; after == "" {
			break
		}
	}
	if s.out.form == "json" {
		return s.out.json(raw)
	}
	return printConnections(s.out, all)
}

func printConnections(out printer, all []client.Connection) error {
	var rows [][]any
	for _, c := range all {
		state, age := "", ""
		if h := c.Health; h != nil {
			state, age = h.State, watermarkAge(h.WatermarkAge)
		}
		why := c.Why
		if c.Effective == c.Mode {
			why = ""
		}
		rows = append(rows, []any{c.ID, c.Kind, mark{c.Mode, c.Effective != c.Mode}, c.Effective,
			mark{state, state == "failing"}, age, why})
	}
	return out.rows([]string{"id", "kind", "mode", "effective", "state", "watermark_age", "why"}, rows)
}

func watermarkAge(ms *int64) string {
	if ms == nil {
		return ""
	}
	return (time.Duration(*ms) * time.Millisecond).Round(time.Second).String()
}

func connectionShow(ctx context.Context, s session, args []string) error {
	var c client.Connection
	reply, err := s.client.Do(ctx, client.Call{Path: connectionPath(args[0])}, &c)
	if err != nil {
		return err
	}
	if s.out.form == "json" {
		return s.out.json(rawJSON(reply.Body))
	}
	if err := printConnections(s.out, []client.Connection{c}); err != nil || s.out.form == "csv" {
		return err
	}
	printStart(s.out, c)
	return printHealth(s.out, c)
}

func printStart(out printer, c client.Connection) {
	if c.Start == nil {
		out.line("its start has not begun")
		return
	}
	var rows []string
	for _, step := range []string{"catalogue", "mapping", "audit", "orders", "levels", "drift"} {
		if n, ok := c.Start.Rows[step]; ok {
			rows = append(rows, fmt.Sprintf("%s %d", step, n))
		}
	}
	out.line("start: %s (%s)", c.Start.Step, strings.Join(rows, ", "))
	for _, o := range c.Start.Found {
		out.line("in the way: %s: %s (%d) %s", o.Code, o.Detail, o.Count, strings.Join(o.Names, ", "))
		out.line("  what to do: %s", o.Do)
	}
}

func printHealth(out printer, c client.Connection) error {
	h := c.Health
	if h == nil {
		return nil
	}
	for _, feed := range slices.Sorted(maps.Keys(h.Lag)) {
		out.line("lag of %s: %s", feed, time.Duration(h.Lag[feed])*time.Millisecond)
	}
	for _, name := range slices.Sorted(maps.Keys(h.Limits)) {
		out.line("limit %s: %d left of %d", name, h.Limits[name].Left, h.Limits[name].Of)
	}
	if h.WouldSend > 0 {
		out.line("would have sent: %d calls", h.WouldSend)
	}
	if len(h.Errors) == 0 {
		return nil
	}
	var rows [][]any
	for _, e := range h.Errors {
		rows = append(rows, []any{e.At.Format(time.RFC3339), e.What, e.Times, e.Error})
	}
	return out.rows([]string{"at", "what", "times", "error"}, rows)
}
