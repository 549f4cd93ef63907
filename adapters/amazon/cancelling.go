package amazon

import (
	"context"
	"encoding/json"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

// canceller is the way to cancel an order at Amazon: today a feed of acknowledgements, and an operation of
// the Orders API once Amazon lets it be called.
type canceller interface {
	// Begin asks for it, and returns the name of what was begun. It fails with a Fault; of unknown
	// outcome, Begun finds it.
	Begin(ctx context.Context, a spapi.Acknowledgement) (name string, err error)
	// Begun finds what may have been begun since a moment, newest first. It fails with a Fault.
	Begun(ctx context.Context, since time.Time) (names []string, err error)
	// Ended reports whether it has come to its end, and why it was refused; refused is empty when it was
	// not. It fails with a Fault.
	Ended(ctx context.Context, name string) (ended bool, refused string, err error)
}

// feedCanceller cancels by feeds.
type feedCanceller struct{ s *seller }

// Begin fails with a Fault.
func (f feedCanceller) Begin(ctx context.Context, a spapi.Acknowledgement) (string, error) {
	doc, err := spapi.AcknowledgementDocument(f.s.seller, []spapi.Acknowledgement{a})
	if err != nil {
		return "", err
	}
	return f.s.client.SendFeed(ctx, spapi.NewFeed{Type: spapi.AcknowledgementFeed,
		Marketplaces: f.s.conn.Marketplaces, ContentType: spapi.XMLFeed, Document: doc})
}

// Begun fails with a Fault.
func (f feedCanceller) Begun(ctx context.Context, since time.Time) (names []string, err error) {
	all, err := f.s.client.Feeds(ctx, spapi.AcknowledgementFeed, since)
	for i := range all {
		names = append(names, all[i].ID)
	}
	return names, err
}

// Ended fails with a Fault.
func (f feedCanceller) Ended(ctx context.Context, name string) (bool, string, error) {
	feed, err := f.s.client.Feed(ctx, name)
	if err != nil || !spapi.Ended(feed.Status) {
		return false, "", err
	}
	if feed.Status != spapi.Done {
		return true, "Amazon ended the feed as " + feed.Status, nil
	}
	if feed.Result == "" {
		return true, "", nil
	}
	doc, err := f.s.client.FeedResult(ctx, feed.Result)
	if err != nil {
		return false, "", err
	}
	defer doc.Close()
	report, err := spapi.ReadXMLReport(doc)
	if err != nil {
		return false, "", err
	}
	reasons, whole := report.Refused()
	switch {
	case whole:
		return true, first(reasons[0], "Amazon refused the feed"), nil
	case len(reasons) > 0:
		return true, first(reasons[1], "Amazon refused the cancellation"), nil
	}
	return true, "", nil
}

// cancelling is a cancellation under way: the record CONNECTION/cancel/ORDER of the table Documents.
type cancelling struct {
	Since time.Time `json:"since"`          // when it was first tried
	Feed  string    `json:"feed,omitempty"` // empty: it may not have been begun
	// Doubt: the feed is one of several that were made in that time, and perhaps another order's.
	Doubt bool `json:"doubt,omitempty"`
}

const (
	feedLook = time.Minute // Amazon takes minutes for a feed
	// doubtFor is how much earlier than our clock Amazon's may be.
	doubtFor = 5 * time.Minute
)

// acknowledgement asks Amazon to cancel an order. Its units stay promised until Amazon itself says that it is
// cancelled, which is the business of whoever reads orders.
//
// It is noted that a cancellation is begun before it is, and which feed it is behind that. A process that
// dies in between leaves a note without a feed: the next try looks whether the order is cancelled, and whether
// there is a feed, before it makes one. A feed that is sent twice cancels once.
func (j *job) acknowledgement(ctx context.Context) (outbox.Finish, error) {
	o, err := j.load(ctx)
	if err != nil {
		return outbox.Finish{}, err
	}
	if !o.CancelledAt.IsZero() {
		return outbox.Finish{}, &outbox.Needless{Why: "Amazon has cancelled the order"}
	}
	doc, version, err := j.readCancelling(ctx)
	if err != nil {
		return outbox.Finish{}, err
	}
	if doc.Feed == "" {
		off, err := j.begin(ctx, o, &doc, version)
		if err != nil {
			return outbox.Finish{}, err
		}
		if off {
			return j.readBack(nil), nil
		}
		return outbox.Finish{}, &outbox.Later{After: j.every(feedLook), Why: "Amazon works at feed " + doc.Feed}
	}
	ended, refused, err := j.canceller().Ended(ctx, doc.Feed)
	if err != nil {
		return outbox.Finish{}, err
	}
	if !ended {
		return outbox.Finish{}, &outbox.Later{After: j.every(feedLook), Why: "Amazon works at feed " + doc.Feed}
	}
	off, err := j.cancelledThere(ctx, o)
	if err != nil {
		return outbox.Finish{}, err
	}
	switch {
	case off, refused == "" && !doc.Doubt:
		return j.readBack(map[string]string{"feed": doc.Feed}), nil
	case doc.Doubt:
		feed := doc.Feed
		if err := j.keepCancelling(ctx, cancelling{Since: j.all.cfg.Now().UTC()}, version); err != nil {
			return outbox.Finish{}, err
		}
		return outbox.Finish{}, &outbox.Later{After: j.every(feedLook), Why: "feed " + feed + " was another order's"}
	}
	// A retry by a person sends a new one.
	if err := j.keepCancelling(ctx, cancelling{Since: j.all.cfg.Now().UTC()}, version); err != nil {
		return outbox.Finish{}, err
	}
	return outbox.Finish{}, spapi.Refused("cancellation-refused",
		"Amazon does not cancel the order: %s. It stays promised.", refused)
}

// canceller is the way that is open today.
func (j *job) canceller() canceller { return feedCanceller{j.seller} }

// begin makes the feed, or finds the one that was made. off: there is none, and Amazon has cancelled.
func (j *job) begin(ctx context.Context, o *orders.Order, doc *cancelling, version uint64) (off bool, err error) {
	var p struct {
		Reason string `json:"reason"`
	}
	if len(j.t.Payload) > 0 {
		if err := json.Unmarshal(j.t.Payload, &p); err != nil {
			return false, spapi.Refused(spapi.CodePayload, "the payload of %s: %v", j.t.Kind, err)
		}
	}
	if version != 0 {
		if off, err = j.cancelledThere(ctx, o); off || err != nil {
			return off, err
		}
		if doc.Feed, err = j.adopt(ctx, doc.Since.Add(-doubtFor)); err != nil {
			return false, err
		}
		if doc.Feed != "" {
			doc.Doubt = true
			return false, j.keepCancelling(ctx, *doc, version)
		}
	}
	*doc = cancelling{Since: j.all.cfg.Now().UTC()}
	if err := j.keepCancelling(ctx, *doc, version); err != nil {
		return false, err
	}
	a := spapi.Acknowledgement{OrderID: o.Home.ID, Reason: first(p.Reason, spapi.ReasonGeneral)}
	for i := range o.Lines {
		a.Items = append(a.Items, o.Lines[i].Ref)
	}
	if doc.Feed, err = j.canceller().Begin(ctx, a); err != nil {
		return false, err
	}
	_, version, err = j.readCancelling(ctx)
	if err != nil {
		return false, err
	}
	return false, j.keepCancelling(ctx, *doc, version)
}

// adopt finds a feed since a moment that is no other order's, as far as is known.
func (j *job) adopt(ctx context.Context, since time.Time) (string, error) {
	names, err := j.canceller().Begun(ctx, since)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		_, taken, err := j.all.cfg.Store.Get(ctx, records.Seen, j.feedKey(name))
		if err != nil {
			return "", err
		}
		if !taken {
			return name, nil
		}
	}
	return "", nil
}

func (j *job) feedKey(name string) string { return j.id + "/feed/" + name }

// cancelledThere reports whether Amazon shows an order as cancelled.
func (j *job) cancelledThere(ctx context.Context, o *orders.Order) (bool, error) {
	at, err := j.client.Order(ctx, o.Home.ID, spapi.WithFulfillment)
	if err != nil {
		return false, err
	}
	return at.Fulfillment != nil && at.Fulfillment.Status == spapi.StatusCancelled, nil
}

// readBack ends the task, and has the order read: that is what gives its units back.
func (j *job) readBack(result any) outbox.Finish {
	return outbox.Finish{Result: result, Also: func(ctx context.Context, tx *records.Tx) error {
		return outbox.Again(ctx, j.all.cfg.Store, tx, outbox.Task{Kind: taskRead, Connection: j.id,
			Key: j.t.Key, CreatedAt: j.all.cfg.Now().UTC(), Trace: j.t.Trace, Flow: "F4"})
	}}
}

func (j *job) cancellingKey() string { return j.id + "/cancel/" + j.t.Key }

func (j *job) readCancelling(ctx context.Context) (c cancelling, version uint64, err error) {
	row, ok, err := j.all.cfg.Store.Get(ctx, records.Documents, j.cancellingKey())
	if err != nil || !ok {
		return c, 0, err
	}
	c, err = records.Decode[cancelling](row)
	return c, row.Version, err
}

// keepCancelling writes how far a cancellation is; a feed is then known to be taken, for as long as Amazon
// lists it.
func (j *job) keepCancelling(ctx context.Context, c cancelling, version uint64) error {
	var tx records.Tx
	tx.Replace(records.Record{Table: records.Documents, Key: j.cancellingKey(), Body: tx.Encode(c)}, version)
	if c.Feed != "" {
		_, known, err := j.all.cfg.Store.Get(ctx, records.Seen, j.feedKey(c.Feed))
		if err != nil {
			return err
		}
		if !known {
			tx.Remember(j.feedKey(c.Feed), j.all.cfg.Now().UTC().Add(90*24*time.Hour))
		}
	}
	out, err := j.all.cfg.Store.Submit(ctx, &tx)
	if err == nil && out.Conflict {
		return &outbox.Later{After: time.Second, Why: "somebody else works at the cancellation"}
	}
	return err
}

// declineCancel is what Amazon is told when the wish of a buyer is declined: nothing. There is no call for
// it; sending the order is the answer.
func (j *job) declineCancel(context.Context) (outbox.Finish, error) {
	return outbox.Finish{}, &outbox.Needless{Why: "Amazon has no call for it: sending the order declines"}
}
