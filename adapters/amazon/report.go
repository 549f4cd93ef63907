package amazon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/records"
)

// maxUnknown bounds the orders of a report that are read one by one.
const maxUnknown = 20_000

// askReport has a report made of all orders that the sweep by creation is looking for: one call,
// where pages of the search would take three minutes each.
//
// A process that dies behind the call has a report made for nothing. A refusal for the limit is
// none of the sweep's: it goes on by pages.
func (s *seller) askReport(ctx context.Context, all *Sellers, p *place) error {
	id, err := s.client.As(spapi.Background).AskReport(ctx, spapi.NewReport{Type: spapi.OrdersReport,
		Marketplaces: s.conn.Marketplaces, From: p.After, To: p.Before})
	if spapi.CodeOf(err) == spapi.CodeThrottled || spapi.CodeOf(err) == spapi.CodeDenied {
		return nil
	}
	if err != nil {
		return err
	}
	p.Report, p.ReportTo = id, p.Before
	return nil
}

// catchUp ends a sweep by creation with its report: each of the seller's own orders in it is known,
// or is read now. done is false while there is no report yet, and then the sweep goes on by pages.
// What Amazon fulfils takes nothing from the ledger, and is left to the sweep of changes.
//
// If it breaks off, the next run reads the report again, and finds fewer orders that it does not
// know.
func (s *seller) catchUp(ctx context.Context, all *Sellers, p *place) (done bool, err error) {
	report, err := s.client.As(spapi.Background).Report(ctx, p.Report)
	if err != nil && spapi.CodeOf(err) != spapi.CodeGone {
		return false, err
	}
	if err == nil && !spapi.Ended(report.Status) {
		return false, nil
	}
	if err != nil || report.Status != spapi.Done || report.Document == "" {
		p.Report = "" // there will be none; the pages go on
		return false, s.put(ctx, all, byCreation, p, nil)
	}
	unknown, err := s.unknown(ctx, all, report.Document)
	if err != nil {
		return false, err
	}
	for _, id := range unknown {
		if err := s.fetch(ctx, all, id); err != nil {
			return false, fmt.Errorf("order %s of a report: %w", id, err)
		}
	}
	return true, s.swept(ctx, all, byCreation, p, p.ReportTo)
}

// unknown lists the seller's own orders of a report that the book does not have.
func (s *seller) unknown(ctx context.Context, all *Sellers, document string) (ids []string, err error) {
	doc, err := s.client.As(spapi.Background).ReportDocument(ctx, document)
	if err != nil {
		return nil, err
	}
	defer doc.Close()
	table, err := spapi.ReadTable(doc, doc.Charset)
	if err != nil {
		return nil, err
	}
	if err := table.Need(spapi.OrderColumns...); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for {
		more, err := table.Next()
		if err != nil || !more {
			return ids, err
		}
		row := table.Order()
		if row.OrderID == "" {
			// It may be an order that nobody knows: the report proves nothing.
			return nil, spapi.Refused("report-row", "row %d of a report of orders names no order",
				table.Number())
		}
		if seen[row.OrderID] || row.FulfilledBy == spapi.ByAmazon ||
			strings.EqualFold(row.SalesChannel, "Non-Amazon") {
			continue
		}
		seen[row.OrderID] = true
		_, known, err := all.cfg.Store.Get(ctx, records.Orders, s.orderKey(row.OrderID))
		if err != nil {
			return nil, err
		}
		if known {
			continue
		}
		if ids = append(ids, row.OrderID); len(ids) > maxUnknown {
			return nil, spapi.Later(time.Hour, "more than %d orders of a report are not known", maxUnknown)
		}
	}
}
