package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/node"
	"holdfast/cmd/internal/settings"
)

// memberInput is the body of POST /v1/cluster/members.
type memberInput struct {
	ID      string `json:"id"`
	Raft    string `json:"raft,omitempty"`
	Recover bool   `json:"recover,omitempty"`
}

func (a *app) clusterAdd() *cobra.Command {
	return a.asks(&cobra.Command{
		Use:   "add NAME=HOST:PORT",
		Short: "Make a node a member",
		Long: "Makes a node a member, reached by the others at HOST:PORT, its raft address. It begins\n" +
			"without a vote and gets it when it has caught up. The node itself runs with `holdfast serve\n" +
			"--node NAME --join ADDRESSES`, from before or from later on.",
		Args: one("NAME=HOST:PORT"),
	}, func(ctx context.Context, s session, args []string) error {
		name, addr, ok := strings.Cut(args[0], "=")
		if !ok {
			return usagef("%q must be NAME=HOST:PORT such as n4=10.0.0.4:7481", args[0])
		}
		return s.changeMembers(ctx, client.Call{Method: "POST", Path: "/v1/cluster/members",
			Body: memberInput{ID: name, Raft: addr}})
	})
}

func (a *app) clusterRemove() *cobra.Command {
	return a.asks(&cobra.Command{
		Use:   "remove NAME",
		Short: "End a membership",
		Long: "Ends the membership of a node; a leader hands over first. The node itself goes on running\n" +
			"and answers 503: stop it. Its name can come back with its folder, or with `cluster recover`.",
		Args: one("NAME"),
	}, func(ctx context.Context, s session, args []string) error {
		return s.changeMembers(ctx, client.Call{Method: "DELETE",
			Path: "/v1/cluster/members/" + url.PathEscape(args[0])})
	})
}

func (a *app) clusterTransfer() *cobra.Command {
	return a.asks(&cobra.Command{
		Use:   "transfer [NAME]",
		Short: "Make another member the leader",
		Long: "Makes the member NAME the leader, or the one that is best fit for it. Writes wait for a\n" +
			"few milliseconds.",
		Args: cobra.MaximumNArgs(1),
	}, func(ctx context.Context, s session, args []string) error {
		body := map[string]string{}
		if len(args) == 1 {
			body["to"] = args[0]
		}
		return s.changeMembers(ctx, client.Call{Method: "POST", Path: "/v1/cluster/transfer", Body: body})
	})
}

// changeMembers makes a change and shows the cluster as it is then.
func (s session) changeMembers(ctx context.Context, call client.Call) error {
	var c client.Cluster
	reply, err := s.client.Do(ctx, call, &c)
	if err != nil {
		return err
	}
	if s.out.form == "json" {
		return s.out.json(rawJSON(reply.Body))
	}
	return printCluster(s.out, c)
}

const recoverHelp = `Brings a node back whose disk is lost or whose data folder is damaged. Run it on
the node's machine, while the node is stopped, with the settings of its serve (--node, --data, or
--config FILE) and --server URL of another member:

  holdfast cluster recover --node n3 --data d3 --server http://127.0.0.1:7480
  holdfast serve --node n3 --data d3 --peers "$P"

The node begins anew under its name and the next incarnation: what it promised under the last one
cannot be told any more. What is in the folder is moved into lost-1, lost-2, … in it, all but the
file BALLAST, which is deleted; delete the rest when the node is well. Started again, the node
catches up without a vote and then gets it back. A second run does nothing more. Refused while the
node runs, and for a member that the others hear.`

func (a *app) clusterRecover() *cobra.Command {
	c := &cobra.Command{
		Use:   "recover",
		Short: "Bring a node back whose disk is lost",
		Long:  recoverHelp,
		Args:  cobra.NoArgs,
		RunE:  a.recover,
	}
	settings.Register(c.Flags(), settings.All)
	return c
}

func (a *app) recover(c *cobra.Command, _ []string) error {
	v, err := a.settings(c)
	if err != nil {
		return err
	}
	nv, cv := v.Node(), v.Client()
	key, err := cv.Key.Reveal()
	if err != nil {
		return usagef("key: %w", err)
	}
	cl := client.New(client.Config{Server: cv.Server, Key: key, Timeout: cv.Timeout})
	defer cl.Close()
	ask := func(ctx context.Context) (node.Recovery, error) {
		var answer client.Cluster
		_, err := cl.Do(ctx, client.Call{Method: "POST", Path: "/v1/cluster/members",
			Body: memberInput{ID: nv.Node, Raft: nv.Raft, Recover: true}}, &answer)
		if err != nil {
			return node.Recovery{}, err
		}
		r := answer.Recovery
		if r.Incarnation == 0 || r.ClusterID == "" {
			return node.Recovery{}, fmt.Errorf("%s keeps no incarnation for %s: is it of an older version?",
				cv.Server, nv.Node)
		}
		return node.Recovery{Incarnation: r.Incarnation, ClusterID: r.ClusterID}, nil
	}
	r, kept, err := node.Recover(c.Context(), nv.Node, nv.Data, ask)
	if err != nil {
		var stop *node.StopError
		if errors.As(err, &stop) {
			return stopped(err)
		}
		return err
	}
	return printRecovery(a.printer(cv.Output), recovered{Node: nv.Node, Incarnation: r.Incarnation,
		ClusterID: r.ClusterID, Data: nv.Data, Kept: kept})
}

// recovered is what a recovery did.
type recovered struct {
	Node        string `json:"node"`
	Incarnation uint64 `json:"incarnation"`
	ClusterID   string `json:"cluster_id"`
	Data        string `json:"data"`
	Kept        string `json:"kept"` // empty when nothing was to be kept
}

func printRecovery(out printer, r recovered) error {
	switch out.form {
	case "json":
		return out.json(r)
	case "csv":
		return out.csv([]string{"node", "incarnation", "cluster_id", "data", "kept"},
			[][]any{{r.Node, r.Incarnation, r.ClusterID, r.Data, r.Kept}})
	}
	out.line("%s begins anew as incarnation %d of cluster %s in %s", r.Node, r.Incarnation, r.ClusterID,
		r.Data)
	if r.Kept != "" {
		out.line("what was there is kept in %s", r.Kept)
	}
	out.line("start it as before: it catches up without a vote and gets it back then")
	return nil
}
