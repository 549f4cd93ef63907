package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"holdfast/adapters/mapping"
	"holdfast/adapters/records"
	"holdfast/engine"
)

// Mappings is the table that says which SKU is what outside. It is safe for concurrent use. Its errors
// are as those of Ledger.
type Mappings interface {
	Put(ctx context.Context, lines []mapping.Line, o mapping.PutOptions) (mapping.Report, error)
	Delete(ctx context.Context, ref mapping.Ref, expect *uint64) (index uint64, err error)
	List(ctx context.Context, q mapping.Query) (mapping.Page, error)
	// Each visits all rows in the order of their keys.
	Each(ctx context.Context, visit func(mapping.Row) error) error
}

// MappingAudit holds the mapping against what both sides list. It is safe for concurrent use.
type MappingAudit interface {
	// Page is one page of a run, which is a new one when the filter has no After.
	Page(ctx context.Context, q mapping.Filter) (run *mapping.Audit, found []mapping.Finding,
		next string, err error)
}

const (
	// mappingsBytes takes 100,000 rows as CSV, and some 80,000 as JSON.
	mappingsBytes = 16 << 20
	csvType       = "text/csv"
	limitMappings = "mappings"
)

func mappingRoutes() []*route {
	put := write("PUT", "/v1/mappings", putMappings, mappingsBytes, "mappings-bytes")
	put.query = []string{"dry_run", "replace"}
	remove := write("DELETE", "/v1/mappings", deleteMapping, 0, "")
	remove.query = []string{"connection", "marketplace", "variant_id", "seller_sku", "item_id"}
	audit := get("/v1/mappings/audit", getMappingAudit, "finding", "connection", "after", "limit")
	anew := *audit
	anew.method = "POST"
	return []*route{put, remove, audit, &anew,
		get("/v1/mappings", getMappings, "sku", "connection", "marketplace", "after", "limit")}
}

// mappingBody is mapping.Row as a body.
type mappingBody struct {
	SKU             string `json:"sku" is:"sku" required:"yes"`
	Connection      string `json:"connection" is:"id" required:"yes"`
	Marketplace     string `json:"marketplace" is:"note"`
	ASIN            string `json:"asin" is:"note"`
	SellerSKU       string `json:"seller_sku" is:"note"`
	Fulfilment      string `json:"fulfilment" is:"note"`
	VariantID       int64  `json:"variant_id" is:"int 0 9223372036854775807"`
	InventoryItemID int64  `json:"inventory_item_id" is:"int 0 9223372036854775807"`
	ItemID          string `json:"item_id" is:"note"`
	Content         string `json:"content" is:"note"`
}

// mappingsBody is a list of rows; items is the same under the name that a list answers with.
type mappingsBody struct {
	Rows  []mappingBody `json:"rows" most:"100000 mappings"`
	Items []mappingBody `json:"items" most:"100000 mappings"`
}

// The tags repeat mapping.MaxRows in decimal; this fails to compile when it changes.
var _ = [1]struct{}{}[mapping.MaxRows-100_000]

var mappingsBodies = newBody[mappingsBody]()

// mappings is the table, or the problem of a server without one.
func (c *call) mappings() (Mappings, error) {
	if m := c.s.cfg.Mappings; m != nil {
		return m, nil
	}
	return nil, newProblem(codeNotFound, "This server keeps no mappings.")
}

// mappingContext bounds one call of the mapping: longer than one of the ledger, because a file is
// written in many entries.
func (c *call) mappingContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.s.base, checkWait*c.s.cfg.LedgerTimeout)
}

func putMappings(c *call) error {
	table, err := c.mappings()
	if err != nil {
		return err
	}
	var o mapping.PutOptions
	if o.DryRun, err = c.queryBool("dry_run", false); err != nil {
		return err
	}
	if o.Replace, err = c.queryBool("replace", false); err != nil {
		return err
	}
	if o.Expect, err = c.ifMatch(); err != nil {
		return err
	}
	csv := isMedia(text(c.ctx.Request.Header.ContentType()), csvType)
	lines, err := c.mappingLines(csv)
	if err != nil {
		return err
	}
	ctx, cancel := c.mappingContext()
	defer cancel()
	rep, err := table.Put(ctx, lines, o)
	if err != nil {
		return mappingProblem(err, &rep)
	}
	if rep.Bad() && !o.DryRun {
		return refusedMappings(&rep, csv)
	}
	c.index = rep.Index
	c.setVersion(rep.Index)
	return c.replyJSON(200, mappingsReply{Index: rep.Index, DryRun: rep.DryRun, Rows: len(rep.Lines),
		Created: rep.Counts[mapping.Created], Changed: rep.Counts[mapping.Changed],
		Unchanged: rep.Counts[mapping.Unchanged], Conflicts: rep.Counts[mapping.Conflict],
		Errors: rep.Counts[mapping.Invalid], Lines: rep.Lines})
}

type mappingsReply struct {
	Index     uint64               `json:"index"`
	DryRun    bool                 `json:"dry_run"`
	Rows      int                  `json:"rows"`
	Created   int                  `json:"created"`
	Changed   int                  `json:"changed"`
	Unchanged int                  `json:"unchanged"`
	Conflicts int                  `json:"conflicts"`
	Errors    int                  `json:"errors"`
	Lines     []mapping.LineReport `json:"lines"`
}

// mappingLines decodes the body.
func (c *call) mappingLines(csv bool) ([]mapping.Line, error) {
	body, err := c.body(false)
	if err != nil {
		return nil, err
	}
	if csv {
		lines, err := mapping.ReadCSV([]byte(body))
		if err != nil {
			return nil, problemOf(err, false)
		}
		return lines, nil
	}
	if strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "[") {
		body = `{"rows":` + body + `}` // a bare list is one too
	}
	var in mappingsBody
	if err := mappingsBodies.decode(body, &in); err != nil {
		return nil, err
	}
	if (in.Rows == nil) == (in.Items == nil) {
		return nil, invalid("rows", "must be there, and no items beside it")
	}
	lines := make([]mapping.Line, 0, len(in.Rows)+len(in.Items))
	for _, r := range append(in.Rows, in.Items...) {
		lines = append(lines, mapping.Line{Number: len(lines) + 1, Row: mapping.Row(r)})
	}
	return lines, nil
}

func (c *call) setVersion(version uint64) {
	c.ctx.Response.Header.Set("ETag", `"`+strconv.FormatUint(version, 10)+`"`)
}

// isMedia reports whether a Content-Type or an Accept asks for a media type.
func isMedia(header, media string) bool {
	for one := range strings.SplitSeq(header, ",") {
		name, _, _ := strings.Cut(one, ";")
		if strings.EqualFold(strings.TrimSpace(name), media) {
			return true
		}
	}
	return false
}

// mappingProblem is the answer to an error of the table; what it says beside is in the report.
func mappingProblem(err error, rep *mapping.Report) error {
	var p *problem
	switch {
	case errors.Is(err, records.ErrBusy):
		p = newProblem(codeOverloaded, "The mappings kept changing.")
	case errors.Is(err, mapping.ErrTooMany):
		p = tooLarge("rows", limitMappings, mapping.MaxRows)
	default:
		p = problemOf(err, true)
	}
	if n := rep.Written(); n > 0 {
		p.detail += " " + strconv.Itoa(n) + " rows are written; the same call again writes the rest."
		if p.promise != outcomeOf(codeUnknownResult).promise {
			o := *p.outcome
			o.promise = partlyWritten
			p.outcome = &o
		}
	}
	return p
}

const partlyWritten = "A part of the rows is written, each of them whole. Send the call again."

// mostRefused is how many lines a refusal names: more are seldom different ones.
const mostRefused = 1000

// refusedMappings is the answer to rows of which some cannot stand.
func refusedMappings(rep *mapping.Report, csv bool) error {
	code, of := codeMappingConflict, mapping.Conflict
	if rep.Counts[mapping.Invalid] > 0 {
		code, of = codeInvalid, mapping.Invalid
	}
	p := newProblem(code, "")
	var bad []mapping.LineReport
	for _, l := range rep.Lines {
		if l.Status != mapping.Conflict && l.Status != mapping.Invalid {
			continue
		}
		if p.at == "" && l.Status == of {
			p.at = mappingPlace(&l, csv)
			p.detail = p.at + " " + l.Detail
		}
		if len(bad) < mostRefused {
			bad = append(bad, l)
		}
	}
	if more := rep.Counts[mapping.Conflict] + rep.Counts[mapping.Invalid] - 1; more > 0 {
		p.detail += "; and " + strconv.Itoa(more) + " more"
	}
	if n := rep.Written(); n > 0 {
		p.detail += "; " + strconv.Itoa(n) + " rows had been written before another writer came between"
		o := *p.outcome
		o.promise = partlyWritten
		p.outcome = &o
	}
	p.results, _ = json.Marshal(bad) // of plain fields, which never fail
	return p
}

func mappingPlace(l *mapping.LineReport, csv bool) string {
	if csv {
		if l.Column == "" {
			return "line " + strconv.Itoa(l.Line)
		}
		return "line " + strconv.Itoa(l.Line) + ", column " + l.Column
	}
	return "rows[" + strconv.Itoa(l.Line-1) + "]." + l.Column
}

func getMappings(c *call) error {
	table, err := c.mappings()
	if err != nil {
		return err
	}
	var q mapping.Query
	if q.SKU, err = c.query("sku", skuRule); err != nil {
		return err
	}
	if q.Connection, err = c.query("connection", idRule); err != nil {
		return err
	}
	if q.Marketplace, err = c.query("marketplace", noteRule); err != nil {
		return err
	}
	if q.After, q.Limit, err = c.textPage(); err != nil {
		return err
	}
	if err := c.read(func(*engine.Ledger) bool { return false }); err != nil {
		return err
	}
	if isMedia(text(c.ctx.Request.Header.Peek("Accept")), csvType) {
		return c.exportMappings(table, q)
	}
	ctx, cancel := c.mappingContext()
	defer cancel()
	p, err := table.List(ctx, q)
	if err != nil {
		return problemOf(err, false)
	}
	c.setVersion(p.Version)
	if p.Rows == nil {
		p.Rows = []mapping.Row{}
	}
	return c.replyJSON(200, mappingsList{p.Rows, textCursor(p.Next), c.index, p.Version})
}

type mappingsList struct {
	Items   []mapping.Row `json:"items"`
	Next    string        `json:"next,omitempty"`
	Index   uint64        `json:"index"`
	Version uint64        `json:"version"` // of all mappings, for If-Match
}

// exportMappings streams all rows that the query fits, as CSV, without pages: the rows that change
// meanwhile are written as they were or as they are.
func (c *call) exportMappings(table Mappings, q mapping.Query) error {
	head := csvType + "; charset=utf-8\r\n" + headerIndex + ": " + strconv.FormatUint(c.index, 10)
	return c.hijack("mappings", head, func(st *stream) {
		w := mapping.NewCSVWriter(&backupSender{stream: st, began: time.Now()})
		err := table.Each(st.s.base, func(r mapping.Row) error {
			if q.Takes(&r) {
				return w.Write(r)
			}
			return nil
		})
		if err = errors.Join(err, w.Flush()); err != nil {
			st.s.cfg.Logger.Warn("mappings not exported", "error", err)
			return // without a last chunk, so that the client sees that it is cut
		}
		st.end()
	})
}

// deleteMapping removes the row that the query names by what it is outside.
func deleteMapping(c *call) error {
	table, err := c.mappings()
	if err != nil {
		return err
	}
	var r mapping.Row
	for _, p := range []struct {
		name string
		into *string
	}{
		{"connection", &r.Connection}, {"marketplace", &r.Marketplace}, {"seller_sku", &r.SellerSKU},
		{"item_id", &r.ItemID},
	} {
		if *p.into, err = c.query(p.name, noteRule); err != nil {
			return err
		}
	}
	id, err := c.queryInt("variant_id", 0, 1, 1<<63-1)
	if err != nil {
		return err
	}
	r.VariantID = int64(id)
	ref, err := mapping.RefOf(r)
	var fault *mapping.Fault
	if errors.As(err, &fault) {
		return invalid(fault.Column, fault.Reason)
	}
	expect, err := c.ifMatch()
	if err != nil {
		return err
	}
	ctx, cancel := c.mappingContext()
	defer cancel()
	index, err := table.Delete(ctx, ref, expect)
	if err != nil {
		return mappingProblem(err, &mapping.Report{})
	}
	c.index = index
	c.setVersion(index)
	return c.replyJSON(200, map[string]any{"id": ref.Key(), "deleted": true, "index": index})
}

func getMappingAudit(c *call) error {
	audit := c.s.cfg.MappingAudit
	if audit == nil {
		return newProblem(codeNotFound, "This server audits no mappings.")
	}
	var q mapping.Filter
	kind, err := c.query("finding", kindRule)
	if err != nil {
		return err
	}
	q.Kind = mapping.Kind(kind)
	if q.Connection, err = c.query("connection", idRule); err != nil {
		return err
	}
	if q.After, q.Limit, err = c.textPage(); err != nil {
		return err
	}
	if err := c.read(func(*engine.Ledger) bool { return false }); err != nil {
		return err
	}
	ctx, cancel := c.mappingContext()
	defer cancel()
	run, found, next, err := audit.Page(ctx, q)
	if err != nil {
		return problemOf(err, false)
	}
	if found == nil {
		found = []mapping.Finding{}
	}
	counts := map[mapping.Kind]int{}
	for _, k := range mapping.Kinds {
		counts[k] = run.Counts[k]
	}
	return c.replyJSON(200, auditReply{run.Index, counts, run.Blocking, run.Cut, found, textCursor(next)})
}

type auditReply struct {
	Index    uint64               `json:"index"`
	Counts   map[mapping.Kind]int `json:"counts"`
	Blocking map[string]int       `json:"blocking"`
	Cut      bool                 `json:"cut"`
	Items    []mapping.Finding    `json:"items"`
	Next     string               `json:"next,omitempty"`
}

func kindRule(v string) string {
	for _, k := range mapping.Kinds {
		if string(k) == v {
			return ""
		}
	}
	return "must be one of conflicting, duplicate, orphaned, unmapped"
}
