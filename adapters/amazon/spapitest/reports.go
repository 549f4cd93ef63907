package spapitest

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// The reports that are made; others are refused.
const (
	reportOrders     = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"
	reportUpdates    = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"
	reportShipments  = "GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL"
	reportFBAReturns = "GET_FBA_FULFILLMENT_CUSTOMER_RETURNS_DATA"
	reportReturns    = "GET_FLAT_FILE_RETURNS_DATA_BY_RETURN_DATE"
	reportListings   = "GET_MERCHANT_LISTINGS_ALL_DATA"
	reportStock      = "GET_FBA_MYI_UNSUPPRESSED_INVENTORY_DATA"
)

// reportKind is how a report is made, and how soon the same one is made again.
type reportKind struct {
	again time.Duration // 0 for at once
	rows  func(x *account, r *report) []line
	heads []string
}

// report is one document about an account.
type report struct {
	id, kind, status   string
	markets            []string
	since, until       time.Time
	given              bool // since was given
	created, from, end time.Time
	doc                *document
}

func createReport(c *call) answer {
	var in struct {
		Kind    string            `json:"reportType"`
		Markets []string          `json:"marketplaceIds"`
		Since   string            `json:"dataStartTime"`
		Until   string            `json:"dataEndTime"`
		Options map[string]string `json:"reportOptions"`
	}
	if json.Unmarshal(c.body, &in) != nil {
		return invalid("The request body is not valid.")
	}
	if _, known := reportKinds[in.Kind]; !known {
		return invalid("Invalid reportType: " + in.Kind)
	}
	if len(in.Markets) == 0 || len(in.Markets) > 25 || !c.acct.sells(in.Markets) {
		return invalid("Invalid marketplaceIds.")
	}
	since, fineSince := parseTime(in.Since)
	until, fineUntil := parseTime(in.Until)
	if in.Since != "" && !fineSince || in.Until != "" && !fineUntil ||
		fineSince && fineUntil && until.Before(since) {
		return invalid("dataStartTime and dataEndTime must be times in ISO 8601, in order.")
	}
	if !fineUntil || until.After(c.act.at) {
		until = c.act.at
	}
	if !fineSince {
		since = until.AddDate(0, 0, -30)
	}
	r := &report{id: c.srv.newID(11), kind: in.Kind, status: inQueue, markets: in.Markets,
		since: since, until: until, given: fineSince, created: c.act.at}
	c.acct.reports = keepNewest(c.acct.reports, r)
	c.entry.Doc = r.id
	c.act.log(Entry{Kind: "report", Op: inQueue, Type: r.kind, Doc: r.id})
	wait := c.srv.timing().Report.draw(c.acct.rng)
	c.acct.afterTime(wait/10, "system", func(a *action) {
		if r.status == inQueue {
			r.status, r.from = inProgress, a.at
			a.log(Entry{Kind: "report", Op: inProgress, Type: r.kind, Doc: r.id})
		}
	})
	c.acct.afterTime(wait, "system", func(a *action) { a.finishReport(r) })
	return answer{202, obj{"reportId": r.id}, "ok"}
}

// finishReport makes the document, or says that there will be none.
func (a *action) finishReport(r *report) {
	if r.status == stopped || r.status == done {
		return
	}
	x := a.acct
	if r.from.IsZero() {
		r.from = a.at
	}
	fault := x.srv.faults.pick([]string{FaultReportFatal, FaultReportCancelled},
		victim{account: x.cfg.Name, region: x.cfg.Region, kind: r.kind})
	switch {
	case fault != nil:
		a.fault = fault.id
		a.log(Entry{Kind: "fault", Op: fault.Kind, Type: r.kind, Doc: r.id})
		a.endReport(r, map[bool]string{true: fatal, false: stopped}[fault.Kind == FaultReportFatal])
		return
	case x.tooSoon(r):
		a.endReport(r, stopped)
		return
	}
	kind := reportKinds[r.kind]
	rows := kind.rows(x, r)
	if len(rows) == 0 && x.srv.assumptions().EmptyReportCancelled {
		a.endReport(r, stopped)
		return
	}
	var b strings.Builder
	b.WriteString(strings.Join(kind.heads, "\t") + "\r\n")
	for _, row := range rows {
		b.WriteString(row.lay(kind.heads) + "\r\n")
	}
	r.doc = x.srv.docs.add(&document{contentType: "text/tab-separated-values; charset=UTF-8",
		body: squeeze([]byte(b.String())), gzip: true, uploaded: true, acct: x})
	a.endReport(r, done)
}

// tooSoon says whether the same report was made a short while ago: those about Amazon's warehouses
// are made anew every 30 minutes, or every 4 hours.
func (x *account) tooSoon(r *report) bool {
	gap := x.srv.period(reportKinds[r.kind].again)
	for _, y := range x.reports {
		if y != r && y.kind == r.kind && y.status == done && slices.Equal(y.markets, r.markets) &&
			r.created.Sub(y.created) < gap {
			return true
		}
	}
	return false
}

func (a *action) endReport(r *report, status string) {
	r.status, r.end = status, a.at
	a.log(Entry{Kind: "report", Op: status, Type: r.kind, Doc: r.id})
	n := obj{"sellerId": a.acct.cfg.SellerID, "accountId": "amzn1.merchant.o." + a.acct.cfg.SellerID,
		"reportId": r.id, "reportType": r.kind, "processingStatus": status}
	if r.doc != nil {
		n["reportDocumentId"] = r.doc.id
	}
	a.tell(note{kind: noteReport, about: r.id,
		payload: obj{"reportProcessingFinishedNotification": n}})
}

func (r *report) json() obj {
	out := obj{"reportId": r.id, "reportType": r.kind, "marketplaceIds": r.markets,
		"createdTime": stamp(r.created), "processingStatus": r.status,
		"dataStartTime": stamp(r.since), "dataEndTime": stamp(r.until)}
	if !r.from.IsZero() {
		out["processingStartTime"] = stamp(r.from)
	}
	if !r.end.IsZero() {
		out["processingEndTime"] = stamp(r.end)
	}
	if r.doc != nil {
		out["reportDocumentId"] = r.doc.id
	}
	return out
}

func (x *account) report(id string) *report {
	for _, r := range x.reports {
		if r.id == id {
			return r
		}
	}
	return nil
}

func getReport(c *call) answer {
	r := c.acct.report(c.params["reportId"])
	if r == nil {
		return notFound("The report was not found.")
	}
	return ok(r.json())
}

func cancelReport(c *call) answer {
	r := c.acct.report(c.params["reportId"])
	if r == nil {
		return notFound("The report was not found.")
	}
	if r.status != inQueue {
		return invalid("Only a report that is IN_QUEUE can be cancelled.")
	}
	c.act.endReport(r, stopped)
	return answer{200, nil, "ok"}
}

func getReportDocument(c *call) answer {
	d := c.srv.docs.find(c.acct, c.params["reportDocumentId"])
	if d == nil {
		return notFound("The report document was not found.")
	}
	return ok(c.documentJSON(d, "reportDocumentId"))
}

// getReports lists reports, the newest first.
func getReports(c *call) answer {
	from, refused := c.resume()
	if refused != nil {
		return *refused
	}
	kinds, states := c.list("reportTypes"), c.list("processingStatuses")
	size, fine := c.pageSize(10)
	if len(kinds) == 0 || !fine {
		return invalid("reportTypes or nextToken is required, and pageSize is 1 to 100.")
	}
	found := []obj{}
	for i := len(c.acct.reports) - 1; i >= 0; i-- {
		r := c.acct.reports[i]
		if slices.Contains(kinds, r.kind) && (len(states) == 0 || slices.Contains(states, r.status)) {
			found = append(found, r.json())
		}
	}
	return ok(c.cut(found, "reports", from, size))
}
