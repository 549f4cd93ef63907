package amazon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
)

// pusher changes and reads the quantities of one account. It is safe for concurrent use.
//
// Amazon takes a quantity over whatever is there, and says that it has accepted it; it takes effect up to
// ten minutes later, and what is sold meanwhile is taken from what was there before. So:
//
//   - Each quantity that was accepted is read again when it must be in effect.
//   - A reading that is not what is expected says nothing while a quantity may still be on its way, nor
//     before both sweeps have seen all that happened until the number was first read so.
type pusher struct {
	all *Sellers
	id  string
}

const (
	// pushBatch is how many quantities one call has: what the limit lets in within five seconds, so that
	// a fall never waits longer for its turn.
	pushBatch = 25
	// pushAtOnce is how many of them are under way: enough to use up the limit over a slow line.
	pushAtOnce = 8
	// patchLate is how long an accepted quantity may take to be in effect.
	patchLate = 11 * time.Minute
)

// Pusher is how the quantities of a connection are changed and read. It fails when there is no such
// seller, or when nothing says what is mapped.
func (s *Sellers) Pusher(connection string) (publish.Pusher, error) {
	if s.cfg.Mapping == nil {
		return nil, errors.New("amazon: the pusher has no mapping")
	}
	if _, err := s.seller(connection); err != nil {
		return nil, fmt.Errorf("pusher of %s: %w", connection, err)
	}
	return &pusher{all: s, id: connection}, nil
}

var (
	_ publish.Pusher = (*pusher)(nil)
	_ publish.Bulker = (*pusher)(nil)
)

// PushBatch is the most changes of one call.
func (p *pusher) PushBatch() int { return pushBatch }

// each runs do for each of n things, a few at a time, and waits for all.
func each(n int, do func(i int)) {
	var running sync.WaitGroup
	turns := make(chan struct{}, pushAtOnce)
	for i := range n {
		turns <- struct{}{}
		running.Go(func() {
			defer func() { <-turns }()
			do(i)
		})
	}
	running.Wait()
}

// Push sends quantities, each by a patch of its own. Each answer is nil when Amazon has accepted it, a
// failure that is Unsent when nothing was sent, one that is Unknown when nobody knows, else one that
// says why not. The error is of the call as a whole.
func (p *pusher) Push(ctx context.Context, slots []publish.Slot, pushes []publish.Push) ([]error, error) {
	s, err := p.all.seller(p.id)
	if err != nil {
		return nil, notSent(err)
	}
	answers := make([]error, len(pushes))
	each(len(pushes), func(i int) { answers[i] = s.push(ctx, p.all, &slots[i], &pushes[i]) })
	var tx records.Tx
	now := p.all.cfg.Now().UTC()
	for i := range answers {
		switch code := spapi.CodeOf(answers[i]); {
		case answers[i] == nil && slots[i].Hold == "":
			publish.Look(&tx, slots[i].ID, now.Add(s.every(patchLate)))
		case answers[i] == nil: // a standing hold waits for what is seen there
			publish.Look(&tx, slots[i].ID, now)
		case slots[i].Blocked == "" && (code == codeByAmazon || code == codeNoChannel || code == codeNoListing):
			publish.Look(&tx, slots[i].ID, now) // once: asked again and again it would never be due
		}
	}
	if !tx.Empty() {
		// What is not noted is read with the next full pass.
		if _, err := p.all.cfg.Store.Submit(ctx, &tx); err != nil {
			p.all.cfg.Logger.Warn("what was sent is not noted to be read", "connection", p.id, "error", err)
		}
	}
	return answers, nil
}

// push sends one quantity.
func (s *seller) push(ctx context.Context, all *Sellers, slot *publish.Slot, push *publish.Push) error {
	urgency := spapi.Ordinary
	if push.Quantity < push.From {
		urgency = spapi.Falls
	}
	l, err := s.guarded(ctx, all, urgency, slot.SellerSKU)
	if err != nil {
		return err
	}
	_, err = s.client.As(urgency).PatchListing(ctx, spapi.ListingKey{SellerID: s.seller,
		SKU: slot.SellerSKU, Marketplaces: l.markets}, spapi.QuantityPatch(push.Quantity), false)
	switch spapi.CodeOf(err) {
	case spapi.CodeThrottled:
		return notSent(err) // nobody was let in
	case spapi.CodeGone, spapi.CodeInvalid:
		s.guard.forget(slot.SellerSKU)
	}
	return err
}

// Read reads listings. The answers are in the same order; nil: there was such a listing, and it is gone.
// One that could not be read says that it is to be read again. It fails when none could be read.
func (p *pusher) Read(ctx context.Context, slots []publish.Slot) ([]*publish.Seen, error) {
	s, err := p.all.seller(p.id)
	if err != nil {
		return nil, err
	}
	seen, errs := make([]*publish.Seen, len(slots)), make([]error, len(slots))
	each(len(slots), func(i int) { seen[i], errs[i] = s.seen(ctx, p.all, &slots[i]) })
	failed := 0
	for i := range errs {
		if errs[i] != nil {
			failed++
			now := p.all.cfg.Now().UTC() // after every watermark: it says nothing yet
			seen[i] = &publish.Seen{UpdatedAt: now, ReadAt: now, Active: true, Tracked: true}
		}
	}
	if failed > 0 && failed == len(slots) {
		return nil, errs[0]
	}
	return seen, nil
}

// seen is what one slot shows.
func (s *seller) seen(ctx context.Context, all *Sellers, slot *publish.Slot) (*publish.Seen, error) {
	tally, _, err := all.cfg.Store.Get(ctx, records.Tallies, slot.ID)
	if err != nil {
		return nil, err
	}
	asked := all.cfg.Now().UTC()
	l, err := s.look(ctx, all, spapi.Background, slot.SellerSKU)
	gone := spapi.CodeOf(err) == spapi.CodeGone
	switch {
	case gone && slot.Known && (slot.Seen == nil || slot.Seen.Tracked):
		return nil, nil
	case gone:
		return &publish.Seen{UpdatedAt: asked, ReadAt: asked, Active: true}, all.judge(ctx, slot,
			spapi.Refused(codeNoListing, "Amazon has no listing %q", slot.SellerSKU))
	case err != nil:
		return nil, err
	}
	why := l.refusal(slot.SellerSKU)
	differs := l.quantity - slot.Expected(tally.Value)
	// After the answer: whatever is in it happened before.
	since := s.guard.same(slot.SellerSKU, differs, all.cfg.Now().UTC())
	v := &publish.Seen{Available: l.quantity, OnHand: l.quantity, UpdatedAt: since, ReadAt: asked,
		Active: true, Tracked: why == nil}
	if v.Tracked && slot.Known && differs != 0 {
		settled, err := s.settled(ctx, all, slot, since)
		if err != nil {
			return nil, err
		}
		if !settled {
			v.UpdatedAt = asked
		}
	}
	return v, all.judge(ctx, slot, why)
}

// settled reports whether a number that is not as expected, and was the same since a moment, will not
// explain itself: no quantity of ours can be on its way, and the changes of orders are known up to then,
// because a cancellation puts units back.
func (s *seller) settled(ctx context.Context, all *Sellers, slot *publish.Slot, since time.Time) (bool, error) {
	if all.cfg.Now().Before(slot.AckedAt.Add(s.every(patchLate))) {
		return false, nil
	}
	row, ok, err := all.cfg.Store.Get(ctx, records.Cursors, s.id+byChange.name)
	return ok && time.UnixMilli(row.Value).After(since), err
}
