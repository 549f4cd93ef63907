package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/adapters/connections"
	"holdfast/cmd/internal/node"
	"holdfast/cmd/internal/settings"
)

const serveHelp = `Runs one node. Without --peers it is a cluster of one and needs nothing else:

  holdfast serve

Three nodes on one machine:

  holdfast serve --node n1 --http 127.0.0.1:7480 --data d1 --peers "$P"
  holdfast serve --node n2 --http 127.0.0.1:7482 --data d2 --peers "$P"
  holdfast serve --node n3 --http 127.0.0.1:7484 --data d3 --peers "$P"
  with P=n1=127.0.0.1:7481,n2=127.0.0.1:7483,n3=127.0.0.1:7485

A node that joins a cluster that is there (then, at any member: holdfast cluster add n4=HOST:7481):

  holdfast serve --node n4 --raft HOST:7481 --data d4 --join 127.0.0.1:7481,127.0.0.1:7483

The first line on standard error, when requests are accepted, is

  holdfast ready http=ADDR node=ID

After it comes the log. A node that waits for the others of its list says ready after 3 seconds
and answers 503 until a majority runs. SIGTERM or Ctrl-C stops in order: requests in flight are
finished (at most --stop-timeout) and the files are closed; a second signal ends at once. Nothing
that was acknowledged is lost either way. Without GOMEMLIMIT in the environment the collector's
limit is three quarters of the memory that the process may use.`

func (a *app) serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run one node",
		Long:  serveHelp,
		Args:  cobra.NoArgs,
		RunE:  a.serve,
	}
	settings.Register(c.Flags(), settings.Serve)
	return c
}

func (a *app) serve(c *cobra.Command, _ []string) error {
	v, err := a.settings(c)
	if err != nil {
		return err
	}
	if err := v.CheckNode(); err != nil {
		return usagef("%w", err)
	}
	nv := v.Node()
	alerts, err := alertsOf(nv.Alerts)
	if err != nil {
		return err
	}
	memory := limitMemory(a.env("GOMEMLIMIT"))
	log := newLogger(a.stderr, nv.LogLevel, nv.LogFormat, a.errTerminal)
	admin, err := startAdmin(nv.Admin)
	if err != nil {
		return err
	}
	defer admin.close()
	cfg := node.Config{Name: nv.Node, Data: nv.Data, HTTP: nv.HTTP, Raft: nv.Raft,
		Join: nv.Join, Version: buildInfo().Version, Logger: log.Logger, StopTimeout: nv.StopTimeout,
		TLS:      node.TLS{Cert: nv.PeerCert, Key: nv.PeerKey, Pins: nv.PeerPins},
		DiskWarn: diskMark(nv.Disk.Warn), DiskMin: diskMark(nv.Disk.Min), Ballast: nv.Disk.Ballast,
		SkipEntries:     nv.SkipEntries, // auto is theirs to say
		LogSegmentBytes: int(max(0, nv.Segment)), CheckpointBytes: max(0, nv.Checkpoint),
		Alerts: alerts, Private: nv.Private, Speed: nv.Speed,
		OpenLoopback: nv.Open}
	if !nv.Secrets.Anywhere {
		cfg.Vault = &connections.Vault{Folder: nv.Secrets.Folder}
	}
	for _, p := range nv.Peers {
		cfg.Peers = append(cfg.Peers, node.Peer{Name: p.Node, Raft: p.Raft})
	}
	n, err := node.Start(c.Context(), cfg)
	if errors.Is(err, context.Canceled) {
		return nil // told to stop before it was ready
	}
	if err != nil {
		err = stopped(err)
		a.tell(err)
		log.release()
		return &statusError{code: statusOf(err), err: err, silent: true}
	}
	fmt.Fprintf(a.stderr, "holdfast ready http=%s node=%s\n", n.Addr(), nv.Node)
	log.release()
	log.Info("serving", "node", nv.Node, "http", n.Addr(), "raft", n.Raft(), "data", nv.Data,
		"peers", len(nv.Peers), "admin", admin.addr(), "version", cfg.Version, "memory_limit", memory)
	select {
	case <-n.Died():
		err := n.Err()
		_ = n.Close() // it is over; what matters is why
		return stopped(err)
	case <-c.Context().Done():
	}
	if a.unsignal != nil {
		a.unsignal() // the next signal ends the process at once
	}
	log.Info("stopping")
	if err := n.Close(); err != nil {
		return stopped(fmt.Errorf("stop: %w", err))
	}
	log.Info("stopped")
	return nil
}

// diskMark is a setting of free space as the store takes it: there 0 is the default, and the mark that
// no disk is below is one byte.
func diskMark(bytes int64) int64 {
	if bytes < 0 {
		return 0
	}
	return max(bytes, 1)
}

// stopped gives the error of a node its exit status.
func stopped(err error) error {
	var why *node.StopError
	if errors.As(err, &why) && why.Final {
		return &statusError{code: exitData, err: err}
	}
	return &statusError{code: exitFailure, err: err}
}
