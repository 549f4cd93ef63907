package amazon

import (
	"context"
	"encoding/json"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/connections"
	"holdfast/adapters/records"
)

// Messages of levels get lost, and changes alone are known to be incomplete: so what has changed is read
// every few minutes, and everything once a day.

const (
	// levelsEvery is how often what has changed is read.
	levelsEvery = 15 * time.Minute
	// levelsWhole is how often everything is read.
	levelsWhole = 24 * time.Hour
	// levelsOverlap is asked again: a change shows some minutes later.
	levelsOverlap = 30 * time.Minute
	// levelSettles is after which time what is read is believed over any message.
	levelSettles = time.Hour
	// levelPages bounds a sweep: 50 SKUs a page.
	levelPages = 4000
	// levelTries is how often a sweep begins again whose page was too old: a token lives for 30 s.
	levelTries = 3
)

// levelPlace is where the sweeps of a pool are. It is the record CONNECTION/amazon-levels/READER of the
// table Cursors.
type levelPlace struct {
	Since time.Time `json:"since"` // of the last sweep that came to its end
	Whole time.Time `json:"whole"` // of the last that read everything

	version uint64
}

func (s *seller) levelKey(p *pool) string { return s.id + "/amazon-levels/" + p.reader }

func (s *seller) levelPlace(ctx context.Context, all *Sellers, p *pool) (at levelPlace, err error) {
	row, ok, err := all.cfg.Store.Get(ctx, records.Cursors, s.levelKey(p))
	if err != nil || !ok {
		return at, err
	}
	err = json.Unmarshal(row.Body, &at)
	at.version = row.Version
	return at, err
}

// sweepLevels reads what has changed of all pools that are a location of ours, or everything. It fails
// with a spapi.Fault, or with the store's error; then it is read again.
func (s *seller) sweepLevels(ctx context.Context, all *Sellers, whole bool) error {
	for _, p := range s.pools() {
		if p.location == "" {
			continue
		}
		if err := s.sweepPool(ctx, all, &p, whole); err != nil {
			return err
		}
	}
	return nil
}

func (s *seller) sweepPool(ctx context.Context, all *Sellers, p *pool, whole bool) error {
	at, err := s.levelPlace(ctx, all, p)
	if err != nil {
		return err
	}
	began := all.cfg.Now().UTC()
	whole = whole || began.Sub(at.Whole) >= s.every(levelsWhole)
	since := at.Since.Add(-s.every(levelsOverlap))
	if whole {
		since = time.Time{}
	}
	for try := 1; ; try++ {
		err = s.pages(ctx, all, p, since)
		if spapi.CodeOf(err) != spapi.CodeExpired || try == levelTries {
			break
		}
	}
	if err != nil {
		return err
	}
	at.Since = began
	if whole {
		at.Whole = began
	}
	var tx records.Tx
	tx.Replace(records.Record{Table: records.Cursors, Key: s.levelKey(p), Value: began.UnixMilli(),
		Body: tx.Encode(at)}, at.version)
	_, err = all.cfg.Store.Submit(ctx, &tx) // one that another leader has moved is as good
	return err
}

// pages reads all pages back to back, and takes each over as it comes.
func (s *seller) pages(ctx context.Context, all *Sellers, p *pool, since time.Time) error {
	q := spapi.LevelsQuery{MarketplaceID: p.reader, Since: since}
	for range levelPages {
		asked := all.cfg.Now().UTC()
		page, err := s.client.As(spapi.Background).Levels(ctx, q)
		if spapi.CodeOf(err) == "amazon-invalid-input" && q.Token == "" && since.IsZero() {
			return nil // so it is answered where Amazon has nothing at all
		}
		if err != nil {
			return err
		}
		list := make([]level, 0, len(page.Levels))
		for i := range page.Levels {
			if l := &page.Levels[i]; l.Complaint == "" && l.SellerSKU != "" {
				list = append(list, levelOf(l, asked))
			}
		}
		if err := s.takeLevels(ctx, all, p, list); err != nil {
			return err
		}
		if q.Token = page.Next; q.Token == "" {
			return nil
		}
	}
	return spapi.Refused("too-many-levels", "more than %d pages of levels", levelPages)
}

// Levels reads everything that Amazon has in its warehouses. It fails as a sweep does; then it is read
// again, which adds nothing.
func (a *adapter) Levels(ctx context.Context, _ string) (connections.Page, error) {
	s, err := a.all.seller(a.id)
	if err != nil {
		return connections.Page{}, err
	}
	return connections.Page{}, s.sweepLevels(ctx, a.all, true)
}
