package amazon

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/connections"
	"holdfast/adapters/mapping"
	"holdfast/adapters/records"
)

// What an account lists comes from one report for each marketplace: a report over several says nothing of
// which of them a listing is in.

const (
	// catalogueLook is how long a report that is not done is left alone.
	catalogueLook = 30 * time.Second
	// catalogueStep is how many listings are written at a time.
	catalogueStep = 500
)

// catalogueCursor is the place of the reading of a catalogue. A start goes on where it was broken off.
type catalogueCursor struct {
	Round  int64  `json:"round"`
	Market int    `json:"market"`           // of the connection's marketplaces
	Report string `json:"report,omitempty"` // that is being made of it; empty: none is yet
}

// Catalogue reads what one marketplace lists, and behind the last one forgets what is listed in none any
// more. A page asks for the report of a marketplace, and the next reads it when it is done.
//
// If the process dies behind the asking, another report is made. It fails with a spapi.Fault, retryable
// while the report is being made, or with the store's error; then the page is read again, and writes the same.
func (a *adapter) Catalogue(ctx context.Context, cursor string) (connections.Page, error) {
	s, err := a.all.seller(a.id)
	if err != nil {
		return connections.Page{}, err
	}
	at := catalogueCursor{Round: a.all.cfg.Now().UnixMilli()}
	if cursor != "" {
		if err := json.Unmarshal([]byte(cursor), &at); err != nil {
			return connections.Page{}, err
		}
	}
	if at.Market >= len(s.conn.Marketplaces) {
		_, err := mapping.SweepCatalogue(ctx, a.all.cfg.Store, a.id, at.Round)
		return connections.Page{}, err
	}
	var page connections.Page
	switch market, client := s.conn.Marketplaces[at.Market], s.client.As(spapi.Background); at.Report {
	case "":
		at.Report, err = client.AskReport(ctx, spapi.NewReport{Type: spapi.ListingsReport,
			Marketplaces: []string{market}})
	default:
		var report *spapi.Report
		if report, err = client.Report(ctx, at.Report); err != nil {
			break
		}
		switch {
		case !spapi.Ended(report.Status):
			err = spapi.Later(s.every(catalogueLook), "the report of what is listed in %s is being made", market)
		case report.Status == spapi.Fatal:
			at.Report = "" // another one
		default: // one that was cancelled has nothing to say
			if report.Document != "" {
				page.Rows, err = s.keepListings(ctx, a.all, market, report.Document, at.Round)
			}
			at.Market, at.Report = at.Market+1, ""
		}
	}
	if err != nil {
		return connections.Page{}, err
	}
	next, err := json.Marshal(at)
	page.Next = string(next)
	return page, err
}

// keepListings keeps what a report of one marketplace lists, and returns how many listings these are. Rows
// that name none are left out. It fails with a spapi.Fault, or with the store's error; some are kept then.
func (s *seller) keepListings(ctx context.Context, all *Sellers, market, document string, round int64) (
	kept int, err error) {
	doc, err := s.client.As(spapi.Background).ReportDocument(ctx, document)
	if err != nil {
		return 0, err
	}
	defer doc.Close()
	table, err := spapi.ReadTable(doc, doc.Charset)
	if err != nil {
		return 0, err
	}
	if err := table.Need(spapi.ListingColumns...); err != nil {
		return 0, err
	}
	var items []mapping.Item
	flush := func() error {
		if len(items) == 0 {
			return nil
		}
		var tx records.Tx
		mapping.KeepItems(&tx, round, items)
		items = items[:0]
		_, err := all.cfg.Store.Submit(ctx, &tx)
		return err
	}
	for {
		more, err := table.Next()
		if err != nil {
			return kept, err
		}
		if !more {
			return kept, flush()
		}
		row := table.Listing()
		if row.SellerSKU == "" {
			continue
		}
		items = append(items, itemOf(s.id, market, &row))
		if kept++; len(items) == catalogueStep {
			if err := flush(); err != nil {
				return kept, err
			}
		}
	}
}

// itemOf is a listing as the mapping keeps it. One that does not say clearly who holds its stock says
// nothing of that.
func itemOf(connection, market string, row *spapi.ListingRow) mapping.Item {
	i := mapping.Item{Connection: connection, Marketplace: market, SellerSKU: row.SellerSKU,
		SKU: row.SellerSKU, ASIN: row.ASIN, Barcode: row.Barcode, Title: row.Title, Tracked: true}
	switch {
	case strings.HasPrefix(strings.ToUpper(row.Channel), "AMAZON"):
		i.Fulfilment = mapping.Amazon
	case row.Channel == spapi.DefaultChannel:
		i.Fulfilment = mapping.Merchant
	}
	return i
}
