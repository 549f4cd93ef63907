package main

import (
	"context"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/client"
)

// cordInput is the body of POST /v1/publish/zero and freeze.
type cordInput struct {
	Channel string `json:"channel,omitempty"`
	SKU     string `json:"sku,omitempty"`
	Release bool   `json:"release,omitempty"`
}

// cord is a stop cord as it is then.
type cord struct {
	Stop    string `json:"stop"`
	Rule    string `json:"rule"`
	Channel string `json:"channel"`
	SKU     string `json:"sku"`
	Pulled  bool   `json:"pulled"`
}

func (a *app) publishCommand() *cobra.Command {
	return group("publish", "Stop what channels are told, at once",
		a.cordCommand("zero", "Show 0 on a channel, or for one SKU of it",
			"Shows 0 in every slot of a channel, or of one SKU of it, until it is let go with --release.\n"+
				"Sales that were made already are served. Slots fall as fast as the vendor takes it;\n"+
				"`GET /v1/listings` shows how far it is."),
		a.cordCommand("freeze", "Send nothing, on a channel or anywhere",
			"Sends no number to a channel, or to none at all, until it is let go with --release. What\n"+
				"channels show stays as it is while stock goes on moving, so they may oversell: to stop\n"+
				"sales use `publish zero`. A call that is under way is not called back."))
}

func (a *app) cordCommand(use, short, long string) *cobra.Command {
	var in cordInput
	c := &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.NoArgs}
	c.Flags().StringVar(&in.Channel, "channel", "", "id of the channel")
	if use == "zero" {
		c.Flags().StringVar(&in.SKU, "sku", "", "only this SKU")
	}
	c.Flags().BoolVar(&in.Release, "release", false, "let it go")
	return a.asks(c, func(ctx context.Context, s session, _ []string) error {
		if use == "zero" && in.Channel == "" {
			return usagef("publish zero needs --channel")
		}
		var now cord
		reply, err := s.client.Do(ctx, client.Call{Method: "POST", Path: "/v1/publish/" + use,
			Body: in}, &now)
		if err != nil {
			return err
		}
		if s.out.form == "json" {
			return s.out.json(rawJSON(reply.Body))
		}
		return s.out.rows([]string{"stop", "channel", "sku", "pulled", "rule"},
			[][]any{{now.Stop, now.Channel, now.SKU, now.Pulled, now.Rule}})
	})
}
