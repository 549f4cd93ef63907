package amazon

import (
	"context"
	"slices"
	"sync"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
)

// A quantity for a listing whose stock Amazon holds makes it the seller's to send: buyers order what
// nobody has, and what lies in the warehouse is stranded. So who fulfils a listing is read before the
// first quantity is sent for it, and again when what was read is too old. What does not say that the
// seller fulfils it is sent nothing.

const (
	// guardAge is how long a reading is believed. A seller moves a listing to Amazon's warehouses by
	// hand, and a message of its change makes the reading void at once.
	guardAge = 6 * time.Hour
	// guardMost bounds the readings that are kept: more listings than that are read more often.
	guardMost = 200_000
)

// Why nothing is sent for a listing.
const (
	codeByAmazon  = "listing-by-amazon" // Amazon holds its stock
	codeNoChannel = "listing-unclear"   // it does not say who holds its stock
	codeNoListing = "listing-missing"   // there is no such listing
)

// listed is what a listing was read to be.
type listed struct {
	by       string // spapi.ByAmazon, spapi.ByMerchant; empty: it does not say
	markets  []string
	at       time.Time
	quantity int64 // for sale of the seller's own stock
	// differs is by how much the quantity was not as expected, since a moment at which it was first read
	// so. Until then all is known, once both sweeps are past it, that still makes the same difference.
	differs int64
	since   time.Time
}

// guard keeps what listings of an account were read to be. It is safe for concurrent use.
type guard struct {
	mu   sync.Mutex
	read map[string]listed // by seller SKU
}

func newGuard() *guard { return &guard{read: map[string]listed{}} }

// of returns what a listing was read to be, unless that is older than an age.
func (g *guard) of(sku string, now time.Time, age time.Duration) (l listed, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, ok = g.read[sku]
	return l, ok && now.Sub(l.at) < age
}

// put keeps a reading.
func (g *guard) put(sku string, l listed) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old, ok := g.read[sku]
	if !ok && len(g.read) >= guardMost {
		for other := range g.read { // any: it is read again when it is needed
			delete(g.read, other)
			break
		}
	}
	l.differs, l.since = old.differs, old.since
	g.read[sku] = l
}

// same returns since when a listing's quantity is not as expected by so much.
func (g *guard) same(sku string, differs int64, now time.Time) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, ok := g.read[sku]
	if !ok {
		return now
	}
	if l.since.IsZero() || l.differs != differs {
		l.differs, l.since = differs, now
		g.read[sku] = l
	}
	return l.since
}

// forget makes a reading void.
func (g *guard) forget(sku string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.read, sku)
}

// mapped lists the marketplaces of the connection in which a seller SKU is mapped.
func (s *Sellers) mapped(a *account, sku string) (list []string) {
	for _, m := range a.conn.Marketplaces {
		if _, ok := s.cfg.Mapping.BySellerSKU(a.id, m, sku); ok {
			list = append(list, m)
		}
	}
	return list
}

// look reads a listing, in all marketplaces in which it is mapped. It fails with a spapi.Fault; its code
// is [spapi.CodeGone] where none of them has it.
func (s *seller) look(ctx context.Context, all *Sellers, u spapi.Urgency, sku string) (listed, error) {
	markets := all.mapped(s.account, sku)
	if len(markets) == 0 {
		return listed{}, spapi.Refused(spapi.CodeGone, "the seller SKU %q is not mapped", sku)
	}
	got, err := s.ask(ctx, u, sku, markets)
	for i := 0; spapi.CodeOf(err) == spapi.CodeGone && len(markets) > 1 && i < len(markets); i++ {
		got, err = s.ask(ctx, u, sku, markets[i:i+1]) // it need not be listed in all of them
	}
	if err != nil {
		return listed{}, err
	}
	l := listed{by: got.FulfilledBy(), at: all.cfg.Now().UTC()}
	for i := range got.Summaries {
		if m := got.Summaries[i].MarketplaceID; slices.Contains(markets, m) && !slices.Contains(l.markets, m) {
			l.markets = append(l.markets, m)
		}
	}
	if len(l.markets) == 0 {
		l.markets = markets[:1]
	}
	for i := range got.Availability {
		if q := got.Availability[i].Quantity; !got.Availability[i].ByAmazon() && q != nil && !q.Bad {
			l.quantity = max(l.quantity, q.Value)
		}
	}
	s.guard.put(sku, l)
	return l, nil
}

func (s *seller) ask(ctx context.Context, u spapi.Urgency, sku string, markets []string) (*spapi.Listing, error) {
	return s.client.As(u).Listing(ctx, spapi.ListingKey{SellerID: s.seller, SKU: sku, Marketplaces: markets},
		spapi.WithSummaries, spapi.WithAvailability)
}

// refusal is why nothing may be sent for a listing; nil when it may.
func (l *listed) refusal(sku string) *spapi.Fault {
	switch l.by {
	case spapi.ByMerchant:
		return nil
	case spapi.ByAmazon:
		return spapi.Refused(codeByAmazon, "Amazon holds the stock of %q: a quantity would strand it", sku)
	}
	return spapi.Refused(codeNoChannel, "the listing %q does not say who holds its stock", sku)
}

// guarded returns the listing of a slot if a quantity may be sent for it. It fails with a spapi.Fault:
// what says why it may not, or that of the reading.
func (s *seller) guarded(ctx context.Context, all *Sellers, u spapi.Urgency, sku string) (listed, error) {
	l, ok := s.guard.of(sku, all.cfg.Now(), s.every(guardAge))
	if !ok {
		var err error
		if l, err = s.look(ctx, all, u, sku); spapi.CodeOf(err) == spapi.CodeGone {
			return l, spapi.Refused(codeNoListing, "Amazon has no listing %q", sku)
		} else if err != nil {
			return l, notSent(err)
		}
	}
	if f := l.refusal(sku); f != nil {
		return l, f
	}
	return l, nil
}

// judge raises that a slot can be sent nothing for good, or clears it. It fails with the store's error.
func (s *Sellers) judge(ctx context.Context, slot *publish.Slot, f *spapi.Fault) error {
	trace := "listing:" + slot.ID
	if f == nil {
		_, known, err := s.cfg.Store.Get(ctx, records.Exceptions, exceptions.ID(trace))
		if err != nil || !known {
			return err
		}
	}
	_, err := records.Retry(ctx, s.cfg.Store, func(tx *records.Tx) error {
		now := s.cfg.Now().UTC()
		if f == nil {
			return exceptions.Clear(ctx, s.cfg.Store, tx, trace, now)
		}
		return exceptions.Raise(ctx, s.cfg.Store, tx, exceptions.Exception{Trace: trace,
			Class: exceptions.Data, Code: f.Code(), Flow: "F1", Connection: slot.Connection, Key: slot.SellerSKU,
			LastAt: now, Detail: f.Error() + ". Nothing is sent for it. Say fulfilment amazon in its mapping, " +
				"or map another seller SKU."})
	})
	return err
}

// unsent is a failure before anything was sent.
type unsent struct{ error }

func notSent(err error) error { return &unsent{err} }

// Unsent is true: it is no try.
func (u *unsent) Unsent() bool { return true }

// Unwrap returns what failed.
func (u *unsent) Unwrap() error { return u.error }
