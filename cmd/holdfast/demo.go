package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/demo"
	"holdfast/cmd/internal/node"
)

const demoHelp = `Runs three nodes in this process, with their data in a temporary folder, and a
sale event against them over HTTP: 1,000 SKUs, 50 of them kits, at three locations; orders from
three channels, some in batches, with duplicates, cancellations, short holds that nobody comes back
for, partial shipments and returns. In the middle the leader is killed; later it comes back from
its folder. At the end the answers that were given are held against what all three nodes say. Ends
with 0 only if everything holds.`

func (a *app) demoCommand() *cobra.Command {
	var cfg demo.Config
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run a sale event on three nodes, kill the leader, and check every promise",
		Long:  demoHelp,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			limitMemory(a.env("GOMEMLIMIT"))
			cfg.Launch, cfg.Out, cfg.Progress = launch, a.stdout, a.stderr
			cfg.Terminal, cfg.Color = a.errTerminal, a.color(a.outTerminal)
			if cfg.Orders < 1 {
				return usagef("orders: %d must be 1 or more", cfg.Orders)
			}
			if err := cfg.WithDefaults().Validate(); err != nil {
				return usagef("%w", err)
			}
			err := demo.Run(c.Context(), cfg)
			if errors.Is(err, demo.ErrBroken) {
				return &statusError{code: exitFailure, err: err}
			}
			return err
		},
	}
	c.Flags().IntVar(&cfg.Orders, "orders", 5_000, "number of orders")
	c.Flags().Uint64Var(&cfg.Seed, "seed", 0, "seed of the orders; 0 takes a new one and prints it")
	c.Flags().IntVar(&cfg.Rate, "rate", 0, "orders a second; 0 is as fast as it goes")
	c.Flags().BoolVar(&cfg.Keep, "keep", false, "leave the nodes running until Ctrl-C")
	return c
}

// demoSegmentBytes is the size of a file of the raft log in the demo: three nodes, which write some
// MiB in all, need not take the default of 256 MiB each from somebody's disk.
const demoSegmentBytes = 16 << 20

// launch starts a node for the demo.
func launch(ctx context.Context, s demo.Spec) (demo.Node, error) {
	cfg := node.Config{Name: s.Name, Data: s.Data, HTTP: s.HTTP, Raft: s.Raft,
		Version: buildInfo().Version, LogSegmentBytes: demoSegmentBytes}
	for _, p := range s.Peers {
		cfg.Peers = append(cfg.Peers, node.Peer{Name: p.Name, Raft: p.Raft})
	}
	n, err := node.Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return n, nil
}
