package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/client"
)

func (a *app) clusterCommand() *cobra.Command {
	return group("cluster", "See the cluster, and change who its members are", a.asks(&cobra.Command{
		Use:   "status",
		Short: "Show leader, members, lag and digest",
		Long: "Shows the cluster as the asked node sees it. Ends with status 1 when it has no\n" +
			"leader, when a member is unhealthy or when the members' states differ.",
		Args: cobra.NoArgs,
	}, clusterStatus), a.clusterAdd(), a.clusterRemove(), a.clusterTransfer(), a.clusterRecover(),
		a.clusterFreeBallast(), a.certificateCommand())
}

func clusterStatus(ctx context.Context, s session, _ []string) error {
	var c client.Cluster
	reply, err := s.client.Do(ctx, client.Call{Path: "/v1/cluster"}, &c)
	if err != nil {
		return err
	}
	if s.out.form == "json" {
		err = s.out.json(rawJSON(reply.Body))
	} else {
		err = printCluster(s.out, c)
	}
	if err != nil {
		return err
	}
	return unwell(c)
}

func printCluster(out printer, c client.Cluster) error {
	leader := c.Leader
	if leader == "" {
		leader = "none"
	}
	out.line("node %s · leader %s · term %d · index %d", c.Node, leader, c.Term, c.Index)
	if len(c.Members) == 0 {
		return nil // it knows of nobody yet
	}
	var rows [][]any
	for _, m := range c.Members {
		role, health := "non-voter", mark{text: "healthy"}
		if m.Voter {
			role = "voter"
		}
		if m.ID == c.Leader {
			role = "leader"
		}
		if !m.Healthy {
			health = mark{text: "unhealthy", bad: true}
		}
		rows = append(rows, []any{m.ID, role, health, m.Lag, m.Raft, m.HTTP})
	}
	head := []string{"member", "role", "health", "lag", "raft", "http"}
	if err := out.rows(head, rows); err != nil {
		return err
	}
	if c.Digest.Index > 0 {
		state := "equal on all members"
		if c.Digest.Diverged {
			state = "DIFFERENT between members"
		}
		out.line("digest %s at index %d, %s", c.Digest.Value, c.Digest.Index, state)
	}
	return nil
}

// unwell is the error of a cluster that needs somebody, or nil.
func unwell(c client.Cluster) error {
	switch {
	case c.Digest.Diverged:
		return fmt.Errorf("the members' states differ at index %d: stop writing and see the logs",
			c.Digest.Index)
	case c.Leader == "" && c.Waiting != "":
		return fmt.Errorf("the cluster has no leader as node %s sees it: %s", c.Node, c.Waiting)
	case c.Leader == "":
		return fmt.Errorf("the cluster has no leader: a majority of its members must run and " +
			"reach each other")
	}
	for _, m := range c.Members {
		if !m.Healthy {
			return fmt.Errorf("member %s is unhealthy: see its log, and whether %s can be reached",
				m.ID, m.Raft)
		}
	}
	return nil
}
