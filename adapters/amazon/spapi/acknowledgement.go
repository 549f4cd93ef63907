package spapi

import (
	"bytes"
	"encoding/xml"
	"io"
)

// Acknowledgement cancels an order that the seller was to send, whole: every line is named. There
// is no cancelling of a part.
type Acknowledgement struct {
	OrderID string
	Items   []string // order item ids
	Reason  string   // ReasonNoInventory and others
}

// The reasons of a cancellation, in the words of the feed.
const (
	ReasonNoInventory = "NoInventory" // Amazon does not give the units back to the listing
	ReasonBuyer       = "BuyerCanceled"
	ReasonRisk        = "RiskAssessmentInformationNotValid"
	ReasonGeneral     = "GeneralAdjustment"
)

type ackHeader struct {
	Version  string `xml:"DocumentVersion"`
	Merchant string `xml:"MerchantIdentifier"`
}

type ackItem struct {
	Code   string `xml:"AmazonOrderItemCode"`
	Reason string `xml:"CancelReason"`
}

type ackMessage struct {
	ID    int `xml:"MessageID"`
	Order struct {
		ID     string    `xml:"AmazonOrderID"`
		Status string    `xml:"StatusCode"`
		Items  []ackItem `xml:"Item"`
	} `xml:"OrderAcknowledgement"`
}

type ackEnvelope struct {
	XMLName  xml.Name     `xml:"AmazonEnvelope"`
	Schema   string       `xml:"xmlns:xsi,attr"`
	Location string       `xml:"xsi:noNamespaceSchemaLocation,attr"`
	Header   ackHeader    `xml:"Header"`
	Type     string       `xml:"MessageType"`
	Messages []ackMessage `xml:"Message"`
}

// AcknowledgementDocument makes the document of [AcknowledgementFeed]. It fails with a Fault when
// an order has no lines or no reason.
func AcknowledgementDocument(sellerID string, all []Acknowledgement) ([]byte, error) {
	e := ackEnvelope{Schema: "http://www.w3.org/2001/XMLSchema-instance",
		Location: "amzn-envelope.xsd", Header: ackHeader{"1.01", sellerID}, Type: "OrderAcknowledgement"}
	for i, a := range all {
		if a.OrderID == "" || len(a.Items) == 0 || a.Reason == "" {
			return nil, Refused(CodePayload, "a cancellation names an order, its lines and a reason")
		}
		m := ackMessage{ID: i + 1}
		m.Order.ID, m.Order.Status = a.OrderID, "Failure"
		for _, item := range a.Items {
			m.Order.Items = append(m.Order.Items, ackItem{item, a.Reason})
		}
		e.Messages = append(e.Messages, m)
	}
	if len(e.Messages) == 0 || sellerID == "" {
		return nil, Refused(CodePayload, "a feed of cancellations has a seller and orders")
	}
	out, err := xml.Marshal(e)
	if err != nil {
		return nil, &Fault{code: CodeRequest, class: classBug, detail: "acknowledgement", cause: err}
	}
	return append([]byte(xml.Header), out...), nil
}

// XMLReport is what became of a feed of XML.
type XMLReport struct {
	Processed int `xml:"Message>ProcessingReport>ProcessingSummary>MessagesProcessed"`
	Errors    int `xml:"Message>ProcessingReport>ProcessingSummary>MessagesWithError"`
	Results   []struct {
		MessageID   int    `xml:"MessageID"`
		Kind        string `xml:"ResultCode"` // Error, Warning
		Code        string `xml:"ResultMessageCode"`
		Description string `xml:"ResultDescription"`
	} `xml:"Message>ProcessingReport>Result"`
}

// Refused are the messages, by their numbers, that were not taken, with the first reason of each.
// An error of message 0 is of all of them: whole is then true.
func (r *XMLReport) Refused() (reasons map[int64]string, whole bool) {
	reasons = map[int64]string{}
	for _, res := range r.Results {
		if res.Kind != "Error" {
			continue
		}
		n := int64(res.MessageID)
		whole = whole || n == 0
		if reasons[n] == "" {
			reasons[n] = cut(res.Code, 32) + " " + cut(res.Description, 200)
		}
	}
	return reasons, whole
}

// ReadXMLReport reads the document of [Client.FeedResult] of a feed of XML. It fails with the
// document's Fault, or with one when it is no report.
func ReadXMLReport(r io.Reader) (*XMLReport, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxFeedReport+1))
	if err != nil {
		return nil, err
	}
	out := new(XMLReport)
	dec := xml.NewDecoder(bytes.NewReader(body))
	dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	if err := dec.Decode(out); err != nil || len(body) > maxFeedReport {
		return nil, &Fault{code: CodeAnswer, class: classBug, detail: "the report of a feed", cause: err}
	}
	return out, nil
}
