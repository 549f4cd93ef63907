package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/client"
)

func (a *app) reservationCommand() *cobra.Command {
	return group("reservation", "See reservations", a.asks(&cobra.Command{
		Use:   "get ID",
		Short: "Show a reservation, line by line",
		Args:  one("ID"),
	}, reservationGet))
}

func reservationGet(ctx context.Context, s session, args []string) error {
	var r client.Reservation
	call := client.Call{Path: "/v1/reservations/" + client.Segment(args[0])}
	reply, err := s.client.Do(ctx, call, &r)
	if err != nil {
		return err
	}
	if s.out.form == "json" {
		return s.out.json(rawJSON(reply.Body))
	}
	until := ""
	if r.ExpiresAt != nil {
		until = " until " + r.ExpiresAt.Format(time.RFC3339Nano)
	}
	s.out.line("%s · %s%s · channel %s · index %d", r.ID, r.State, until, r.Channel, r.Index)
	var rows [][]any
	for _, l := range r.Lines {
		rows = append(rows, []any{l.Line, l.SKU, l.Qty, l.Held, l.Committed, l.Short, l.Shipped,
			l.Released, l.Expired, l.Returned})
	}
	err = s.out.rows([]string{"line", "sku", "qty", "held", "committed", "short", "shipped",
		"released", "expired", "returned"}, rows)
	if err != nil || s.out.form == "csv" {
		return err
	}
	var places [][]any
	for _, l := range r.Lines {
		for _, p := range l.Allocations {
			places = append(places, []any{l.Line, p.SKU, p.Location, p.Held, p.Committed, p.Shipped})
		}
	}
	if len(places) == 0 {
		return nil
	}
	return s.out.rows([]string{"line", "sku", "location", "held", "committed", "shipped"}, places)
}
