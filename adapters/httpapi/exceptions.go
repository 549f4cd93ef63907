package httpapi

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"holdfast/adapters/exceptions"
)

func exceptionRoutes() []*route {
	return []*route{
		get("/v1/exceptions", listExceptions, "state", "class", "code", "connection", "flow", "key",
			"after", "limit"),
		get("/v1/exceptions/{id}", getException),
		write("POST", "/v1/exceptions/{id}/retry", actOnException(exceptions.ActRetry), recordBytes,
			"record-bytes"),
		write("POST", "/v1/exceptions/{id}/resolve", actOnException(exceptions.ActResolve), recordBytes,
			"record-bytes"),
		write("POST", "/v1/exceptions/bulk", postBulk, recordBytes, "record-bytes"),
	}
}

type retryBody struct {
	Payload json.RawMessage `json:"payload"`
	Note    string          `json:"note"`
}

// resolveBody closes an exception; action says what is done to its order before.
type resolveBody struct {
	Note     string `json:"note"`
	Action   string `json:"action"`
	Location string `json:"location"`
	SKU      string `json:"sku"`
	With     string `json:"with"`
}

// remedy checks what is to be done to the order.
func (in *resolveBody) remedy() (r exceptions.Remedy, err error) {
	if in.Action == "" {
		for _, m := range []struct{ name, value string }{
			{"location", in.Location}, {"sku", in.SKU}, {"with", in.With},
		} {
			if m.value != "" {
				return r, invalid(m.name, "is for an action")
			}
		}
		return r, nil
	}
	if !slices.Contains(exceptions.Remedies(), in.Action) {
		return r, invalid("action", "must be one of "+strings.Join(exceptions.Remedies(), ", "))
	}
	for _, m := range []struct {
		name, value string
		rule        func(string) string
		of          string // the action that must have it
	}{{"location", in.Location, idRule, exceptions.ActMove}, {"sku", in.SKU, skuRule, ""},
		{"with", in.With, skuRule, exceptions.ActSubstitute}} {
		if m.value == "" {
			if in.Action == m.of {
				return r, invalid(m.name, "is required for "+m.of)
			}
			continue
		}
		if must := m.rule(m.value); must != "" {
			return r, invalid(m.name, must)
		}
	}
	return exceptions.Remedy{Do: in.Action, Location: in.Location, SKU: in.SKU, With: in.With}, nil
}

type bulkBody struct {
	Action string     `json:"action"`
	IDs    []string   `json:"ids"`
	Filter filterBody `json:"filter"`
	Note   string     `json:"note"`
}

type filterBody struct {
	State      string `json:"state"`
	Class      string `json:"class"`
	Code       string `json:"code"`
	Connection string `json:"connection"`
	Flow       string `json:"flow"`
	Key        string `json:"key"`
}

func (c *call) exceptions() (Exceptions, error) {
	if c.s.cfg.Exceptions == nil {
		return nil, newProblem(codeNotFound, "This server has no exceptions.")
	}
	return c.s.cfg.Exceptions, nil
}

// filter checks the words that have a list; at is put in front of the member that is to blame.
func (in *filterBody) filter(at string) (exceptions.Filter, error) {
	f := exceptions.Filter{Class: exceptions.Class(in.Class), Code: in.Code,
		Connection: in.Connection, Flow: in.Flow, Key: in.Key}
	if in.State != "" {
		if f.State = exceptions.StateOf(in.State); f.State == 0 {
			return f, invalid(at+"state", "must be one of open, retrying, resolved")
		}
	}
	if in.Class != "" && !slices.Contains(exceptions.Classes(), f.Class) {
		var words []string
		for _, class := range exceptions.Classes() {
			words = append(words, string(class))
		}
		return f, invalid(at+"class", "must be one of "+strings.Join(words, ", "))
	}
	return f, nil
}

func listExceptions(c *call) error {
	port, err := c.exceptions()
	if err != nil {
		return err
	}
	var in filterBody
	for _, q := range []struct {
		name string
		to   *string
	}{{"state", &in.State}, {"class", &in.Class}, {"code", &in.Code},
		{"connection", &in.Connection}, {"flow", &in.Flow}, {"key", &in.Key}} {
		if *q.to, err = c.query(q.name, skuRule); err != nil {
			return err
		}
	}
	f, err := in.filter("")
	if err != nil {
		return err
	}
	after, limit, err := c.textPage()
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	ctx, cancel := c.waits()
	defer cancel()
	list, next, err := port.List(ctx, f, after, limit)
	if err != nil {
		return syncProblem(err, false)
	}
	return c.replyJSON(200, pageOf(list, next))
}

func getException(c *call) error {
	port, err := c.exceptions()
	if err != nil {
		return err
	}
	id, err := c.id()
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	ctx, cancel := c.waits()
	defer cancel()
	e, err := port.Get(ctx, id)
	if err != nil {
		return syncProblem(err, false)
	}
	return c.replyJSON(200, e)
}

// actOnException is the handler of one action.
func actOnException(action string) func(*call) error {
	return func(c *call) error {
		port, err := c.exceptions()
		if err != nil {
			return err
		}
		id, err := c.id()
		if err != nil {
			return err
		}
		text, err := c.body(true)
		if err != nil {
			return err
		}
		var in retryBody
		var remedy exceptions.Remedy
		if action == exceptions.ActRetry {
			err = decodeDocument(text, &in)
		} else {
			var plain resolveBody
			if err = decodeDocument(text, &plain); err == nil {
				remedy, err = plain.remedy()
			}
			in.Note = plain.Note
		}
		if err == nil {
			err = noteOf(in.Note)
		}
		if err != nil {
			return err
		}
		ctx, cancel := c.waits()
		defer cancel()
		e, o, err := port.Do(ctx, exceptions.Act{ID: id, Do: action, Payload: given(in.Payload),
			Note: in.Note, Remedy: remedy, By: c.principal, Key: c.key})
		if err != nil {
			return syncProblem(err, true)
		}
		c.agreed(o)
		return c.replyJSON(200, e)
	}
}

func noteOf(note string) error {
	if len(note) > exceptions.MaxNote {
		return invalid("note", "may have at most "+strconv.Itoa(exceptions.MaxNote)+" bytes")
	}
	return nil
}

// bulkItem is what became of one exception.
type bulkItem struct {
	ID     string `json:"id"`
	Status int    `json:"status"`
	State  string `json:"state,omitempty"`
	Code   string `json:"code,omitempty"`
	Detail string `json:"detail,omitempty"`
}

func postBulk(c *call) error {
	port, err := c.exceptions()
	if err != nil {
		return err
	}
	text, err := c.body(false)
	if err != nil {
		return err
	}
	var in bulkBody
	if err := decodeDocument(text, &in); err != nil {
		return err
	}
	f, err := in.Filter.filter("filter.")
	switch {
	case err != nil:
	case in.Action != exceptions.ActRetry && in.Action != exceptions.ActResolve:
		err = invalid("action", "must be one of retry, resolve")
	case len(in.IDs) > 0 && in.Filter != (filterBody{}):
		err = invalid("filter", "must not be given beside ids")
	case len(in.IDs) == 0 && in.Filter == (filterBody{}):
		err = invalid("ids", "must be given, or filter")
	case len(in.IDs) > exceptions.MaxBulk:
		err = tooLarge("ids", "bulk-exceptions", exceptions.MaxBulk)
	default:
		err = noteOf(in.Note)
	}
	if err != nil {
		return err
	}
	ctx, cancel := c.waits()
	defer cancel()
	items := []bulkItem{}
	act := exceptions.Act{Do: in.Action, Note: in.Note, By: c.principal, Key: c.key}
	more, err := port.Bulk(ctx, act, exceptions.Selection{IDs: in.IDs, Filter: f},
		func(id string, e exceptions.Exception, err error) {
			item := bulkItem{ID: id, Status: 200, State: e.State.String()}
			if err != nil {
				var p *problem
				errors.As(syncProblem(err, true), &p)
				item = bulkItem{ID: id, Status: p.httpStatus(), Code: p.code, Detail: p.detail}
			}
			items = append(items, item)
		})
	if err != nil {
		return syncProblem(err, true)
	}
	return c.replyJSON(200, struct {
		Items []bulkItem `json:"items"`
		More  bool       `json:"more"`
	}{items, more})
}
