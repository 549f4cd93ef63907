package spapi

import (
	"context"
	"time"

	"holdfast/adapters/lenient"
)

// The types of feeds that are sent.
const (
	ListingsFeed        = "JSON_LISTINGS_FEED"
	AcknowledgementFeed = "POST_ORDER_ACKNOWLEDGEMENT_DATA"
	AdjustmentFeed      = "POST_PAYMENT_ADJUSTMENT_DATA"
)

// The types of their documents. The upload must say the same.
const (
	JSONFeed = "application/json; charset=UTF-8"
	XMLFeed  = "text/xml; charset=UTF-8"
)

// Feed is a feed under way, or done.
type Feed struct {
	ID        string         `json:"feedId"`
	Type      string         `json:"feedType"`
	Status    string         `json:"processingStatus"`
	CreatedAt lenient.Moment `json:"createdTime"`
	EndedAt   lenient.Moment `json:"processingEndTime"`
	Result    string         `json:"resultFeedDocumentId"`
}

// The states of feeds and reports. Amazon may have others: they are not ended.
const (
	Queued    = "IN_QUEUE"
	Running   = "IN_PROGRESS"
	Done      = "DONE"
	Cancelled = "CANCELLED" // of a report: there was nothing in it, or it was asked for too early
	Fatal     = "FATAL"
)

// Ended reports whether a state of a feed or a report is the last one.
func Ended(status string) bool { return status == Done || status == Cancelled || status == Fatal }

// NewFeed is a feed to be sent.
type NewFeed struct {
	Type         string
	Marketplaces []string
	ContentType  string
	Document     []byte
}

// SendFeed uploads a document and makes a feed of it, and returns the feed's id. It fails with a
// Fault: before its last call nothing has happened, and if that one is of unknown outcome there may
// be a feed, which [Client.Feeds] shows.
func (c *Client) SendFeed(ctx context.Context, n NewFeed) (id string, err error) {
	var target struct {
		ID  string `json:"feedDocumentId"`
		URL string `json:"url"`
	}
	kind := struct {
		ContentType string `json:"contentType"`
	}{n.ContentType}
	if err := c.do(ctx, opCreateFeedDocument, call{body: kind, out: &target}); err != nil {
		return "", err
	}
	if err := c.upload(ctx, target.URL, n.ContentType, n.Document); err != nil {
		return "", err
	}
	body := struct {
		Type         string   `json:"feedType"`
		Marketplaces []string `json:"marketplaceIds"`
		Document     string   `json:"inputFeedDocumentId"`
	}{n.Type, n.Marketplaces, target.ID}
	var made struct {
		ID string `json:"feedId"`
	}
	if err := c.do(ctx, opCreateFeed, call{body: body, out: &made}); err != nil {
		return "", err
	}
	if made.ID == "" {
		return "", &Fault{code: CodeAnswer, class: classBug, retryable: true, unknown: true,
			detail: "createFeed: an answer without an id"}
	}
	return made.ID, nil
}

// Feed reads how far a feed is. It fails with a Fault.
func (c *Client) Feed(ctx context.Context, id string) (*Feed, error) {
	out := new(Feed)
	if err := c.do(ctx, opGetFeed, call{args: []string{id}, out: out}); err != nil {
		return nil, err
	}
	return out, nil
}

// Feeds lists the newest feeds of a type since a moment, at most 100: to find one whose making was
// of unknown outcome. It fails with a Fault.
func (c *Client) Feeds(ctx context.Context, kind string, since time.Time) ([]Feed, error) {
	q := query{"pageSize": "100"}
	q.set("feedTypes", kind)
	q.time("createdSince", since)
	var out struct {
		Feeds []Feed `json:"feeds"`
	}
	err := c.do(ctx, opGetFeeds, call{query: q, out: &out})
	return out.Feeds, err
}

// FeedResult opens the document that says what became of a feed. It fails with a Fault. Close the
// document.
func (c *Client) FeedResult(ctx context.Context, document string) (*Document, error) {
	return c.document(ctx, opGetFeedDocument, document)
}
