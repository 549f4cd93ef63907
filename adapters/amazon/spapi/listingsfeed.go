package spapi

import (
	"encoding/json"
	"fmt"
	"io"

	"holdfast/adapters/lenient"
)

// FeedMessage is one listing's part of a feed of listings.
type FeedMessage struct {
	ID          int // 0: its place, from 1
	SKU         string
	ProductType string
	Patches     []PatchOp
}

type feedMessage struct {
	ID          int       `json:"messageId"`
	SKU         string    `json:"sku"`
	Operation   string    `json:"operationType"`
	ProductType string    `json:"productType"`
	Patches     []PatchOp `json:"patches"`
}

// MaxMessages bounds the messages of a feed: Amazon asks for at most 10,000.
const MaxMessages = 10_000

// ListingsFeedDocument makes the document of [ListingsFeed]: each SKU once, its messages
// numbered as they say, or all by their places. It fails with a Fault when a SKU stands twice, because the order in which
// Amazon would take them is not known, or when a quantity would strand stock.
func ListingsFeedDocument(sellerID string, messages []FeedMessage) ([]byte, error) {
	if len(messages) == 0 || len(messages) > MaxMessages || sellerID == "" {
		return nil, Refused(CodePayload, "a feed of listings has a seller and 1 to %d messages", MaxMessages)
	}
	type header struct {
		Seller  string `json:"sellerId"`
		Version string `json:"version"`
		Locale  string `json:"issueLocale"`
	}
	document := struct {
		Header   header        `json:"header"`
		Messages []feedMessage `json:"messages"`
	}{header{sellerID, "2.0", "en_US"}, make([]feedMessage, 0, len(messages))}
	seen := make(map[string]bool, len(messages))
	for i, m := range messages {
		if m.ID == 0 {
			m.ID = i + 1
		}
		if m.SKU == "" || seen[m.SKU] || len(m.Patches) == 0 {
			return nil, Refused(CodePayload, "message %d: a SKU stands in a feed once, with patches", i+1)
		}
		seen[m.SKU] = true
		for _, op := range m.Patches {
			if err := checkQuantity(op); err != nil {
				return nil, err
			}
		}
		document.Messages = append(document.Messages,
			feedMessage{m.ID, m.SKU, "PATCH", m.ProductType, m.Patches})
	}
	out, err := (&call{body: document}).encode(opCreateFeed)
	return out, err
}

// FeedReport is what became of a feed of listings.
type FeedReport struct {
	Issues  []FeedIssue `json:"issues"`
	Summary struct {
		Errors    lenient.Number `json:"errors"`
		Warnings  lenient.Number `json:"warnings"`
		Processed lenient.Number `json:"messagesProcessed"`
		Accepted  lenient.Number `json:"messagesAccepted"`
		Invalid   lenient.Number `json:"messagesInvalid"`
	} `json:"summary"`
}

// FeedIssue is an issue of one message.
type FeedIssue struct {
	MessageID lenient.Number `json:"messageId"`
	SKU       string         `json:"sku"`
	Code      string         `json:"code"`
	Severity  string         `json:"severity"`
	Message   string         `json:"message"`
	Attribute string         `json:"attributeName"`
}

// Refused are the messages, by their numbers, that were not taken, with the first reason of each.
// An error without a number is of all of them: whole is then true.
func (r *FeedReport) Refused() (reasons map[int64]string, whole bool) {
	reasons = map[int64]string{}
	for _, i := range r.Issues {
		if i.Severity != SeverityError {
			continue
		}
		n := i.MessageID.Value
		whole = whole || n == 0
		if reasons[n] == "" {
			reasons[n] = cut(i.Code, 32) + " " + cut(i.Message, 200)
		}
	}
	return reasons, whole
}

// maxFeedReport bounds the report of a feed: 10,000 messages with several issues each.
const maxFeedReport = 64 << 20

// ReadFeedReport reads the document of [Client.FeedResult]. It fails with the document's Fault, or
// with one when it is no report.
func ReadFeedReport(r io.Reader) (*FeedReport, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxFeedReport+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxFeedReport {
		return nil, &Fault{code: CodeTooLarge, class: classData, detail: "the report of a feed"}
	}
	out := new(FeedReport)
	if err := json.Unmarshal(body, out); err != nil {
		return nil, &Fault{code: CodeAnswer, class: classBug,
			detail: fmt.Sprintf("the report of a feed, %d bytes", len(body)), cause: err}
	}
	return out, nil
}
