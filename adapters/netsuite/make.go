package netsuite

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
)

// Document is a record that must be there once.
type Document struct {
	Kind       string
	ExternalID string         // of [ExternalID]; it is put into the body
	Body       map[string]any // is not changed
	// From makes the document by transforming another record; nil: it is created.
	From *Transformed
	// Mark is a field of the body by which a record that is found is known to be ours, and not one of
	// another tool that uses the same external ids. Empty: the external id suffices.
	Mark string
}

// Made is a record that is there.
type Made struct {
	ID      int64
	Existed bool // it was there before this call, or an earlier try has made it
}

// Make has a document be there, once. doubt says that an earlier try may have made it: then it is looked
// for first. Without a doubt it is sent at once, because NetSuite itself refuses a second record of an
// external id; a refusal that may mean that, and an answer that was lost, are looked into.
//
// It fails with a Fault. One with Unknown says that the record may be there, or may still come: the next
// call must have doubt. One of the code external-id-taken says that another tool's record is in the way.
func (c *Client) Make(ctx context.Context, flow string, d Document, doubt bool) (Made, error) {
	if doubt {
		if m, ok, err := c.find(ctx, flow, &d); err != nil || ok {
			return m, uncertain(err)
		}
	}
	body := make(map[string]any, len(d.Body)+1)
	for k, v := range d.Body {
		body[k] = v
	}
	body["externalId"] = d.ExternalID
	var id int64
	var err error
	if d.From != nil {
		id, err = c.Transform(ctx, flow, *d.From, body)
	} else {
		id, err = c.Create(ctx, flow, d.Kind, body)
	}
	var f *Fault
	if err == nil || !errors.As(err, &f) || !f.unknown && !mayExist[f.code] {
		return Made{ID: id}, err
	}
	if ctx.Err() != nil {
		return Made{}, err
	}
	m, ok, lookErr := c.find(ctx, flow, &d)
	if ok || codeOf(lookErr) == codeTaken {
		return m, lookErr
	}
	// Not there says nothing of a call that may still run over there; the first answer stands.
	return Made{}, err
}

// mayExist are the refusals behind which a record of the same external id can be: the text that tells
// a duplicate is not the same for every type of record.
var mayExist = map[string]bool{codeExists: true, codeRefused: true, codeState: true, codeLines: true}

// find looks for the record of a document.
func (c *Client) find(ctx context.Context, flow string, d *Document) (m Made, ok bool, err error) {
	found := map[string]json.RawMessage{}
	fields := Fields{Names: []string{"id", "externalId"}, Into: &found}
	if d.Mark != "" {
		fields.Names = append(fields.Names, d.Mark)
	}
	err = c.Read(ctx, flow, d.Kind, Ref{External: d.ExternalID}, fields)
	switch {
	case codeOf(err) == codeGone:
		return Made{}, false, nil
	case err != nil:
		return Made{}, false, err
	}
	row := Row(found)
	m = Made{ID: row.Int("id"), Existed: true}
	if m.ID <= 0 {
		return Made{}, false, &Fault{code: codeAnswer, class: classBug,
			detail: d.Kind + ".read: a record without an id"}
	}
	if want, _ := d.Body[d.Mark].(string); d.Mark != "" && !strings.EqualFold(row.Text(d.Mark), want) {
		return Made{}, false, refused(codeTaken,
			"%s %d has the external id %s, and is not of this order: another tool has made it", d.Kind,
			m.ID, d.ExternalID)
	}
	return m, true, nil
}

// uncertain keeps a doubt that could not be cleared: the look has failed, not the making.
func uncertain(err error) error {
	var f *Fault
	if !errors.As(err, &f) || f.code == codeTaken {
		return err
	}
	g := *f
	g.unknown = true
	return &g
}
