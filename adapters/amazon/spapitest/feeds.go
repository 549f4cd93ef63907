package spapitest

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// feed is one submission of many changes.
type feed struct {
	id, kind, status   string
	markets            []string
	input, result      *document
	created, from, end time.Time
}

// The states of feeds and reports.
const (
	inQueue    = "IN_QUEUE"
	inProgress = "IN_PROGRESS"
	done       = "DONE"
	fatal      = "FATAL"
	stopped    = "CANCELLED"
)

// The types of feeds that are processed; others are refused.
const (
	feedListings    = "JSON_LISTINGS_FEED"
	feedAcknowledge = "POST_ORDER_ACKNOWLEDGEMENT_DATA"
	feedAcknowFlat  = "POST_FLAT_FILE_ORDER_ACKNOWLEDGEMENT_DATA"
	feedAdjust      = "POST_PAYMENT_ADJUSTMENT_DATA"
)

func createFeedDocument(c *call) answer {
	var in struct {
		ContentType string `json:"contentType"`
	}
	if json.Unmarshal(c.body, &in) != nil || in.ContentType == "" {
		return invalid("contentType is required.")
	}
	d := c.srv.docs.add(&document{contentType: in.ContentType, acct: c.acct})
	c.entry.Doc = d.id
	return answer{201, obj{"feedDocumentId": d.id, "url": c.srv.docs.url(c.r, d, "PUT")}, "ok"}
}

func getFeedDocument(c *call) answer {
	d := c.srv.docs.find(c.acct, c.params["feedDocumentId"])
	if d == nil {
		return notFound("The feed document was not found.")
	}
	return ok(c.documentJSON(d, "feedDocumentId"))
}

func (c *call) documentJSON(d *document, name string) obj {
	c.entry.Doc = d.id
	out := obj{name: d.id, "url": c.srv.docs.url(c.r, d, "GET")}
	if d.gzip {
		out["compressionAlgorithm"] = "GZIP"
	}
	return out
}

func createFeed(c *call) answer {
	var in struct {
		Kind     string   `json:"feedType"`
		Markets  []string `json:"marketplaceIds"`
		Document string   `json:"inputFeedDocumentId"`
	}
	if json.Unmarshal(c.body, &in) != nil {
		return invalid("The request body is not valid.")
	}
	known := []string{feedListings, feedAcknowledge, feedAcknowFlat, feedAdjust}
	if !slices.Contains(known, in.Kind) {
		return invalid("Invalid feedType: " + in.Kind)
	}
	if len(in.Markets) == 0 || len(in.Markets) > 25 || !c.acct.sells(in.Markets) {
		return invalid("Invalid marketplaceIds.")
	}
	d := c.srv.docs.find(c.acct, in.Document)
	if d == nil {
		return invalid("The feed document was not found.")
	}
	if _, uploaded := c.srv.docs.content(d); !uploaded {
		return invalid("Nothing was uploaded to the feed document.")
	}
	f := &feed{id: c.srv.newID(11), kind: in.Kind, status: inQueue, markets: in.Markets, input: d,
		created: c.act.at}
	c.acct.feeds = keepNewest(c.acct.feeds, f)
	c.entry.Doc = f.id
	c.act.log(Entry{Kind: "feed", Op: inQueue, Type: f.kind, Doc: f.id})
	request := c.n
	c.acct.after(c.srv.timing().FeedWait, "api", func(a *action) {
		a.request = request
		a.startFeed(f)
	})
	return answer{202, obj{"feedId": f.id}, "ok"}
}

// startFeed reads a feed; its messages are done after a while that grows with their number.
func (a *action) startFeed(f *feed) {
	if f.status != inQueue {
		return
	}
	x, srv := a.acct, a.acct.srv
	f.status, f.from = inProgress, a.at
	a.log(Entry{Kind: "feed", Op: inProgress, Type: f.kind, Doc: f.id})
	body, _ := srv.docs.content(f.input)
	work := x.readFeed(f, body)
	var wait time.Duration
	for range work.messages {
		wait += srv.timing().FeedMessage.draw(x.rng)
	}
	fault := srv.faults.pick([]string{FaultFeedFatal}, victim{account: x.cfg.Name,
		region: x.cfg.Region, kind: f.kind})
	request := a.request
	x.afterTime(wait, "api", func(a *action) {
		a.request = request
		if fault != nil {
			a.fault = fault.id
			a.log(Entry{Kind: "fault", Op: fault.Kind, Type: f.kind, Doc: f.id})
			a.endFeed(f, fatal, nil)
			return
		}
		if work.run == nil {
			a.endFeed(f, fatal, nil)
			return
		}
		a.endFeed(f, done, work.run(a))
	})
}

// feedWork is a feed that was read: how many messages it has and what doing them results in. A feed
// that cannot be read has nothing to run, and is FATAL.
type feedWork struct {
	messages int
	run      func(a *action) []byte
}

func (x *account) readFeed(f *feed, body []byte) feedWork {
	switch f.kind {
	case feedListings:
		return x.readListingsFeed(f, body)
	case feedAcknowledge:
		return readAcknowledgements(body)
	case feedAcknowFlat:
		return readFlatAcknowledgements(body)
	}
	return readAdjustments(body)
}

func (a *action) endFeed(f *feed, status string, result []byte) {
	f.status, f.end = status, a.at
	if result != nil {
		kind := "text/xml; charset=UTF-8"
		if f.kind == feedListings {
			kind = "application/json; charset=UTF-8"
		}
		f.result = a.acct.srv.docs.add(&document{contentType: kind, body: squeeze(result), gzip: true,
			uploaded: true, acct: a.acct})
	}
	a.log(Entry{Kind: "feed", Op: status, Type: f.kind, Doc: f.id})
	n := obj{"sellerId": a.acct.cfg.SellerID, "accountId": "amzn1.merchant.o." + a.acct.cfg.SellerID,
		"feedId": f.id, "feedType": f.kind, "processingStatus": status}
	if f.result != nil {
		n["resultFeedDocumentId"] = f.result.id
	}
	a.tell(note{kind: noteFeed, about: f.id, payload: obj{"feedProcessingFinishedNotification": n}})
}

func (f *feed) json() obj {
	out := obj{"feedId": f.id, "feedType": f.kind, "marketplaceIds": f.markets,
		"createdTime": stamp(f.created), "processingStatus": f.status}
	if !f.from.IsZero() {
		out["processingStartTime"] = stamp(f.from)
	}
	if !f.end.IsZero() {
		out["processingEndTime"] = stamp(f.end)
	}
	if f.result != nil {
		out["resultFeedDocumentId"] = f.result.id
	}
	return out
}

func (x *account) feed(id string) *feed {
	for _, f := range x.feeds {
		if f.id == id {
			return f
		}
	}
	return nil
}

func getFeed(c *call) answer {
	f := c.acct.feed(c.params["feedId"])
	if f == nil {
		return notFound("The feed was not found.")
	}
	return ok(f.json())
}

func cancelFeed(c *call) answer {
	f := c.acct.feed(c.params["feedId"])
	if f == nil {
		return notFound("The feed was not found.")
	}
	if f.status != inQueue {
		return invalid("Only a feed that is IN_QUEUE can be cancelled.")
	}
	c.act.endFeed(f, stopped, nil)
	return answer{200, nil, "ok"}
}

// getFeeds lists feeds, the newest first.
func getFeeds(c *call) answer {
	from, refused := c.resume()
	if refused != nil {
		return *refused
	}
	kinds, states := c.list("feedTypes"), c.list("processingStatuses")
	size, fine := c.pageSize(10)
	if len(kinds) == 0 || !fine {
		return invalid("feedTypes or nextToken is required, and pageSize is 1 to 100.")
	}
	found := []obj{}
	for i := len(c.acct.feeds) - 1; i >= 0; i-- {
		f := c.acct.feeds[i]
		if slices.Contains(kinds, f.kind) && (len(states) == 0 || slices.Contains(states, f.status)) {
			found = append(found, f.json())
		}
	}
	return ok(c.cut(found, "feeds", from, size))
}

// pageSize reads the parameter of that name, 1 to 100.
func (c *call) pageSize(usual int) (int, bool) {
	text := c.query.Get("pageSize")
	if text == "" {
		return usual, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 1 && n <= 100
}

// resume reads the token of a list of feeds or reports, which must be the only parameter: the
// others are in it. It returns where to go on.
func (c *call) resume() (from int, refused *answer) {
	text := c.query.Get("nextToken")
	if text == "" {
		return 0, nil
	}
	bad := invalid("Invalid nextToken: it is malformed or has expired, or is not the only parameter.")
	var t pageToken
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(raw, &t) != nil || len(c.query) != 1 || t.At < 0 ||
		c.srv.clock.Now().UnixMilli() >= t.Expires {
		return 0, &bad
	}
	if c.query, err = url.ParseQuery(t.Query); err != nil || t.Hash != c.hash("nextToken") {
		return 0, &bad
	}
	return int(t.At), nil
}

// jobLimit bounds the feeds, and the reports, that are kept of an account.
const jobLimit = 10_000

// keepNewest adds to a list of feeds or reports; the oldest goes where there are too many. What is
// still under way is finished, but nobody can ask for it.
func keepNewest[T any](list []*T, x *T) []*T {
	if len(list) >= jobLimit {
		list[0] = nil
		list = list[1:]
	}
	return append(list, x)
}

// cut takes one page out of a list and says how to go on.
func (c *call) cut(found []obj, name string, from, size int) obj {
	from = min(from, len(found))
	to := min(from+size, len(found))
	out := obj{name: found[from:to]}
	if to < len(found) {
		out["nextToken"] = pageToken{Hash: c.hash("nextToken"), At: int64(to), Query: c.query.Encode(),
			Expires: c.srv.clock.Now().Add(c.srv.period(orderTokenLife)).UnixMilli()}.text()
	}
	return out
}
