package spapi

import (
	"context"
	"time"

	"holdfast/adapters/lenient"
)

// The types of reports that are read.
const (
	OrdersReport        = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"
	OrderUpdatesReport  = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"
	ShipmentsReport     = "GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL"
	AmazonReturnsReport = "GET_FBA_FULFILLMENT_CUSTOMER_RETURNS_DATA"
	SellerReturnsReport = "GET_FLAT_FILE_RETURNS_DATA_BY_RETURN_DATE"
	ListingsReport      = "GET_MERCHANT_LISTINGS_ALL_DATA"
	AmazonStockReport   = "GET_FBA_MYI_UNSUPPRESSED_INVENTORY_DATA"
)

// Report is a report under way, or done.
type Report struct {
	ID        string         `json:"reportId"`
	Type      string         `json:"reportType"`
	Status    string         `json:"processingStatus"`
	From      lenient.Moment `json:"dataStartTime"`
	To        lenient.Moment `json:"dataEndTime"`
	CreatedAt lenient.Moment `json:"createdTime"`
	Document  string         `json:"reportDocumentId"`
}

// NewReport asks for a report. From and To may be zero.
type NewReport struct {
	Type         string
	Marketplaces []string
	From, To     time.Time
	Options      map[string]string
}

// AskReport has a report made, and returns its id. It fails with a Fault; one of unknown outcome
// may have a report made, which [Client.Reports] shows.
func (c *Client) AskReport(ctx context.Context, r NewReport) (id string, err error) {
	body := struct {
		Type         string            `json:"reportType"`
		Marketplaces []string          `json:"marketplaceIds"`
		From         string            `json:"dataStartTime,omitempty"`
		To           string            `json:"dataEndTime,omitempty"`
		Options      map[string]string `json:"reportOptions,omitempty"`
	}{Type: r.Type, Marketplaces: r.Marketplaces, Options: r.Options}
	if !r.From.IsZero() {
		body.From = r.From.UTC().Format(timeForm)
	}
	if !r.To.IsZero() {
		body.To = r.To.UTC().Format(timeForm)
	}
	var made struct {
		ID string `json:"reportId"`
	}
	if err := c.do(ctx, opCreateReport, call{body: body, out: &made}); err != nil {
		return "", err
	}
	if made.ID == "" {
		return "", &Fault{code: CodeAnswer, class: classBug, retryable: true, unknown: true,
			detail: "createReport: an answer without an id"}
	}
	return made.ID, nil
}

// Report reads how far a report is. It fails with a Fault.
func (c *Client) Report(ctx context.Context, id string) (*Report, error) {
	out := new(Report)
	if err := c.do(ctx, opGetReport, call{args: []string{id}, out: out}); err != nil {
		return nil, err
	}
	return out, nil
}

// Reports lists the newest reports of a type since a moment, at most 100. It fails with a Fault.
func (c *Client) Reports(ctx context.Context, kind string, since time.Time) ([]Report, error) {
	q := query{"pageSize": "100"}
	q.set("reportTypes", kind)
	q.time("createdSince", since)
	var out struct {
		Reports []Report `json:"reports"`
	}
	err := c.do(ctx, opGetReports, call{query: q, out: &out})
	return out.Reports, err
}

// ReportDocument opens the document of a report. It fails with a Fault. Close the document.
func (c *Client) ReportDocument(ctx context.Context, document string) (*Document, error) {
	return c.document(ctx, opGetReportDocument, document)
}
