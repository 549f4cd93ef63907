package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/client"
)

func (a *app) traceCommand() *cobra.Command {
	return a.asks(&cobra.Command{
		Use:   "trace ID",
		Short: "Show all that is known of an order, under any of its names",
		Long: "Shows one timeline for an order: its id, an id of an outside system, a name such as #1001, a\n" +
			"tracking number, a task or an exception will do.",
		Args: one("ID"),
	}, trace)
}

func trace(ctx context.Context, s session, args []string) error {
	var t client.Trace
	reply, err := s.client.Do(ctx, client.Call{Path: "/v1/trace/" + client.Segment(args[0])}, &t)
	if err != nil {
		return err
	}
	if s.out.form == "json" {
		return s.out.json(rawJSON(reply.Body))
	}
	s.out.line("%s", strings.Join(strings.Fields(t.Order+" "+t.Name+" "+t.State), " · "))
	if t.Route != "" {
		s.out.line("route: %s", t.Route)
	}
	var rows [][]any
	for _, i := range t.Items {
		rows = append(rows, []any{i.At.Format(time.RFC3339), i.From, i.What, i.By, i.More, i.Ref})
	}
	if err := s.out.rows([]string{"at", "from", "what", "by", "more", "ref"}, rows); err != nil {
		return err
	}
	for _, m := range t.Missing {
		s.out.line("not looked at: %s", m)
	}
	return nil
}
