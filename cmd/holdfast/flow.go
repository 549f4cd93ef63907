package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/client"
)

func (a *app) flowCommand() *cobra.Command {
	return group("flow", "See and run the flows of the connections",
		a.asks(&cobra.Command{
			Use:   "list",
			Short: "List the flows: when each runs and how it went",
			Args:  cobra.NoArgs,
		}, flowList),
		a.flowRun())
}

func (a *app) flowRun() *cobra.Command {
	var ask client.AskRun
	var ids string
	c := a.asks(&cobra.Command{
		Use:   "run NAME [--connection ID] [--ids A,B] [--from TIME] [--to TIME]",
		Short: "Run a flow now",
		Long: "Runs a flow now: for some ids, for a window of time, or for everything. Without --connection\n" +
			"it runs on every connection that knows it and is not paused. `flow run start --connection ID`\n" +
			"does the start of a connection anew; nothing is sent until it is done.",
		Args: one("NAME"),
	}, func(ctx context.Context, s session, args []string) error {
		ask := ask
		for _, id := range strings.Split(ids, ",") {
			if id = strings.TrimSpace(id); id != "" {
				ask.IDs = append(ask.IDs, id)
			}
		}
		return flowRun(ctx, s, args[0], ask)
	})
	c.Flags().StringVar(&ask.Connection, "connection", "", "only this connection")
	c.Flags().StringVar(&ids, "ids", "", "only these, separated by commas, as the other system calls them")
	c.Flags().StringVar(&ask.From, "from", "", "from this time on, such as 2026-11-23T08:00:00Z")
	c.Flags().StringVar(&ask.To, "to", "", "up to this time")
	return c
}

func flowRun(ctx context.Context, s session, name string, ask client.AskRun) error {
	var answer struct {
		Runs []client.Run `json:"runs"`
	}
	reply, err := s.client.Do(ctx, client.Call{Method: "POST",
		Path: "/v1/flows/" + client.Segment(name) + "/run", Body: ask,
		Key: rand.Text()}, &answer) // sent again by the client, it is the same run
	if err != nil {
		return err
	}
	if s.out.form == "json" {
		return s.out.json(rawJSON(reply.Body))
	}
	var rows [][]any
	for _, r := range answer.Runs {
		rows = append(rows, []any{r.ID, r.Connection, r.Flow, r.State})
	}
	return s.out.rows([]string{"id", "connection", "flow", "state"}, rows)
}

func flowList(ctx context.Context, s session, _ []string) error {
	var page client.Page
	reply, err := s.client.Do(ctx, client.Call{Path: "/v1/flows"}, &page)
	if err != nil {
		return err
	}
	if s.out.form == "json" {
		return s.out.json(rawJSON(reply.Body))
	}
	var rows [][]any
	for _, item := range page.Items {
		var f client.FlowTable
		if err := json.Unmarshal(item, &f); err != nil {
			return fmt.Errorf("read a flow: %w", err)
		}
		next, last := "", mark{}
		if !f.NextAt.IsZero() {
			next = f.NextAt.Format(time.RFC3339)
		}
		if f.Last != nil {
			last = mark{f.Last.State + " " + f.Last.Due.Format(time.RFC3339), f.Last.State == "failed"}
		}
		rows = append(rows, []any{f.Connection, f.Flow, f.On, strings.TrimSpace(f.Cron + " " + f.Zone),
			next, last})
	}
	return s.out.rows([]string{"connection", "flow", "on", "cron", "next", "last"}, rows)
}
