package demo

import (
	"fmt"
	"sync"
	"time"

	"holdfast/cmd/internal/client"
)

// Books is the independent bookkeeping: what the nodes acknowledged, and nothing else. It is safe
// for concurrent use while the event runs; the checks read it afterwards.
type Books struct {
	mu       sync.Mutex
	cat      *Catalogue
	stocked  map[Place]int64 // set and delivered
	returned map[Place]int64 // back on the shelf
	accounts map[string]*Account
	again    int      // requests that were sent a second time
	unlike   []string // second answers that were not like the first
	wrong    []string // refusals that should not be
	refusals map[string]int
	last     time.Time     // of the last acknowledged write
	pause    time.Duration // the longest time between two of them since markKill
	marked   bool
}

// Account is what is known of one order.
type Account struct {
	Order    *Order
	Refused  string             // code of the refused reserve; empty when it was accepted
	Last     client.Reservation // the last acknowledged answer
	Deadline time.Time          // of the hold; zero when there is none
	Returned int64              // units, for the closing table
}

// NewBooks opens empty books.
func NewBooks(c *Catalogue) *Books {
	return &Books{cat: c, stocked: map[Place]int64{}, returned: map[Place]int64{},
		accounts: map[string]*Account{}, refusals: map[string]int{}}
}

// answer is what one call, or one op of a batch, came to.
type answer struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	client.Reservation
}

func (a answer) ok() bool { return a.Status >= 200 && a.Status < 300 }

// stock books an acknowledged change. A refused one is wrong: the plan asks only for what is
// possible.
func (b *Books) stock(c client.StockChange, r client.StockResult) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ticked()
	at := Place{c.SKU, c.Location}
	switch {
	case r.Status != "applied" && r.Status != "unchanged":
		b.wrong = append(b.wrong, fmt.Sprintf("stock of %s at %s: %s %s", c.SKU, c.Location, r.Status,
			r.Code))
	case c.Set != nil:
		b.stocked[at] = *c.Set
	default:
		b.stocked[at] += *c.Adjust
	}
}

// reserved books the first answer to an order's reserve. It reports whether the order goes on.
func (b *Books) reserved(o *Order, a answer) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	acc := &Account{Order: o}
	b.accounts[o.ID] = acc
	b.ticked()
	if !a.ok() {
		acc.Refused = a.Code
		b.refusals[a.Code]++
		if a.Code != "insufficient-stock" || o.short() {
			b.wrong = append(b.wrong, fmt.Sprintf("reserve %s: %d %s", o.ID, a.Status, a.Code))
		}
		return false
	}
	b.keep(acc, a.Reservation)
	return true
}

// did books the answer to a verb. It reports whether the order goes on.
func (b *Books) did(o *Order, v verb, a answer) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	acc := b.accounts[o.ID]
	b.ticked()
	if !a.ok() {
		b.wrong = append(b.wrong, fmt.Sprintf("%s %s: %d %s", v.Op, o.ID, a.Status, a.Code))
		return false
	}
	b.keep(acc, a.Reservation)
	if v.Op == "return" {
		for _, l := range v.Lines {
			acc.Returned += l.Qty
			if v.Disposition != "sellable" {
				continue
			}
			for _, part := range b.cat.parts(o.Lines[l.Line-1].SKU) {
				b.returned[Place{part.SKU, v.Location}] += l.Qty * part.Qty
			}
		}
	}
	return true
}

func (b *Books) keep(acc *Account, r client.Reservation) {
	acc.Last = r
	acc.Deadline = time.Time{}
	if r.ExpiresAt != nil {
		acc.Deadline = *r.ExpiresAt
	}
}

// repeated compares the second answer to a request with the first. An accepted reserve is answered
// as it is now, so only what cannot change is compared.
func (b *Books) repeated(what string, first, second answer, sameKey bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.again++
	same := first.ok() == second.ok() && first.Code == second.Code
	if sameKey {
		same = same && first.Status == second.Status
	}
	if same && first.ok() {
		same = first.ID == second.ID && len(first.Lines) == len(second.Lines)
		for i := range first.Lines {
			same = same && first.Lines[i].SKU == second.Lines[i].SKU &&
				first.Lines[i].Qty == second.Lines[i].Qty
		}
	}
	if !same {
		b.unlike = append(b.unlike, fmt.Sprintf("%s: first %d %s %s, then %d %s %s", what, first.Status,
			first.Code, first.ID, second.Status, second.Code, second.ID))
	}
}

// last returns the last acknowledged answer for an order.
func (b *Books) lastOf(o *Order) client.Reservation {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.accounts[o.ID].Last
}

// ticked notes that a write was acknowledged now.
func (b *Books) ticked() {
	now := time.Now()
	if b.marked && !b.last.IsZero() {
		b.pause = max(b.pause, now.Sub(b.last))
	}
	b.last = now
}

// markKill begins to measure the longest pause between two acknowledged writes.
func (b *Books) markKill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.marked = true
}

// shipped adds up what left each place, over all orders.
func (b *Books) shipped() map[Place]int64 {
	all := map[Place]int64{}
	for _, acc := range b.accounts {
		for _, l := range acc.Last.Lines {
			for _, a := range l.Allocations {
				all[Place{a.SKU, a.Location}] += a.Shipped
			}
		}
	}
	return all
}

// onHand says how many units must be at each place: stocked − shipped + returned for sale.
func (b *Books) onHand() map[Place]int64 {
	all := map[Place]int64{}
	for at, n := range b.stocked {
		all[at] += n
	}
	for at, n := range b.returned {
		all[at] += n
	}
	for at, n := range b.shipped() {
		all[at] -= n
	}
	return all
}

// lastDeadline is the latest moment at which a short hold of an abandoned order ends.
func (b *Books) lastDeadline() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	var at time.Time
	for _, acc := range b.accounts {
		if acc.Order.Fate == Abandoned && acc.Deadline.After(at) {
			at = acc.Deadline
		}
	}
	return at
}
