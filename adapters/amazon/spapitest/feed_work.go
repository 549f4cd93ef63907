package spapitest

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
)

// squeeze compresses as Amazon's documents are.
func squeeze(body []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(body) // a buffer takes everything
	_ = z.Close()
	return out.Bytes()
}

// listingsFeed is a document of JSON_LISTINGS_FEED.
type listingsFeed struct {
	Header struct {
		SellerID string `json:"sellerId"`
		Version  string `json:"version"`
	} `json:"header"`
	Messages []struct {
		ID           int64            `json:"messageId"`
		SKU          string           `json:"sku"`
		Operation    string           `json:"operationType"`
		ProductType  string           `json:"productType"`
		Requirements string           `json:"requirements"`
		Attributes   map[string][]obj `json:"attributes"`
		Patches      []patchOp        `json:"patches"`
	} `json:"messages"`
}

// feedMessages is how many messages one feed may have.
const feedMessages = 25_000

func (x *account) readListingsFeed(f *feed, body []byte) feedWork {
	var in listingsFeed
	if decodeNumbers(body, &in) != nil || in.Header.SellerID != x.cfg.SellerID ||
		in.Header.Version != "2.0" || len(in.Messages) == 0 || len(in.Messages) > feedMessages {
		return feedWork{}
	}
	market, _ := x.market(f.markets[0])
	return feedWork{len(in.Messages), func(a *action) []byte {
		issues := []obj{}
		seen := map[int64]bool{}
		var accepted, errors int
		for _, m := range in.Messages {
			s := submission{id: f.id, sku: m.SKU, market: market, productType: m.ProductType,
				requirements: orElse(m.Requirements, "LISTING"), patches: m.Patches,
				delete: m.Operation == "DELETE", partial: m.Operation == "PARTIAL_UPDATE", feed: true}
			if m.Operation == "UPDATE" || s.partial {
				s.put = m.Attributes
			}
			found := x.examineMessage(&s, m.Operation)
			if m.ID < 1 || seen[m.ID] {
				found = append(found, issue{"90242", "messageId is not unique.", "ERROR", nil})
			}
			seen[m.ID] = true
			for _, i := range found {
				y := obj{"messageId": max(1, m.ID), "sku": m.SKU, "code": i.code, "severity": "ERROR",
					"message": i.message}
				if len(i.attributes) > 0 {
					y["attributeName"] = i.attributes[0]
				}
				issues = append(issues, y)
			}
			errors += len(found)
			if len(found) == 0 {
				accepted++
				a.accept(s)
			}
		}
		return encode(obj{"header": obj{"sellerId": x.cfg.SellerID, "version": "2.0", "feedId": f.id},
			"issues": issues, "summary": obj{"errors": errors, "warnings": 0,
				"messagesProcessed": len(in.Messages), "messagesAccepted": accepted,
				"messagesInvalid": len(in.Messages) - accepted}})
	}}
}

// examineMessage finds what is wrong with a message of a feed.
func (x *account) examineMessage(s *submission, operation string) []issue {
	bad := func(message string) []issue { return []issue{{"4000001", message, "ERROR", nil}} }
	known := x.bySKU[s.sku] != nil
	switch operation {
	case "UPDATE":
	case "PARTIAL_UPDATE", "PATCH", "DELETE":
		if !known {
			return bad("The SKU does not exist.")
		}
	default:
		return bad("The operationType is not valid.")
	}
	if operation == "PATCH" && len(s.patches) == 0 || operation != "DELETE" && s.productType == "" {
		return bad("productType or patches are missing.")
	}
	for i := range s.patches {
		if why := s.patches[i].check(); why != "" {
			return bad(why)
		}
	}
	return x.examine(s)
}

// acknowledgement is one message of an order acknowledgement.
type acknowledgement struct {
	order, status, reason string
	items                 []string
	id                    string
}

type amazonEnvelope struct {
	XMLName  xml.Name `xml:"AmazonEnvelope"`
	Type     string   `xml:"MessageType"`
	Messages []struct {
		ID  string `xml:"MessageID"`
		Ack struct {
			Order  string `xml:"AmazonOrderID"`
			Status string `xml:"StatusCode"`
			Items  []struct {
				Code   string `xml:"AmazonOrderItemCode"`
				Reason string `xml:"CancelReason"`
			} `xml:"Item"`
		} `xml:"OrderAcknowledgement"`
		Adjust struct {
			Order string `xml:"AmazonOrderID"`
			Items []struct {
				Code   string `xml:"AmazonOrderItemCode"`
				Reason string `xml:"AdjustmentReason"`
				Prices []struct {
					Amount string `xml:"Amount"`
				} `xml:"ItemPriceAdjustments>Component"`
			} `xml:"AdjustedItem"`
		} `xml:"OrderAdjustment"`
	} `xml:"Message"`
}

// cancelReasons are those that an acknowledgement may give.
var cancelReasons = []string{"NoInventory", "ShippingAddressUndeliverable", "CustomerExchange",
	"BuyerCanceled", "GeneralAdjustment", "CarrierCreditDecision",
	"RiskAssessmentInformationNotValid", "CarrierCoverageFailure", "CustomerReturn",
	"MerchandiseNotReceived", "CannotVerifyInformation", "PricingError", "RejectOrder",
	"WeatherDelay"}

func readAcknowledgements(body []byte) feedWork {
	var in amazonEnvelope
	if xml.Unmarshal(body, &in) != nil || in.Type != "OrderAcknowledgement" {
		return feedWork{}
	}
	var list []acknowledgement
	for _, m := range in.Messages {
		k := acknowledgement{id: m.ID, order: m.Ack.Order, status: m.Ack.Status}
		for _, i := range m.Ack.Items {
			k.items = append(k.items, i.Code)
			k.reason = i.Reason
		}
		list = append(list, k)
	}
	return acknowledgeAll(list)
}

// readFlatAcknowledgements reads the tab-separated twin: it cancels and nothing else.
func readFlatAcknowledgements(body []byte) feedWork {
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	heads := strings.Split(strings.TrimSpace(lines[0]), "\t")
	column := func(row []string, name string) string {
		i := slices.Index(heads, name)
		if i < 0 || i >= len(row) {
			return ""
		}
		return strings.TrimSpace(row[i])
	}
	if !slices.Contains(heads, "order-id") || !slices.Contains(heads, "cancellation-reason-code") {
		return feedWork{}
	}
	var list []acknowledgement
	for n, line := range lines[1:] {
		row := strings.Split(line, "\t")
		k := acknowledgement{id: fmt.Sprint(n + 1), order: column(row, "order-id"), status: "Failure",
			reason: column(row, "cancellation-reason-code")}
		if item := column(row, "amazon-order-item-code"); item != "" {
			k.items = []string{item}
		}
		list = append(list, k)
	}
	return acknowledgeAll(list)
}

// acknowledgeAll cancels the orders of the acknowledgements that say Failure.
func acknowledgeAll(list []acknowledgement) feedWork {
	return feedWork{len(list), func(a *action) []byte {
		var failed []string
		for _, k := range list {
			if err := a.acknowledge(k); err != nil {
				failed = append(failed, "<Result><MessageID>"+k.id+"</MessageID><ResultCode>Error"+
					"</ResultCode><ResultMessageCode>18028</ResultMessageCode><ResultDescription>"+
					escape(err.Error())+"</ResultDescription></Result>")
			}
		}
		return processingReport(len(list), failed)
	}}
}

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}

func (a *action) acknowledge(k acknowledgement) error {
	o := a.acct.byID[k.order]
	if o == nil || o.afn {
		return fmt.Errorf("%w: no order %q that the merchant fulfils", errOrder, k.order)
	}
	if k.status == "Success" {
		a.log(Entry{Kind: "order", Op: "acknowledged", Order: o.id})
		return nil
	}
	if k.status != "Failure" || !slices.Contains(cancelReasons, k.reason) {
		return fmt.Errorf("%w %s: status %q with reason %q", errOrder, o.id, k.status, k.reason)
	}
	c := cancelling{by: "MERCHANT", reason: k.reason}
	for _, id := range k.items {
		i := o.item(id)
		if i == nil {
			return fmt.Errorf("%w %s: no item %q", errOrder, o.id, id)
		}
		c.items = append(c.items, i)
	}
	return a.cancel(o, c)
}

// processingReport is the result of an XML feed.
func processingReport(messages int, failed []string) []byte {
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+
		`<AmazonEnvelope><Header><DocumentVersion>1.02</DocumentVersion></Header>`+
		`<MessageType>ProcessingReport</MessageType><Message><MessageID>1</MessageID>`+
		`<ProcessingReport><StatusCode>Complete</StatusCode><ProcessingSummary>`+
		`<MessagesProcessed>%d</MessagesProcessed><MessagesSuccessful>%d</MessagesSuccessful>`+
		`<MessagesWithError>%d</MessagesWithError><MessagesWithWarning>0</MessagesWithWarning>`+
		`</ProcessingSummary>%s</ProcessingReport></Message></AmazonEnvelope>`, messages,
		messages-len(failed), len(failed), strings.Join(failed, ""))
}

// readAdjustments reads refunds of the seller: money only.
func readAdjustments(body []byte) feedWork {
	var in amazonEnvelope
	if xml.Unmarshal(body, &in) != nil || in.Type != "OrderAdjustment" {
		return feedWork{}
	}
	return feedWork{len(in.Messages), func(a *action) []byte {
		var failed []string
		for _, m := range in.Messages {
			o := a.acct.byID[m.Adjust.Order]
			var sum money
			for _, i := range m.Adjust.Items {
				for _, p := range i.Prices {
					if o != nil {
						v, _ := parseMoney(p.Amount, o.market.currency)
						sum += v
					}
				}
			}
			if o == nil || sum <= 0 || sum > o.total()-o.refunded {
				failed = append(failed, "<Result><MessageID>"+escape(m.ID)+"</MessageID><ResultCode>"+
					"Error</ResultCode><ResultMessageCode>18028</ResultMessageCode>"+
					"<ResultDescription>The adjustment is not possible</ResultDescription></Result>")
				continue
			}
			a.refund(o, sum)
		}
		return processingReport(len(in.Messages), failed)
	}}
}
