package amazon

import (
	"context"
	"strings"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/records"
)

// One report says of all listings who holds their stock: so a new leader, which has read none of them,
// can send many quantities at once without asking for each.

const (
	// listingsEvery is how often the report is made: more often than its age would make it void.
	listingsEvery = 5 * time.Hour
	// listingsLook is how often it is looked whether it is done, and listingsWait for how long.
	listingsLook = 30 * time.Second
	listingsWait = 20 * time.Minute
)

// listingsReport is the report that is waited for. One goroutine has it.
type listingsReport struct {
	id    string // empty: none is
	asked time.Time
}

// listings has the report made when it is due, and reads it when it is done. An account with few slots
// needs none. It fails with a spapi.Fault; then each listing is asked for by itself when it is needed.
func (a *adapter) listings(ctx context.Context, s *seller) error {
	client, now := s.client.As(spapi.Background), a.all.cfg.Now().UTC()
	if a.report.id == "" {
		if !a.report.asked.IsZero() && now.Sub(a.report.asked) < s.every(listingsEvery) {
			return nil
		}
		few, err := a.few(ctx)
		if err != nil || few {
			return err
		}
		a.report.asked = now
		a.report.id, err = client.AskReport(ctx, spapi.NewReport{Type: spapi.ListingsReport,
			Marketplaces: s.conn.Marketplaces})
		return err
	}
	report, err := client.Report(ctx, a.report.id)
	if err != nil {
		return err
	}
	if report.Status == spapi.Done && report.Document != "" {
		a.report.id = ""
		return s.classify(ctx, a.all, report.Document, a.report.asked)
	}
	if spapi.Ended(report.Status) || now.Sub(a.report.asked) > s.every(listingsWait) {
		a.report.id = ""
	}
	return nil
}

// few reports whether so few slots are there that they never make a feed.
func (a *adapter) few(ctx context.Context) (bool, error) {
	rows, more, err := a.all.cfg.Store.List(ctx, records.Slots, a.id+"/", "", records.MaxList)
	return len(rows) < feedLeast && !more, err
}

// classify notes what a report says of each listing. What it does not say clearly is left to be asked.
func (s *seller) classify(ctx context.Context, all *Sellers, document string, at time.Time) error {
	doc, err := s.client.As(spapi.Background).ReportDocument(ctx, document)
	if err != nil {
		return err
	}
	defer doc.Close()
	table, err := spapi.ReadTable(doc, doc.Charset)
	if err != nil {
		return err
	}
	if err := table.Need(spapi.ListingColumns...); err != nil {
		return err
	}
	for {
		more, err := table.Next()
		if err != nil || !more {
			return err
		}
		row := table.Listing()
		by := spapi.ByMerchant
		switch {
		case row.SellerSKU == "":
			continue
		case strings.HasPrefix(strings.ToUpper(row.Channel), "AMAZON"):
			by = spapi.ByAmazon
		case row.Channel != spapi.DefaultChannel:
			continue
		}
		if markets := all.mapped(s.account, row.SellerSKU); len(markets) > 0 {
			s.guard.classify(row.SellerSKU, by, markets[:1], at)
		}
	}
}

// classify notes who fulfils a listing; what was read of its quantity stays.
func (g *guard) classify(sku, by string, markets []string, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, ok := g.read[sku]
	if ok && l.at.After(at) || !ok && len(g.read) >= guardMost {
		return
	}
	if !ok || l.by != by {
		l = listed{markets: markets}
	}
	l.by, l.at = by, at
	g.read[sku] = l
}
