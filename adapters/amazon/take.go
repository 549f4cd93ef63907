package amazon

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/orders"
	"holdfast/adapters/records"
)

// take hands an order to the book, as it came with the data that was asked for. One that the book
// cannot have, or that cannot be understood whole, becomes an exception and holds up no other. It
// fails with the store's error, and then it comes again.
func (s *seller) take(ctx context.Context, all *Sellers, o *spapi.Order, include []string) error {
	r := &reading{acc: s.account, heard: all.cfg.Now().UTC(),
		unpriced: !slices.Contains(include, spapi.WithProceeds)}
	if !r.order(o) || r.ignored != "" {
		return s.complain(ctx, all, r, o.ID)
	}
	err := s.receive(ctx, all, r)
	if err != nil && !isNo(err) {
		return err
	}
	if err != nil {
		r.complain("the book does not take it: %v", err)
	} else if err := s.asked(ctx, all, r); err != nil {
		return err
	}
	return s.complain(ctx, all, r, o.ID)
}

// receive hands a snapshot to the book, with the packages of what Amazon sends as they are known.
func (s *seller) receive(ctx context.Context, all *Sellers, r *reading) error {
	if r.snap.FulfilledBy == byAmazon {
		all.sent.Lock()
		defer all.sent.Unlock()
		if err := s.packed(ctx, all, r); err != nil {
			return err
		}
	}
	_, err := all.cfg.Book.Receive(ctx, orders.Delivery{Connection: s.id}, r.snap)
	return err
}

// isNo reports whether an error is the book's own no, which does not change by itself.
func isNo(err error) bool {
	var no *orders.Error
	return errors.As(err, &no)
}

// askedFor is how long it is remembered that a buyer's wish was passed on: Amazon shows it as long
// as the order is open, also when it was declined here.
const askedFor = 120 * 24 * time.Hour

// asked passes on, once, that the buyer wants the order cancelled. When the process dies before it
// is remembered, the book is told again and knows it.
func (s *seller) asked(ctx context.Context, all *Sellers, r *reading) error {
	if r.asks == "" || r.snap.Cancelled != nil {
		return nil
	}
	return s.passOn(ctx, all, r.snap.Home.ID)
}

func (s *seller) passOn(ctx context.Context, all *Sellers, id string) error {
	key := s.id + "/cancel-asked/" + id
	if _, known, err := all.cfg.Store.Get(ctx, records.Seen, key); err != nil || known {
		return err
	}
	_, err := all.cfg.Book.Cancel(ctx, s.orderKey(id), orders.CancelRequest{By: s.id, Buyer: true,
		Reason: "CUSTOMER", Restock: true})
	if err != nil && !isNo(err) {
		return err
	}
	_, err = records.Retry(ctx, all.cfg.Store, func(tx *records.Tx) error {
		if _, known, err := all.cfg.Store.Get(ctx, records.Seen, key); err != nil || known {
			return err
		}
		tx.Remember(key, all.cfg.Now().UTC().Add(askedFor))
		return nil
	})
	return err
}

// complain raises what could not be understood of an order, or clears it. It has ids and quantities
// of the order, and nothing of the buyer.
func (s *seller) complain(ctx context.Context, all *Sellers, r *reading, id string) error {
	trace := "order:" + s.id + ":" + id
	if len(r.complaints) == 0 {
		_, known, err := all.cfg.Store.Get(ctx, records.Exceptions, exceptions.ID(trace))
		if err != nil || !known {
			return err
		}
	}
	_, err := records.Retry(ctx, all.cfg.Store, func(tx *records.Tx) error {
		now := all.cfg.Now().UTC()
		if len(r.complaints) == 0 {
			return exceptions.Clear(ctx, all.cfg.Store, tx, trace, now)
		}
		return exceptions.Raise(ctx, all.cfg.Store, tx, exceptions.Exception{Trace: trace,
			Class: exceptions.Data, Code: "odd-order", Flow: "F5", Connection: s.id,
			Key: s.orderKey(id), LastAt: now,
			Detail: "An order of Amazon's is not as it should be: " + strings.Join(r.complaints, "; ")})
	})
	return err
}

// keep raises an exception that keeps the body of a message.
func (s *Sellers) keep(ctx context.Context, e exceptions.Exception, body []byte) error {
	const most = 24 << 10 // of the text; JSON writes some of it longer
	text := exceptions.Cut(strings.ToValidUTF8(string(body), "\ufffd"), most)
	kept, err := json.Marshal(struct {
		Bytes int    `json:"bytes"`
		Body  string `json:"body"`
	}{len(body), text})
	if err != nil {
		return err
	}
	e.Payload, e.LastAt = kept, s.cfg.Now().UTC()
	_, err = records.Retry(ctx, s.cfg.Store, func(tx *records.Tx) error {
		return exceptions.Raise(ctx, s.cfg.Store, tx, e)
	})
	return err
}

// roles is what the application may ask for, as far as Amazon has shown. It is safe for concurrent
// use.
type roles struct {
	mu     sync.Mutex
	denied int // how many of the sets of data were refused
	until  time.Time
}

// deniedFor is how long a refusal of data is believed: somebody may give the role meanwhile.
const deniedFor = time.Hour

// include lists what an order is asked for, most of it first: a role that is missing is answered by
// a refusal of everything.
func (s *seller) include() [][]string {
	least := []string{spapi.WithFulfillment, spapi.WithCancellation}
	sets := [][]string{append([]string{spapi.WithPackages, spapi.WithProceeds}, least...),
		append([]string{spapi.WithPackages}, least...), least}
	if s.settings.Recipient {
		sets = append([][]string{append([]string{spapi.WithRecipient}, sets[0]...)}, sets...)
	}
	return sets
}

// withRoles calls with as much data as the roles allow. Less than all is raised, because an order
// without it cannot be made elsewhere.
func (s *seller) withRoles(ctx context.Context, all *Sellers, call func(include []string) error) error {
	sets := s.include()
	s.roles.mu.Lock()
	begin := 0
	if all.cfg.Now().Before(s.roles.until) {
		begin = min(s.roles.denied, len(sets)-1)
	}
	s.roles.mu.Unlock()
	for i := begin; ; i++ {
		err := call(sets[i])
		if spapi.CodeOf(err) == spapi.CodeDenied && i+1 < len(sets) {
			continue
		}
		if err != nil {
			return err
		}
		if i > begin {
			s.roles.mu.Lock()
			s.roles.denied, s.roles.until = i, all.cfg.Now().Add(s.every(deniedFor))
			s.roles.mu.Unlock()
			return s.missing(ctx, all, sets[i])
		}
		return nil
	}
}

func (s *seller) missing(ctx context.Context, all *Sellers, got []string) error {
	_, err := records.Retry(ctx, all.cfg.Store, func(tx *records.Tx) error {
		return exceptions.Raise(ctx, all.cfg.Store, tx, exceptions.Exception{
			Trace: "roles:" + s.id, Class: exceptions.Auth, Code: "role-missing", Flow: "F5",
			Connection: s.id, Key: s.id, LastAt: all.cfg.Now().UTC(),
			Detail: "Amazon shows orders with no more than " + strings.Join(got, ", ") +
				": the application lacks a role, or the seller must authorise it again."})
	})
	return err
}

// fetch reads one order with what the roles allow, and takes it in. It fails with a spapi.Fault, or
// with the store's error.
func (s *seller) fetch(ctx context.Context, all *Sellers, id string) error {
	var o *spapi.Order
	var got []string
	err := s.withRoles(ctx, all, func(include []string) (err error) {
		got = include
		o, err = s.client.Order(ctx, id, include...)
		return err
	})
	if err != nil {
		return err
	}
	return s.take(ctx, all, o, got)
}
