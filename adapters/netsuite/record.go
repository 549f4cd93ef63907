package netsuite

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// The types of records that this package works with, as a URL has them.
const (
	SalesOrder          = "salesOrder"
	ItemFulfillment     = "itemFulfillment"
	ReturnAuthorization = "returnAuthorization"
	ItemReceipt         = "itemReceipt"
	CreditMemo          = "creditMemo"
	CashRefund          = "cashRefund"
	InventoryAdjustment = "inventoryAdjustment"
	InventoryTransfer   = "inventoryTransfer"
	Customer            = "customer"
)

const recordPath = "/services/rest/record/v1/"

// Ref names a record by its internal id, or by its external id.
type Ref struct {
	ID       int64
	External string
}

// segment is the ref in a URL. It fails for one that names nothing, or has bytes that NetSuite would
// read as something else.
func (r Ref) segment() (string, error) {
	switch {
	case r.ID > 0:
		return strconv.FormatInt(r.ID, 10), nil
	case urlSafe(r.External):
		return "eid:" + r.External, nil
	}
	return "", refused(codePayload, "%q is no external id that a URL can have", r.External)
}

// path is that of a record; kind is a constant of ours.
func (r Ref) path(kind string) (string, error) {
	s, err := r.segment()
	return recordPath + kind + "/" + s, err
}

// Create makes a record and returns its internal id. It is sent once: a Fault with Unknown says that it
// may be there all the same. [Client.Make] is for what must be there once. It fails with a Fault, or
// with ctx's error.
func (c *Client) Create(ctx context.Context, flow, kind string, body any) (int64, error) {
	a, err := c.do(ctx, call{flow: flow, name: kind + ".create", kind: once,
		method: http.MethodPost, path: recordPath + kind, body: body})
	if err != nil {
		return 0, err
	}
	return a.made(kind)
}

// Read reads fields of a record into out; no fields are all of its body. It fails with a Fault, of the
// code not-found when the record is not there.
func (c *Client) Read(ctx context.Context, flow, kind string, at Ref, read Fields) error {
	path, err := at.path(kind)
	if err != nil {
		return err
	}
	q := url.Values{}
	if len(read.Names) > 0 {
		q.Set("fields", strings.Join(read.Names, ","))
	}
	if read.Whole {
		q.Set("expandSubResources", "true")
	}
	a, err := c.do(ctx, call{flow: flow, name: kind + ".read", method: http.MethodGet, path: path,
		query: q})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(a.body, read.Into); err != nil {
		return &Fault{code: codeAnswer, class: classBug, detail: kind + ".read", cause: err}
	}
	return nil
}

// Fields says what is read of a record: some fields, or with Whole its sublists too. NetSuite takes one
// of both only.
type Fields struct {
	Names []string
	Whole bool
	Into  any
}

// Update changes fields of a record; a null deletes one. Sublists that are named in replace become what
// the body has; of others the lines of the body are added or, with their key, changed. It may be sent
// twice, so a body must not add lines but by replace. It fails with a Fault.
func (c *Client) Update(ctx context.Context, flow, kind string, at Ref, body any,
	replace ...string) error {
	path, err := at.path(kind)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, call{flow: flow, name: kind + ".update", kind: repeats,
		method: http.MethodPatch, path: path, query: replaced(replace), body: body})
	return err
}

func replaced(sublists []string) url.Values {
	if len(sublists) == 0 {
		return nil
	}
	return url.Values{"replace": {strings.Join(sublists, ",")}}
}

// Upsert makes the record of an external id, or makes it what the body says: every sublist of the body
// must be named in replace, because NetSuite adds lines otherwise and a second try would double them. It
// returns the internal id, 0 where NetSuite does not tell it. It fails with a Fault.
func (c *Client) Upsert(ctx context.Context, flow, kind, externalID string, body any,
	replace ...string) (int64, error) {
	path, err := Ref{External: externalID}.path(kind)
	if err != nil {
		return 0, err
	}
	a, err := c.do(ctx, call{flow: flow, name: kind + ".upsert", kind: repeats,
		method: http.MethodPut, path: path, query: replaced(replace), body: body})
	if err != nil || a.location == "" {
		return 0, err
	}
	return a.made(kind)
}

// Transform makes a record of another one, such as an itemFulfillment of a salesOrder, and returns its
// internal id. It is sent once: a Fault with Unknown says that it may be there all the same. It fails
// with a Fault, or with ctx's error.
func (c *Client) Transform(ctx context.Context, flow string, from Transformed, body any) (int64, error) {
	path := recordPath + from.Kind + "/" + strconv.FormatInt(from.ID, 10) + "/!transform/" + from.To
	a, err := c.do(ctx, call{flow: flow, name: from.Kind + ".transform." + from.To, kind: once,
		method: http.MethodPost, path: path, query: replaced(from.Replace), body: body})
	if err != nil {
		return 0, err
	}
	return a.made(from.To)
}

// Transformed says what is made of what. NetSuite documents an internal id here, and no external one.
type Transformed struct {
	Kind string
	ID   int64
	To   string
	// Replace are sublists of which the body is all ◊: without it NetSuite adds the lines that it would
	// have taken by itself.
	Replace []string
}

// Delete deletes a record. One that is not there is no failure: it may have been deleted by a try whose
// answer was lost. It fails with a Fault.
func (c *Client) Delete(ctx context.Context, flow, kind string, at Ref) error {
	path, err := at.path(kind)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, call{flow: flow, name: kind + ".delete", kind: repeats,
		method: http.MethodDelete, path: path})
	if codeOf(err) == codeGone {
		return nil
	}
	return err
}

// made is the internal id at the end of the address of a new record. An answer without one leaves the
// outcome unknown: the record is looked for by its external id.
func (a answer) made(kind string) (int64, error) {
	_, tail, ok := cutLast(a.location, "/")
	id, err := strconv.ParseInt(tail, 10, 64)
	if !ok || err != nil || id <= 0 {
		return 0, &Fault{code: codeAnswer, class: classTransient, retryable: true, unknown: true,
			detail: kind + ": the answer does not say which record was made",
			cause:  errors.New(strconv.Quote(cut(plain(a.location))))}
	}
	return id, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
