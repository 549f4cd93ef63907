package amazon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

// reported is a report that is asked for again and again, and what is done with its rows.
type reported struct {
	name  string // of its place in the table Documents
	kind  string
	every time.Duration // Amazon makes it no more often
	back  time.Duration // rows come late: so much of the time before is asked for again
	need  []string
	take  func(s *seller, ctx context.Context, all *Sellers, t *spapi.Table) error
}

// The reports of what happens to orders that are known.
var reportedKinds = []reported{
	{name: "shipments", kind: spapi.ShipmentsReport, every: 30 * time.Minute, back: 24 * time.Hour,
		need: spapi.ShipmentColumns, take: (*seller).takeShipments},
	{name: "amazon-returns", kind: spapi.AmazonReturnsReport, every: 4 * time.Hour, back: 72 * time.Hour,
		need: spapi.AmazonReturnColumns, take: (*seller).takeAmazonReturns},
	{name: "seller-returns", kind: spapi.SellerReturnsReport, every: 4 * time.Hour, back: 72 * time.Hour,
		need: spapi.SellerReturnColumns, take: (*seller).takeSellerReturns},
}

const (
	// reportsEvery is how often it is looked whether a report is due, or done.
	reportsEvery = 5 * time.Minute
	// reportsFrom is from when the first one is.
	reportsFrom = 7 * 24 * time.Hour
)

// reportPlace is how far a report is: the record CONNECTION/report/NAME of the table Documents.
type reportPlace struct {
	Report string    `json:"report,omitempty"` // under way
	Asked  time.Time `json:"asked,omitzero"`
	To     time.Time `json:"to,omitzero"`   // up to when the one under way is
	Have   time.Time `json:"have,omitzero"` // up to when all rows are in
}

// reports takes one step with each report. What goes wrong with one holds up no other.
//
// A process that dies behind the call has a report made for nothing; one that dies while rows are taken in
// reads them again, and they say nothing new.
func (a *adapter) reports(ctx context.Context, s *seller) error {
	var all []error
	for i := range reportedKinds {
		if err := s.report(ctx, a.all, &reportedKinds[i]); err != nil {
			all = append(all, fmt.Errorf("report %s: %w", reportedKinds[i].name, err))
		}
	}
	return errors.Join(append(all, s.refunds(ctx, a.all), s.unpacked(ctx, a.all))...)
}

func (s *seller) report(ctx context.Context, all *Sellers, r *reported) error {
	key := s.id + "/report/" + r.name
	p, version, err := readDocument[reportPlace](ctx, all, key)
	if err != nil {
		return err
	}
	now := all.cfg.Now().UTC()
	if p.Report == "" {
		if now.Before(p.Asked.Add(s.every(r.every))) {
			return nil
		}
		from := now.Add(-reportsFrom)
		if !p.Have.IsZero() {
			from = p.Have.Add(-r.back)
		}
		p.Report, err = s.client.As(spapi.Background).AskReport(ctx, spapi.NewReport{Type: r.kind,
			Marketplaces: s.conn.Marketplaces, From: from, To: now})
		if err != nil {
			return err
		}
		p.Asked, p.To = now, now
		return putDocument(ctx, all, key, p, version)
	}
	at, err := s.client.As(spapi.Background).Report(ctx, p.Report)
	if err != nil && spapi.CodeOf(err) != spapi.CodeGone {
		return err
	}
	if err == nil && !spapi.Ended(at.Status) {
		return nil
	}
	p.Report = ""
	if err == nil && at.Status == spapi.Done && at.Document != "" {
		if err := s.rows(ctx, all, r, at.Document); err != nil {
			return err
		}
		p.Have = p.To
	}
	return putDocument(ctx, all, key, p, version)
}

func (s *seller) rows(ctx context.Context, all *Sellers, r *reported, document string) error {
	doc, err := s.client.As(spapi.Background).ReportDocument(ctx, document)
	if err != nil {
		return err
	}
	defer doc.Close()
	table, err := spapi.ReadTable(doc, doc.Charset)
	if err != nil {
		return err
	}
	if err := table.Need(r.need...); err != nil {
		return err
	}
	return r.take(s, ctx, all, table)
}

func readDocument[T any](ctx context.Context, all *Sellers, key string) (v T, version uint64, err error) {
	row, ok, err := all.cfg.Store.Get(ctx, records.Documents, key)
	if err != nil || !ok {
		return v, 0, err
	}
	v, err = records.Decode[T](row)
	return v, row.Version, err
}

// putDocument fails with *outbox.Later when somebody else has changed the document.
func putDocument(ctx context.Context, all *Sellers, key string, v any, version uint64) error {
	var tx records.Tx
	tx.Replace(records.Record{Table: records.Documents, Key: key, Body: tx.Encode(v)}, version)
	out, err := all.cfg.Store.Submit(ctx, &tx)
	if err == nil && out.Conflict {
		return &outbox.Later{After: time.Second, Why: "somebody else works at " + key}
	}
	return err
}
