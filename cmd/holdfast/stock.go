package main

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/client"
)

// rawJSON is a body of the server that is written as it came.
type rawJSON = json.RawMessage

func (a *app) stockCommand() *cobra.Command {
	var channel string
	explain := a.asks(&cobra.Command{
		Use:   "explain SKU --channel CHANNEL",
		Short: "Show why a channel may sell as many units as it may",
		Args:  one("SKU"),
	}, func(ctx context.Context, s session, args []string) error {
		if channel == "" {
			return usagef("stock explain needs --channel: what can be sold depends on who sells")
		}
		return stockExplain(ctx, s, args[0], channel)
	})
	explain.Flags().StringVar(&channel, "channel", "", "the channel that asks")
	return group("stock", "See and import stock",
		a.asks(&cobra.Command{
			Use:   "get SKU",
			Short: "Show what is on hand, held and committed at each location",
			Args:  one("SKU"),
		}, stockGet),
		explain, a.stockImportCommand())
}

func stockGet(ctx context.Context, s session, args []string) error {
	var stock client.Stock
	reply, err := s.client.Do(ctx, client.Call{Path: "/v1/stock/" + client.Segment(args[0])}, &stock)
	if err != nil {
		return err
	}
	if s.out.form == "json" {
		return s.out.json(rawJSON(reply.Body))
	}
	var rows [][]any
	for _, l := range stock.Locations {
		rows = append(rows, []any{l.Location, l.OnHand, l.Held, l.Committed, l.Available})
	}
	s.out.line("%s at index %d", stock.SKU, stock.Index)
	return s.out.rows([]string{"location", "on_hand", "held", "committed", "available"}, rows)
}

func stockExplain(ctx context.Context, s session, sku, channel string) error {
	var e client.Explanation
	reply, err := s.client.Do(ctx, client.Call{
		Path:  "/v1/stock/" + client.Segment(sku) + "/explain",
		Query: url.Values{"channel": {channel}},
	}, &e)
	if err != nil {
		return err
	}
	if s.out.form == "json" {
		return s.out.json(rawJSON(reply.Body))
	}
	s.out.line("%s can sell %d of %s at index %d:", channel, e.Sellable, sku, e.Index)
	var terms [][]any
	for _, t := range e.Terms {
		terms = append(terms, []any{t.Term, t.Location, t.Rule, t.Value})
	}
	terms = append(terms, []any{"sellable", "", "", e.Sellable})
	if err := s.out.rows([]string{"term", "location", "rule", "value"}, terms); err != nil {
		return err
	}
	if len(e.Holds) == 0 || s.out.form == "csv" {
		return nil
	}
	s.out.line("reservations that have units of it:")
	var holds [][]any
	for _, h := range e.Holds {
		holds = append(holds, []any{h.Reservation, h.Channel, h.Location, h.Held, h.Committed})
	}
	return s.out.rows([]string{"reservation", "channel", "location", "held", "committed"}, holds)
}
