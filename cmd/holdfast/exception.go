package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/adapters/exceptions"
	"holdfast/cmd/internal/client"
)

// exceptionFlags say which exceptions are meant.
type exceptionFlags struct {
	state, class, code, connection, flow, key string
}

func (f *exceptionFlags) register(c *cobra.Command, state string) {
	c.Flags().StringVar(&f.state, "state", state, "open, retrying or resolved; empty is all")
	c.Flags().StringVar(&f.class, "class", "",
		"transient, limit, auth, data, stock, conflict or bug")
	c.Flags().StringVar(&f.code, "code", "", "such as unmapped-sku")
	c.Flags().StringVar(&f.connection, "connection", "", "of that connection")
	c.Flags().StringVar(&f.flow, "flow", "", "of that flow, such as F3")
	c.Flags().StringVar(&f.key, "about", "", "of that order, slot or SKU")
}

// members are the filter as the interface has it, without what is not given.
func (f *exceptionFlags) members() map[string]string {
	all := map[string]string{"state": f.state, "class": f.class, "code": f.code,
		"connection": f.connection, "flow": f.flow, "key": f.key}
	for name, value := range all {
		if value == "" {
			delete(all, name)
		}
	}
	return all
}

func (a *app) exceptionCommand() *cobra.Command {
	return group("exception", "See and clear what a person must look at", a.exceptionList(),
		a.exceptionGet(), a.exceptionAct("retry"), a.exceptionAct("resolve"))
}

// exceptionPage is a page of GET /v1/exceptions.
type exceptionPage struct {
	Items []client.Exception `json:"items"`
	Next  string             `json:"next"`
}

func (a *app) exceptionList() *cobra.Command {
	var f exceptionFlags
	var limit int
	c := &cobra.Command{
		Use:   "list",
		Short: "List exceptions, the open ones unless told otherwise",
		Args:  cobra.NoArgs,
	}
	f.register(c, "open")
	c.Flags().IntVar(&limit, "limit", 1000, "at most so many")
	return a.asks(c, func(ctx context.Context, s session, _ []string) error {
		list, err := s.exceptions(ctx, &f, limit)
		if err != nil {
			return err
		}
		if s.out.form == "json" {
			return s.out.json(list)
		}
		var rows [][]any
		for _, e := range list {
			rows = append(rows, []any{e.ID, e.State, e.Class, e.Code, e.Flow, e.Connection, e.Key, e.Tries,
				e.LastAt.Format("2006-01-02T15:04:05Z07:00"), e.Detail})
		}
		return s.out.rows([]string{"id", "state", "class", "code", "flow", "connection", "key", "tries",
			"last_at", "detail"}, rows)
	})
}

// exceptions reads page after page, up to limit items.
func (s session) exceptions(ctx context.Context, f *exceptionFlags, limit int) (
	[]client.Exception, error) {
	list := []client.Exception{}
	query := url.Values{}
	for name, value := range f.members() {
		query.Set(name, value)
	}
	for {
		query.Set("limit", fmt.Sprint(max(1, min(limit-len(list), 1000))))
		var page exceptionPage
		_, err := s.client.Do(ctx, client.Call{Path: "/v1/exceptions", Query: query}, &page)
		if err != nil {
			return nil, err
		}
		list = append(list, page.Items...)
		if page.Next == "" || len(list) >= limit {
			return list, nil
		}
		query.Set("after", page.Next)
	}
}

func (a *app) exceptionGet() *cobra.Command {
	return a.asks(&cobra.Command{
		Use:   "get ID",
		Short: "Show an exception with its payload",
		Args:  one("ID"),
	}, func(ctx context.Context, s session, args []string) error {
		var e client.Exception
		_, err := s.client.Do(ctx, client.Call{Path: "/v1/exceptions/" + client.Segment(args[0])}, &e)
		if err != nil {
			return err
		}
		return s.showException(e)
	})
}

func (s session) showException(e client.Exception) error {
	if s.out.form == "json" {
		return s.out.json(e)
	}
	rows := [][]any{{"id", e.ID}, {"state", e.State}, {"class", e.Class}, {"code", e.Code},
		{"flow", e.Flow}, {"connection", e.Connection}, {"key", e.Key}, {"task", e.Task},
		{"tries", e.Tries}, {"detail", e.Detail}, {"payload", string(e.Payload)}, {"note", e.Note}}
	return s.out.rows([]string{"field", "value"}, rows)
}

const actHelp = `Acts on the exceptions of the IDs, or with --all on every one that the filter takes,
up to 1,000 in one run. Each stands on its own; the status is that of a conflict when one of them was
refused.`

// exceptionAct is retry or resolve.
func (a *app) exceptionAct(action string) *cobra.Command {
	var f exceptionFlags
	var note, payload string
	var body remedyBody
	var all bool
	short := map[string]string{"retry": "Run the tasks of exceptions again",
		"resolve": "Close exceptions; their tasks are not tried again"}[action]
	c := &cobra.Command{Use: action + " [ID…]", Short: short, Long: actHelp,
		Args: cobra.ArbitraryArgs}
	f.register(c, "open")
	c.Flags().StringVar(&note, "note", "", "a note that is kept with it")
	c.Flags().BoolVar(&all, "all", false, "all that the filter takes")
	if action == "retry" {
		c.Flags().StringVar(&payload, "payload", "",
			"file with another payload in JSON, - for standard input; for one ID")
	} else {
		body.register(c)
	}
	return a.asks(c, func(ctx context.Context, s session, ids []string) error {
		switch {
		case all == (len(ids) > 0):
			return usagef("exception %s needs IDs, or --all with a filter", action)
		case payload != "" && len(ids) != 1:
			return usagef("--payload is for one ID")
		case body != (remedyBody{}) && len(ids) != 1:
			return usagef("--action is for one ID")
		case len(ids) == 1:
			return s.actOnOne(ctx, action, ids[0], actBody{Note: note, remedyBody: body}, payload)
		}
		many := bulkInput{Action: action, IDs: ids, Note: note}
		if all {
			many.Filter = f.members()
		}
		return s.actOnMany(ctx, many)
	})
}

// actBody is the body of POST /v1/exceptions/{id}/retry and /resolve.
type actBody struct {
	Payload json.RawMessage `json:"payload,omitempty"`
	Note    string          `json:"note,omitempty"`
	remedyBody
}

// remedyBody is what a resolve has done to the order of an exception.
type remedyBody struct {
	Action   string `json:"action,omitempty"`
	Location string `json:"location,omitempty"`
	SKU      string `json:"sku,omitempty"`
	With     string `json:"with,omitempty"`
}

func (b *remedyBody) register(c *cobra.Command) {
	c.Flags().StringVar(&b.Action, "action", "",
		"what is done to its order before: "+strings.Join(exceptions.Remedies(), ", ")+"; for one ID")
	c.Flags().StringVar(&b.Location, "location", "", "of move and substitute: from where it leaves")
	c.Flags().StringVar(&b.SKU, "sku", "", "of substitute: the SKU that is short")
	c.Flags().StringVar(&b.With, "with", "", "of substitute: the SKU that leaves in its place")
}

// bulkInput is the body of POST /v1/exceptions/bulk.
type bulkInput struct {
	Action string            `json:"action"`
	IDs    []string          `json:"ids,omitempty"`
	Filter map[string]string `json:"filter,omitempty"`
	Note   string            `json:"note,omitempty"`
}

func (s session) actOnOne(ctx context.Context, action, id string, body actBody, file string) error {
	if file != "" {
		text, err := s.readPayload(file)
		if err != nil {
			return err
		}
		body.Payload = text
	}
	var e client.Exception
	_, err := s.client.Do(ctx, client.Call{Method: "POST", Body: body,
		Path: "/v1/exceptions/" + client.Segment(id) + "/" + action}, &e)
	if err != nil {
		return err
	}
	return s.showException(e)
}

// maxPayloadFile bounds what is read: the server takes 64 KiB.
const maxPayloadFile = 64 << 10

func (s session) readPayload(file string) (json.RawMessage, error) {
	in := s.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, usagef("payload: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxPayloadFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the payload: %w", err)
	}
	if len(text) > maxPayloadFile || !json.Valid(text) {
		return nil, usagef("the payload must be JSON of at most %d bytes", maxPayloadFile)
	}
	return text, nil
}

func (s session) actOnMany(ctx context.Context, body bulkInput) error {
	var result struct {
		Items []struct {
			ID     string `json:"id"`
			Status int    `json:"status"`
			State  string `json:"state"`
			Code   string `json:"code"`
			Detail string `json:"detail"`
		} `json:"items"`
		More bool `json:"more"`
	}
	reply, err := s.client.Do(ctx, client.Call{Method: "POST", Path: "/v1/exceptions/bulk",
		Body: body}, &result)
	if err != nil {
		return err
	}
	refused := 0
	var rows [][]any
	for _, i := range result.Items {
		if i.Status >= 400 {
			refused++
		}
		rows = append(rows, []any{i.ID, i.Status, i.State, i.Code, i.Detail})
	}
	if s.out.form == "json" {
		err = s.out.json(rawJSON(reply.Body))
	} else {
		err = s.out.rows([]string{"id", "status", "state", "code", "detail"}, rows)
	}
	if err != nil {
		return err
	}
	if result.More {
		s.out.line("the filter takes others too: run it again")
	}
	if refused > 0 {
		return &statusError{code: exitRefused, err: fmt.Errorf("%d of %d were refused", refused,
			len(result.Items))}
	}
	return nil
}
