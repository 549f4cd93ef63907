package amazon

import (
	"context"
	"fmt"
	"time"

	"holdfast/adapters/amazon/queue"
	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/exceptions"
)

// Take takes in a message of the queue of a connection. It returns nil after the commit of what the
// message says, or when it can never be of use; [Sellers.Keep] keeps what it fails with as
// malformed. Every other failure is the store's, or a spapi.Fault: the message should come again.
func (s *Sellers) Take(ctx context.Context, connection string, m queue.Message) error {
	at, err := s.seller(connection)
	if err != nil {
		return err
	}
	n, err := spapi.Decode(m.Body)
	if err != nil {
		return err
	}
	if n.ID == "" {
		n.ID = m.ID // of the queue: the same for each delivery of this copy
	}
	if n.SellerID != "" && n.SellerID != at.seller {
		return s.stranger(ctx, at, n)
	}
	if n.Order == nil {
		return at.stockNews(ctx, s, n)
	}
	if n.Order.MarketplaceID != "" && !at.sells(n.Order.MarketplaceID) {
		return nil // of a marketplace that nobody has connected
	}
	return at.changed(ctx, s, n)
}

// stranger raises that a queue brings messages of another seller: they are of no use here, and
// somebody may miss them elsewhere.
func (s *Sellers) stranger(ctx context.Context, at *seller, n *spapi.Notification) error {
	return s.keep(ctx, exceptions.Exception{Trace: "seller:" + at.id + ":" + n.SellerID,
		Class: exceptions.Data, Code: "other-seller", Flow: "F5", Connection: at.id, Key: n.SellerID,
		Detail: fmt.Sprintf("The queue brings messages of the seller %s, who is not this "+
			"connection's; they are dropped.", exceptions.Cut(n.SellerID, 64))}, nil)
}

// Keep makes an exception of a message that can never be taken in, with its body. It fails with the
// store's error; then nothing is kept.
func (s *Sellers) Keep(ctx context.Context, connection string, m queue.Message, why error) error {
	return s.keep(ctx, exceptions.Exception{Trace: "message:" + connection + ":" + m.ID,
		Class: exceptions.Data, Code: "bad-message", Flow: "F5", Connection: connection, Key: m.ID,
		Detail: "A message of Amazon's can never be taken in: " + why.Error()}, m.Body)
}

// messageTime bounds the handling of a message: a commit that lasts longer is known at the next try.
const messageTime = 30 * time.Second

// consumer reads the queue of a connection; nil when it has none.
func (s *Sellers) consumer(at *seller) (*queue.Consumer, error) {
	set := &at.settings
	if set.Queue == "" {
		return nil, nil
	}
	key := func() (id, secret, session string, err error) {
		for name, into := range map[string]*string{secretKeyID: &id, secretKey: &secret,
			secretSession: &session} {
			if !at.secrets.Has(name) {
				continue
			}
			value, err := at.secrets.Read(name)
			if err != nil {
				return "", "", "", err
			}
			*into = value.Reveal()
		}
		return id, secret, session, nil
	}
	api, err := queue.Open(queue.Access{URL: set.Queue, Region: set.QueueRegion,
		Endpoint: set.QueueEndpoint, Key: key})
	if err != nil {
		return nil, err
	}
	return queue.New(queue.Config{API: api, URL: set.Queue, Logger: s.cfg.Logger,
		Note: func(outcome string) { s.seen.WithLabelValues(at.id, outcome).Inc() },
		Handle: func(ctx context.Context, m queue.Message) error {
			ctx, cancel := context.WithTimeout(ctx, messageTime)
			defer cancel()
			return s.Take(ctx, at.id, m)
		},
		Bad: func(ctx context.Context, m queue.Message, why error) error {
			return s.Keep(ctx, at.id, m, why)
		}})
}
