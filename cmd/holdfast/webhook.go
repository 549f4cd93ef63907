package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/client"
)

func (a *app) webhookCommand() *cobra.Command {
	return group("webhook", "See and set who is told of orders by signed webhooks",
		a.asks(&cobra.Command{
			Use:   "list",
			Short: "List the webhooks and how their receivers do",
			Args:  cobra.NoArgs,
		}, webhookList),
		a.webhookPut(),
		a.asks(&cobra.Command{
			Use:   "remove ID",
			Short: "Remove a webhook; what waits for it is dropped",
			Args:  one("ID"),
		}, webhookRemove),
		a.asks(&cobra.Command{
			Use:   "test ID",
			Short: "Send a message webhook.test",
			Args:  one("ID"),
		}, webhookTest),
		a.webhookDeliveries(),
		a.webhookReplay())
}

func webhookPath(id string) string { return "/v1/webhooks/" + client.Segment(id) }

func webhookList(ctx context.Context, s session, _ []string) error {
	var page struct {
		Items []client.Webhook `json:"items"`
	}
	reply, err := s.client.Do(ctx, client.Call{Path: "/v1/webhooks"}, &page)
	if err != nil {
		return err
	}
	return s.printWebhooks(page.Items, reply.Body)
}

func (s session) printWebhooks(all []client.Webhook, raw []byte) error {
	if s.out.form == "json" {
		return s.out.json(rawJSON(raw))
	}
	var rows [][]any
	for _, w := range all {
		state, why := w.Mode, w.Standing.Why
		switch st := &w.Standing; {
		case !st.DisabledAt.IsZero():
			state = "disabled"
		case st.Full:
			state, why = "full", st.LastError
		case !st.FailingSince.IsZero():
			state, why = "failing", st.LastError
		}
		rows = append(rows, []any{w.ID, mark{state, state != w.Mode}, w.Standing.Waiting,
			strings.Join(w.Events, " "), w.URL, why})
	}
	return s.out.rows([]string{"id", "state", "waiting", "events", "url", "why"}, rows)
}

// webhookInput is the body of PUT /v1/webhooks/{id}.
type webhookInput struct {
	URL        string   `json:"url"`
	Events     []string `json:"events,omitempty"`
	Connection string   `json:"connection,omitempty"`
	Channels   []string `json:"channels,omitempty"`
	Secrets    []string `json:"secrets"`
	Mode       string   `json:"mode,omitempty"`
	Note       string   `json:"note,omitempty"`
}

func (a *app) webhookPut() *cobra.Command {
	var in webhookInput
	c := a.asks(&cobra.Command{
		Use:   "put ID --url URL --secret REF",
		Short: "Define a webhook, or replace what it is",
		Long: "Defines a webhook, or replaces what it is; one that was disabled is enabled. A secret is\n" +
			"env:NAME or file:/path, there on every node: whsec_ and 24 to 64 bytes in base64. With two of\n" +
			"them each message has two signatures, so that a receiver can change from one to the other.",
		Args: one("ID"),
	}, func(ctx context.Context, s session, args []string) error {
		var w client.Webhook
		reply, err := s.client.Do(ctx, client.Call{Method: "PUT", Path: webhookPath(args[0]), Body: in}, &w)
		if err != nil {
			return err
		}
		return s.printWebhooks([]client.Webhook{w}, reply.Body)
	})
	f := c.Flags()
	f.StringVar(&in.URL, "url", "", "where messages go, https")
	f.StringSliceVar(&in.Events, "event", nil, "only these, such as order.created or order.*")
	f.StringVar(&in.Connection, "connection", "", "what this connection has reported it is not told")
	f.StringSliceVar(&in.Channels, "channel", nil, "only orders of these channels")
	f.StringSliceVar(&in.Secrets, "secret", nil, "where a secret is: env:NAME or file:/path")
	f.StringVar(&in.Mode, "mode", "", "on or paused; as it is when it is not given")
	f.StringVar(&in.Note, "note", "", "for people")
	return c
}

func webhookRemove(ctx context.Context, s session, args []string) error {
	_, err := s.client.Do(ctx, client.Call{Method: "DELETE", Path: webhookPath(args[0])}, nil)
	if err == nil {
		s.out.line("removed %s", args[0])
	}
	return err
}

func webhookTest(ctx context.Context, s session, args []string) error {
	var made struct {
		ID string `json:"id"`
	}
	_, err := s.client.Do(ctx, client.Call{Method: "POST", Path: webhookPath(args[0]) + "/test"}, &made)
	if err == nil {
		s.out.line("queued %s; `holdfast webhook deliveries %s` shows what became of it", made.ID, args[0])
	}
	return err
}

func (a *app) webhookDeliveries() *cobra.Command {
	var state string
	var limit int
	c := a.asks(&cobra.Command{
		Use:   "deliveries ID",
		Short: "List the messages of a webhook, oldest first",
		Args:  one("ID"),
	}, func(ctx context.Context, s session, args []string) error {
		return webhookDeliveries(ctx, s, args[0], state, limit)
	})
	c.Flags().StringVar(&state, "state", "", "queued, running, done, failed or dropped; empty is all")
	c.Flags().IntVar(&limit, "limit", 1000, "at most so many")
	return c
}

func webhookDeliveries(ctx context.Context, s session, id, state string, limit int) error {
	var raw []json.RawMessage
	var rows [][]any
	query := url.Values{}
	if state != "" {
		query.Set("state", state)
	}
	for len(raw) < limit {
		query.Set("limit", fmt.Sprint(max(1, min(limit-len(raw), 1000))))
		var page client.Page
		_, err := s.client.Do(ctx, client.Call{Path: webhookPath(id) + "/deliveries", Query: query}, &page)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			var d client.Delivery
			if err := json.Unmarshal(item, &d); err != nil {
				return fmt.Errorf("read a message: %w", err)
			}
			why := d.Waits
			if why == "" {
				why = d.LastError
			}
			rows = append(rows, []any{d.ID, d.CreatedAt.Format(time.RFC3339), d.Type, d.OrderID, d.State,
				d.Tries, why})
		}
		raw = append(raw, page.Items...)
		if page.Next == "" {
			break
		}
		query.Set("after", page.Next)
	}
	if s.out.form == "json" {
		return s.out.json(raw)
	}
	return s.out.rows([]string{"id", "created_at", "type", "order", "state", "tries", "why"}, rows)
}

// replayInput is the body of POST /v1/webhooks/{id}/replay.
type replayInput struct {
	IDs   []string `json:"ids,omitempty"`
	From  string   `json:"from,omitempty"`
	To    string   `json:"to,omitempty"`
	State string   `json:"state,omitempty"`
}

func (a *app) webhookReplay() *cobra.Command {
	var in replayInput
	c := a.asks(&cobra.Command{
		Use:   "replay ID [--ids A,B] [--from TIME] [--to TIME] [--state STATE]",
		Short: "Send messages again",
		Long: "Sends messages again, now and from their first try, under the webhook-id that they have:\n" +
			"those of the ids, or those of a window of time; up to 500 in one run.",
		Args: one("ID"),
	}, func(ctx context.Context, s session, args []string) error {
		if len(in.IDs) == 0 && in.From == "" {
			return usagef("webhook replay needs --ids or --from")
		}
		var done struct {
			Replayed int    `json:"replayed"`
			Next     string `json:"next"`
		}
		_, err := s.client.Do(ctx, client.Call{Method: "POST", Path: webhookPath(args[0]) + "/replay",
			Body: in}, &done)
		if err != nil {
			return err
		}
		s.out.line("%d messages are sent again", done.Replayed)
		if done.Next != "" {
			s.out.line("there are more behind %s: run it again with a later --from", done.Next)
		}
		return nil
	})
	c.Flags().StringSliceVar(&in.IDs, "ids", nil, "these messages")
	c.Flags().StringVar(&in.From, "from", "", "from this time on, such as 2026-11-23T08:00:00Z")
	c.Flags().StringVar(&in.To, "to", "", "up to this time")
	c.Flags().StringVar(&in.State, "state", "", "only those that are queued, done or failed")
	return c
}
