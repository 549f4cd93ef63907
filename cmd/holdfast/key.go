package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/client"
)

const keyHelp = `API keys say who may call. While none was ever made only loopback is served, without
a key; from the first one on every call needs one, on loopback too. The first must be an admin's:

  holdfast key create operator --role admin

A role may also do what the ones before it may: read looks, write moves stock, sells and works on
orders and exceptions, admin has keys, members, backups and connections. Give the key to the other
commands with --key file:/path or in HOLDFAST_KEY.`

func (a *app) keyCommand() *cobra.Command {
	c := group("key", "Make and revoke API keys", a.keyCreate(),
		a.asks(&cobra.Command{
			Use:   "list",
			Short: "List the keys; revoked ones for 90 days",
			Args:  cobra.NoArgs,
		}, keyList),
		a.asks(&cobra.Command{
			Use:   "revoke ID",
			Short: "End a key, at once and for ever",
			Long: "Ends a key on every node, its open streams too. Revoking it again does nothing. The last\n" +
				"live key of an admin is refused: make another one first.",
			Args: one("ID"),
		}, keyRevoke))
	c.Long = keyHelp
	return c
}

// apiKey is a key as the interface shows it.
type apiKey struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Role      string     `json:"role"`
	PerSecond int64      `json:"per_second,omitempty"`
	State     string     `json:"state"`
	CreatedAt time.Time  `json:"created_at"`
	CreatedBy string     `json:"created_by"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	RevokedBy string     `json:"revoked_by,omitempty"`
	Key       string     `json:"key,omitempty"` // once, when it is made
}

// keyAsk is the body of POST /v1/keys.
type keyAsk struct {
	Name      string `json:"name"`
	Role      string `json:"role"`
	PerSecond int64  `json:"per_second,omitempty"`
}

func (a *app) keyCreate() *cobra.Command {
	var ask keyAsk
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a key; it is shown this once",
		Long: "Makes a key and prints it. It is kept nowhere: who loses it makes another one. With -o csv\n" +
			"the key alone is printed, for a script.",
		Args: one("NAME"),
	}
	c.Flags().StringVar(&ask.Role, "role", "", "read, write or admin")
	c.Flags().Int64Var(&ask.PerSecond, "per-second", 0,
		"most requests a second on each node; 0 is no limit")
	return a.asks(c, func(ctx context.Context, s session, args []string) error {
		if ask.Role == "" {
			return usagef("key create needs --role read, write or admin")
		}
		ask.Name = args[0]
		var k apiKey
		_, err := s.client.Do(ctx, client.Call{Method: "POST", Path: "/v1/keys", Body: ask}, &k)
		switch {
		case err != nil:
			return err
		case s.out.form == "json":
			return s.out.json(k)
		case s.out.form == "csv":
			_, err := fmt.Fprintln(s.out.w, k.Key)
			return err
		}
		s.out.line("%s", k.Key)
		s.out.line("key %s, %s, role %s. Keep it now: it is not shown again.", k.ID, k.Name, k.Role)
		return nil
	})
}

func keyList(ctx context.Context, s session, _ []string) error {
	all := []apiKey{}
	query := url.Values{"limit": {"1000"}}
	for {
		var page client.Page
		_, err := s.client.Do(ctx, client.Call{Path: "/v1/keys", Query: query}, &page)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			var k apiKey
			if err := json.Unmarshal(item, &k); err != nil {
				return fmt.Errorf("read an API key: %w", err)
			}
			all = append(all, k)
		}
		if page.Next == "" {
			break
		}
		query.Set("after", page.Next)
	}
	return printKeys(s.out, all)
}

func printKeys(out printer, all []apiKey) error {
	if out.form == "json" {
		return out.json(all)
	}
	var rows [][]any
	for _, k := range all {
		limit := ""
		if k.PerSecond > 0 {
			limit = fmt.Sprint(k.PerSecond)
		}
		rows = append(rows, []any{k.ID, k.Name, k.Role, mark{k.State, k.State != "live"}, limit,
			k.CreatedAt.Format(time.RFC3339), k.CreatedBy, k.RevokedBy})
	}
	return out.rows([]string{"id", "name", "role", "state", "per_second", "created_at", "created_by",
		"revoked_by"}, rows)
}

func keyRevoke(ctx context.Context, s session, args []string) error {
	var k apiKey
	_, err := s.client.Do(ctx, client.Call{Method: "DELETE",
		Path: "/v1/keys/" + client.Segment(args[0])}, &k)
	if err != nil {
		return err
	}
	if s.out.form == "json" {
		return s.out.json(k)
	}
	return printKeys(s.out, []apiKey{k})
}
