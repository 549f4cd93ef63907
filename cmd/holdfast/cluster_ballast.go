package main

import (
	"github.com/spf13/cobra"

	"holdfast/cmd/internal/node"
	"holdfast/cmd/internal/settings"
)

const ballastHelp = `Deletes the file BALLAST of a data folder, which holds nothing but space: what a node needs to
start on a full disk and to write the checkpoint after which its log can be cut. It asks no server,
and the node may run or not. Free more soon: the node makes the file again at a start with enough
room.

Ends with status 0 also when there is no such file any more.`

func (a *app) clusterFreeBallast() *cobra.Command {
	c := &cobra.Command{
		Use:   "free-ballast",
		Short: "Give a node on a full disk the space that it kept for that",
		Long:  ballastHelp,
		Args:  cobra.NoArgs,
		RunE:  a.freeBallast,
	}
	settings.Register(c.Flags(), func(s settings.Setting) bool {
		return s.Key == "data" || settings.Output(s)
	})
	return c
}

func (a *app) freeBallast(c *cobra.Command, _ []string) error {
	v, err := a.settings(c)
	if err != nil {
		return err
	}
	data := v.Node().Data
	bytes, err := node.FreeBallast(data)
	if err != nil {
		return stopped(err)
	}
	out := a.printer(v.Client().Output)
	switch {
	case out.form == "json":
		return out.json(map[string]any{"data": data, "freed_bytes": bytes})
	case out.form == "csv":
		return out.csv([]string{"data", "freed_bytes"}, [][]any{{data, bytes}})
	case bytes == 0:
		out.line("no ballast in %s: nothing to free", data)
	default:
		out.line("%d bytes freed in %s: start the node, and free more soon", bytes, data)
	}
	return nil
}
