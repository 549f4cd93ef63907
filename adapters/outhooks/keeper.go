package outhooks

import (
	"context"
	"errors"
	"sync"
	"time"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

// Keeper watches how the endpoints do, while this node leads, and says so in the records: which are
// disabled, and whose queue is full. It is safe for concurrent use.
type Keeper struct {
	cfg  KeeperConfig
	mu   sync.Mutex
	news map[string]*news
}

// KeeperConfig is what a Keeper works with. All but Speed is required.
type KeeperConfig struct {
	Store records.Store
	Book  *Book
	// Lanes are those of the outbox's dispatcher.
	Lanes func() []outbox.LaneState
	Now   func() time.Time
	Speed int // divides DisableAfter, beside simulators; 1 or 0 is none
}

// news is what was heard of an endpoint since its standing was written last.
type news struct {
	success, failure time.Time // the last of each; zero: none
	first            time.Time // the first failure behind the last success
	why              string
	gone             bool
}

const (
	// DisableAfter is how long an endpoint must fail, without one success, before it is disabled: a
	// weekend. Its first message is then still tried, so no message is given up because of it.
	DisableAfter = 60 * time.Hour
	// MaxQueued is how many messages may wait for an endpoint: a day of a large shop, in some 50 MB.
	MaxQueued = 100_000
	// lookEvery is how old the numbers are that a queue is held against.
	lookEvery = 5 * time.Second
	// roomAgain is how far a full queue must have emptied, in percent, before messages are queued again.
	roomAgain = 90
	// maxWhy bounds a text of the records.
	maxWhy = 200
)

// NewKeeper returns a Keeper. It fails when something that is required is missing.
func NewKeeper(cfg KeeperConfig) (*Keeper, error) {
	if cfg.Store == nil || cfg.Book == nil || cfg.Lanes == nil || cfg.Now == nil {
		return nil, errors.New("outhooks: a port is missing")
	}
	if cfg.Speed < 1 {
		cfg.Speed = 1
	}
	return &Keeper{cfg: cfg, news: make(map[string]*news)}, nil
}

// note hears how a delivery ended.
func (k *Keeper) note(id string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.news[id]
	if n == nil {
		n = new(news)
		k.news[id] = n
	}
	now := k.cfg.Now().UTC()
	if err == nil {
		n.success, n.first, n.gone = now, time.Time{}, false
		return
	}
	if n.first.IsZero() {
		n.first = now
	}
	n.failure, n.why = now, exceptions.Cut(err.Error(), maxWhy)
	var f *Fault
	n.gone = n.gone || errors.As(err, &f) && f.gone
}

// Run writes the standings until ctx ends. It fails with ctx's error, or with the store's; what was heard
// and not written is then written by the next Run.
func (k *Keeper) Run(ctx context.Context) error {
	timer := time.NewTicker(lookEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			if err := k.look(ctx); err != nil {
				return err
			}
		}
	}
}

// look holds what was heard against each standing, and writes those that have changed.
func (k *Keeper) look(ctx context.Context) error {
	waiting := make(map[string]int)
	for _, lane := range k.cfg.Lanes() {
		waiting[lane.Connection] = lane.Waiting
	}
	for _, e := range k.cfg.Book.entries() {
		heard := k.take(e.ID)
		queued := waiting[lanePrefix+e.ID]
		if heard == nil && queued == e.Standing.Waiting && !k.due(&e.Standing) {
			continue
		}
		_, err := records.Retry(ctx, k.cfg.Store, func(tx *records.Tx) error {
			return k.write(ctx, tx, e.ID, heard, queued)
		})
		if err != nil {
			k.keep(e.ID, heard)
			return err
		}
	}
	return nil
}

func (k *Keeper) due(s *Standing) bool {
	return s.DisabledAt.IsZero() && !s.FailingSince.IsZero() &&
		k.cfg.Now().Sub(s.FailingSince) >= DisableAfter/time.Duration(k.cfg.Speed)
}

// take returns what was heard of an endpoint, once.
func (k *Keeper) take(id string) *news {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.news[id]
	delete(k.news, id)
	return n
}

// keep gives back what could not be written, unless newer news came.
func (k *Keeper) keep(id string, n *news) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n != nil && k.news[id] == nil {
		k.news[id] = n
	}
}

func (k *Keeper) write(ctx context.Context, tx *records.Tx, id string, heard *news, queued int) error {
	e, err := k.cfg.Book.Read(ctx, id)
	var none *Error
	if errors.As(err, &none) {
		return nil // removed meanwhile; an empty Tx does nothing
	}
	if err != nil {
		return err
	}
	s := e.Standing
	s.hear(heard)
	s.Waiting = queued
	switch {
	case queued >= MaxQueued:
		s.Full = true
	case s.Full && queued < MaxQueued*roomAgain/100:
		s.Full = false
		if err := exceptions.Clear(ctx, k.cfg.Store, tx, fullTrace(id), k.cfg.Now()); err != nil {
			return err
		}
	}
	why := ""
	switch {
	case heard != nil && heard.gone:
		why = "the receiver answered 410: it wants no more"
	case k.due(&s):
		why = "no message has arrived since " + s.FailingSince.Format(time.RFC3339)
	}
	if why != "" && s.DisabledAt.IsZero() {
		s.DisabledAt, s.Why = k.cfg.Now().UTC(), why
		if err := k.disabled(ctx, tx, id, &s); err != nil {
			return err
		}
	}
	tx.Look(records.Deliveries, documentPrefix+id, e.Version) // one that was removed leaves nothing
	tx.Put(records.Record{Table: records.Deliveries, Key: standingPrefix + id, Body: tx.Encode(s)})
	return nil
}

// hear takes what was heard into a standing.
func (s *Standing) hear(n *news) {
	if n == nil {
		return
	}
	if n.success.After(s.LastSuccess) {
		s.LastSuccess, s.FailingSince = n.success, time.Time{}
	}
	if n.failure.After(s.LastFailure) {
		s.LastFailure, s.LastError = n.failure, n.why
	}
	if !n.first.IsZero() && s.FailingSince.IsZero() {
		s.FailingSince = n.first
	}
}

func (k *Keeper) disabled(ctx context.Context, tx *records.Tx, id string, s *Standing) error {
	return exceptions.Raise(ctx, k.cfg.Store, tx, exceptions.Exception{Trace: disabledTrace(id),
		Class: exceptions.Data, Code: "webhook-disabled", Key: id, Flow: "F15",
		Connection: lanePrefix + id, LastAt: s.DisabledAt,
		Detail: "It is disabled: " + s.Why + ". Its messages wait. Mend the receiver and save the " +
			"webhook again: " + s.LastError})
}
