package amazon

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
)

// Many quantities that can wait go as one feed. What became of a feed is found out whatever happens:
//
//	written down ──▶ uploaded, made ──▶ its id is written ──▶ it ended ──▶ its slots are told ──▶ forgotten
//	     │                │
//	     │                └─ nobody knows whether it was made: it is looked for among Amazon's feeds
//	     └─ the process died here: the same
//
// A feed that was not found within feedLost was never made.

const (
	// feedLeast is from how many waiting quantities on a feed is worth its minutes.
	feedLeast = 1000
	// feedKept is how many feeds are left to others of the account: an order's cancellation is a feed.
	feedKept = 3
	// feedEvery is how often unfinished feeds are looked at.
	feedEvery = 30 * time.Second
	// feedLost is how long a feed of which nobody knows whether it was made is looked for.
	feedLost = 10 * time.Minute
)

// sentFeed is a feed that was not seen ended. It is the record CONNECTION/feed/KEY of the table
// Documents.
type sentFeed struct {
	Key string    `json:"key"`
	ID  string    `json:"id,omitempty"` // empty: nobody knows whether there is one
	At  time.Time `json:"at"`
}

func feedPrefix(connection string) string { return connection + "/feed/" }

// Bulk is how many quantities make a feed worth it, and the most that one takes; most is 0 while the
// account may not make another one.
func (p *pusher) Bulk() (least, most int) {
	s, err := p.all.seller(p.id)
	if err != nil {
		return 0, 0
	}
	for _, l := range s.client.Budgets().Limits() {
		if l.Operation == "createFeed" && l.Left <= feedKept {
			return 0, 0
		}
	}
	return feedLeast, spapi.MaxMessages
}

// MayBulk reports whether it is known of a slot that the seller fulfils it: a feed is no place to ask.
func (p *pusher) MayBulk(slot *publish.Slot) bool {
	s, err := p.all.seller(p.id)
	if err != nil {
		return false
	}
	l, ok := s.guard.of(slot.SellerSKU, p.all.cfg.Now(), s.every(guardAge))
	return ok && l.by == spapi.ByMerchant
}

// PushBulk sends quantities as one feed. It fails when nothing was sent, and that is no try.
func (p *pusher) PushBulk(ctx context.Context, slots []publish.Slot, pushes []publish.Push) error {
	s, err := p.all.seller(p.id)
	if err != nil {
		return notSent(err)
	}
	messages := make([]spapi.FeedMessage, len(slots))
	for i := range slots {
		messages[i] = spapi.FeedMessage{ID: slots[i].Bulk.Number, SKU: slots[i].SellerSKU,
			ProductType: spapi.AnyProductType,
			Patches:     []spapi.PatchOp{spapi.QuantityOp(pushes[i].Quantity)}}
	}
	document, err := spapi.ListingsFeedDocument(s.seller, messages)
	if err != nil {
		return err
	}
	f := sentFeed{Key: slots[0].Bulk.Key, At: p.all.cfg.Now().UTC()}
	version, err := s.putFeed(ctx, p.all, f, 0)
	if err != nil {
		return notSent(err)
	}
	f.ID, err = s.client.As(spapi.Ordinary).SendFeed(ctx, spapi.NewFeed{Type: spapi.ListingsFeed,
		Marketplaces: s.conn.Marketplaces, ContentType: spapi.JSONFeed, Document: document})
	var fault *spapi.Fault
	if err != nil && errors.As(err, &fault) && !fault.Unknown() {
		var tx records.Tx
		tx.Drop(records.Documents, feedPrefix(s.id)+f.Key, version)
		_, _ = p.all.cfg.Store.Submit(ctx, &tx) // else it is looked for, and not found
		return notSent(err)
	}
	if err == nil {
		_, err = s.putFeed(ctx, p.all, f, version)
	}
	if err != nil {
		p.all.cfg.Logger.Info("a feed is looked for", "connection", s.id, "feed", f.Key, "error", err)
	}
	return nil
}

func (s *seller) putFeed(ctx context.Context, all *Sellers, f sentFeed, old uint64) (uint64, error) {
	var tx records.Tx
	tx.Replace(records.Record{Table: records.Documents, Key: feedPrefix(s.id) + f.Key, Body: tx.Encode(f)}, old)
	o, err := all.cfg.Store.Submit(ctx, &tx)
	if err == nil && o.Conflict {
		err = spapi.Later(time.Second, "a feed was noted by another leader")
	}
	return o.Index, err
}

// feeds finds out what became of unfinished feeds, and tells their slots. One that cannot be looked at
// holds up no other. It fails with what went wrong, joined, and then looks again when it is due.
func (s *seller) feeds(ctx context.Context, all *Sellers) error {
	rows, _, err := all.cfg.Store.List(ctx, records.Documents, feedPrefix(s.id), "", records.MaxList)
	if err != nil {
		return err
	}
	taken := map[string]bool{} // ids that belong to one of them
	list := make([]sentFeed, len(rows))
	for i, row := range rows {
		if list[i], err = records.Decode[sentFeed](row); err != nil {
			return err
		}
		taken[list[i].ID] = true
	}
	var failed []error
	for i := range list {
		if err := s.feed(ctx, all, list[i], rows[i].Version, taken); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// feed looks at one of them.
func (s *seller) feed(ctx context.Context, all *Sellers, f sentFeed, version uint64, taken map[string]bool) error {
	if f.ID == "" {
		id, err := s.findFeed(ctx, f, taken)
		if err != nil {
			return err
		}
		if id == "" {
			if all.cfg.Now().Before(f.At.Add(s.every(feedLost))) {
				return nil
			}
			return s.endFeed(ctx, all, f, version, publish.Worked{None: true})
		}
		f.ID, taken[id] = id, true
		if version, err = s.putFeed(ctx, all, f, version); err != nil {
			return err
		}
	}
	at, err := s.client.As(spapi.Background).Feed(ctx, f.ID)
	switch {
	case spapi.CodeOf(err) == spapi.CodeGone:
		return s.endFeed(ctx, all, f, version, publish.Worked{None: true})
	case err != nil || !spapi.Ended(at.Status):
		return err
	case at.Status != spapi.Done || at.Result == "":
		return s.endFeed(ctx, all, f, version, publish.Worked{None: true})
	}
	document, err := s.client.As(spapi.Background).FeedResult(ctx, at.Result)
	if err != nil {
		return err
	}
	defer document.Close()
	report, err := spapi.ReadFeedReport(document)
	if err != nil {
		return err
	}
	w := publish.Worked{Refused: map[int]bool{}}
	var reasons map[int64]string
	reasons, w.None = report.Refused()
	for number := range reasons {
		w.Refused[int(number)] = true
	}
	return s.endFeed(ctx, all, f, version, w, slices.Collect(texts(reasons))...)
}

// texts are the reasons of a report, some of them: an exception has no room for all.
func texts(reasons map[int64]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		left := 5
		for _, text := range reasons {
			if left--; left < 0 || !yield(text) {
				return
			}
		}
	}
}

// findFeed looks for a feed that may have been made: the first one since then that is nobody else's.
func (s *seller) findFeed(ctx context.Context, f sentFeed, taken map[string]bool) (string, error) {
	found, err := s.client.As(spapi.Background).Feeds(ctx, spapi.ListingsFeed, f.At.Add(-time.Minute))
	if err != nil {
		return "", err
	}
	slices.SortFunc(found, func(a, b spapi.Feed) int { return a.CreatedAt.Compare(b.CreatedAt.Time) })
	for i := range found {
		if at := found[i].CreatedAt.Time; !taken[found[i].ID] && !at.Before(f.At.Add(-time.Minute)) {
			return found[i].ID, nil
		}
	}
	return "", nil
}

// endFeed tells the slots of a feed, and forgets it once all of them know. What was refused is raised:
// each of its quantities is then sent by itself, and says more.
func (s *seller) endFeed(ctx context.Context, all *Sellers, f sentFeed, version uint64, w publish.Worked,
	reasons ...string) error {
	now := all.cfg.Now().UTC()
	w.Connection, w.Key, w.At, w.Look = s.id, f.Key, now, now.Add(s.every(patchLate))
	again, err := publish.EndBulk(ctx, all.cfg.Store, w)
	if err != nil || again {
		return err
	}
	trace := "feed:" + s.id
	_, err = records.Retry(ctx, all.cfg.Store, func(tx *records.Tx) error {
		tx.Drop(records.Documents, feedPrefix(s.id)+f.Key, version)
		if !w.None && len(w.Refused) == 0 {
			return exceptions.Clear(ctx, all.cfg.Store, tx, trace, now)
		}
		return exceptions.Raise(ctx, all.cfg.Store, tx, exceptions.Exception{Trace: trace,
			Class: exceptions.Data, Code: "feed-refused", Flow: "F1", Connection: s.id, Key: first(f.ID, f.Key),
			LastAt: now, Detail: "A feed of quantities was not taken whole; what was not is sent one by one. " +
				strings.Join(reasons, "; ")})
	})
	return err
}
