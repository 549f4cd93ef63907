package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/client"
)

const fieldsHelp = `A map of fields says how the fields of outside documents are filled that are the merchant's own:
for one connection and one kind of document, such as erp.order. Each field is a constant, a path into
the order, a look-up in a table, or an expression (CEL):

  {"fields":[
    {"to":"custbody_origin","constant":"holdfast"},
    {"to":"memo","cel":"order.name + (order.tags.exists(t, t == \"vip\") ? \" VIP\" : \"\")"},
    {"to":"shipmethod","lookup":{"table":"carrier","from":"order.carrier","column":"netsuite"}},
    {"to":"custcol_ref","per":"line","from":"line.ref"}]}

What would not work is refused when it is saved. Try it on a real order before.`

func (a *app) fieldsCommand() *cobra.Command {
	var revision int
	get := &cobra.Command{Use: "get CONNECTION DOCUMENT", Short: "Print a map as JSON",
		Args: cobra.ExactArgs(2)}
	get.Flags().IntVar(&revision, "revision", 0, "an earlier one; 0 is the one that counts")
	var order, file string
	try := &cobra.Command{Use: "try CONNECTION DOCUMENT", Short: "Fill the fields from one order; writes nothing",
		Long: "Fills the fields from an order and prints them, and what could not be filled. Ends with\n" +
			"status 1 when something could not.", Args: cobra.ExactArgs(2)}
	try.Flags().StringVar(&order, "order", "", "id of the order")
	try.Flags().StringVar(&file, "file", "", "a map that is not saved yet; else the saved one")
	c := group("fields", "See, try and save maps of fields",
		a.asks(get, func(ctx context.Context, s session, args []string) error {
			call := client.Call{Path: fieldsPath(args)}
			if revision > 0 {
				call.Query = map[string][]string{"revision": {fmt.Sprint(revision)}}
			}
			return s.printJSON(ctx, call)
		}),
		a.asks(try, func(ctx context.Context, s session, args []string) error {
			if order == "" {
				return usagef("fields try needs --order")
			}
			return s.tryFields(ctx, fieldsPath(args)+"/try", order, file)
		}),
		a.asks(&cobra.Command{Use: "set CONNECTION DOCUMENT FILE", Short: "Save a map; - is standard input",
			Args: cobra.ExactArgs(3)}, func(ctx context.Context, s session, args []string) error {
			return s.putJSON(ctx, fieldsPath(args), args[2])
		}))
	c.Long = fieldsHelp
	return c
}

func (a *app) tablesCommand() *cobra.Command {
	return group("tables", "See and save the tables that maps of fields look up in",
		a.asks(&cobra.Command{Use: "get", Short: "Print the tables as JSON", Args: cobra.NoArgs},
			func(ctx context.Context, s session, _ []string) error {
				return s.printJSON(ctx, client.Call{Path: "/v1/tables"})
			}),
		a.asks(&cobra.Command{Use: "set FILE", Short: "Save all tables; - is standard input", Args: one("FILE")},
			func(ctx context.Context, s session, args []string) error {
				return s.putJSON(ctx, "/v1/tables", args[0])
			}))
}

func fieldsPath(args []string) string {
	return "/v1/connections/" + client.Segment(args[0]) + "/fields/" + client.Segment(args[1])
}

// printJSON prints an answer as it is: what these commands show is edited and sent back.
func (s session) printJSON(ctx context.Context, call client.Call) error {
	reply, err := s.client.Do(ctx, call, nil)
	if err != nil {
		return err
	}
	return s.out.json(rawJSON(reply.Body))
}

// putJSON saves a file, against the version in it when it has one: so what was read with get, edited and
// sent back never overwrites what somebody else has saved in between.
func (s session) putJSON(ctx context.Context, path, file string) error {
	text, version, err := s.readDocument(file)
	if err != nil {
		return err
	}
	return s.printJSON(ctx, client.Call{Method: "PUT", Path: path, Body: text, Match: version})
}

// maxDocument bounds what is read of a file: the server takes 64 KiB.
const maxDocument = 64 << 10

// readDocument reads a file of JSON and its version as an ETag, "" when it has none.
func (s session) readDocument(file string) (text json.RawMessage, version string, err error) {
	in := s.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, "", usagef("%w", err)
		}
		defer f.Close()
		in = f
	}
	text, err = io.ReadAll(io.LimitReader(in, maxDocument+1))
	if err != nil {
		return nil, "", fmt.Errorf("read %s: %w", file, err)
	}
	var has struct {
		Version *uint64 `json:"version"`
	}
	if err := json.Unmarshal(text, &has); err != nil || len(text) > maxDocument {
		return nil, "", usagef("%s must be a JSON object of at most %d bytes", file, maxDocument)
	}
	if has.Version != nil {
		version = fmt.Sprintf("%q", fmt.Sprint(*has.Version))
	}
	return text, version, nil
}

func (s session) tryFields(ctx context.Context, path, order, file string) error {
	body := map[string]any{"order_id": order}
	if file != "" {
		text, _, err := s.readDocument(file)
		if err != nil {
			return err
		}
		var has struct {
			Fields json.RawMessage `json:"fields"`
		}
		if err := json.Unmarshal(text, &has); err != nil || has.Fields == nil {
			return usagef("%s must have fields", file)
		}
		body["fields"] = has.Fields
	}
	var tried struct {
		Faults []struct {
			Detail string `json:"detail"`
		} `json:"faults"`
	}
	reply, err := s.client.Do(ctx, client.Call{Method: "POST", Path: path, Body: body}, &tried)
	if err != nil {
		return err
	}
	if err := s.out.json(rawJSON(reply.Body)); err != nil {
		return err
	}
	if n := len(tried.Faults); n > 0 {
		return fmt.Errorf("%d fields could not be filled; the first: %s", n, tried.Faults[0].Detail)
	}
	return nil
}
