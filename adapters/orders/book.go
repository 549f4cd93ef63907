package orders

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/mapping"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
	"holdfast/engine"
)

// DefaultArchiveAfter is how long a closed order stays in memory: long enough for its returns to be
// cheap, short enough that a year of sales is not held there. Its record is never dropped.
const DefaultArchiveAfter = 7 * 24 * time.Hour

// SeenFor is how long the id of a webhook is remembered: longer than any vendor sends one again.
const SeenFor = 8 * 24 * time.Hour

// Book keeps the orders. It is safe for concurrent use, by any number of nodes: what two of them do
// to one order is told apart by the versions of its record.
type Book struct {
	Ports
	places sync.Map // channel → served: where a channel's units may come from
}

// New returns a book. It fails when a port is missing.
func New(p Ports) (*Book, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	return &Book{Ports: p}, nil
}

// Error is a no of the book. Nothing happened.
type Error struct {
	code   string
	at     string
	detail string
}

// Code names the outcome: unknown-order, invalid, not-master, wrong-state, no-room, busy.
func (e *Error) Code() string { return e.code }

// At names the member of the request that it is about; empty for the whole.
func (e *Error) At() string { return e.at }

// Error returns what is wrong, for people.
func (e *Error) Error() string { return e.detail }

func unknownOrder(id string) error {
	return &Error{code: "unknown-order", detail: "no order has the id " + id}
}

// tries is how often a change is thought anew when somebody else was faster, or when the ledger was
// no longer as it was read.
const tries = 24

// draft is one change of one order under construction: it is built from what was read, and thrown
// away when that is no longer so.
type draft struct {
	b      *Book
	ctx    context.Context
	tx     records.Tx
	now    time.Time
	home   Account
	old    uint64 // version of the order's record; 0: there is none in memory
	fresh  bool   // nobody knew the order
	o      Order
	stock  shelf                // the reservation, as it is and as it will be
	rooms  map[stockPlace]int64 // what is available, as it was read
	moved  bool                 // something changed that is worth a write
	where  *Snapshot            // where the home has put units back; nil: it says nothing
	by     string               // system that causes the change
	asker  string               // who has said so before and is not told either
	seen   int                  // the place of the write that remembers the webhook, from 1
	shy    []string             // what the ledger refused before: it is asked for less, or for nothing
	drawn  map[string]bool      // SKUs of which the standing holds were asked
	back   []restocked          // units that go to standing holds once they are released
	alone  bool                 // the stock stays as it is: a person must look first
	naming bool                 // the reporter says what it calls packages that it was told of, whole or not
	tasks  []outbox.Task
	heard  []Happening                 // that listeners are told of
	said   []queued                    // tasks of this draft, so that none is queued twice
	mapped map[mapping.Ref]mapping.Row // what only the store knew; empty: not even that
	unsure bool                        // units are counted at a location that is only a guess
	look   bool                        // the home is to be asked from where it leaves
}

// now is cut to what a record keeps.
func (b *Book) now() time.Time { return b.Now().UTC().Truncate(time.Millisecond) }

// kindOf cuts the kind and the connection out of an order's id.
func kindOf(id string) (kind, connection string) {
	kind, rest, _ := strings.Cut(id, ":")
	connection, _, _ = strings.Cut(rest, ":")
	return kind, connection
}

// open begins a draft of an order that is there. It fails with unknown-order, or with the store's
// error.
func (b *Book) open(ctx context.Context, id string) (*draft, error) {
	d := &draft{b: b, ctx: ctx, now: b.now()}
	r, ok, err := b.Store.Get(ctx, records.Orders, id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, unknownOrder(id)
	}
	return d, d.load(r)
}

// load takes the order out of its record, and the reservation out of the ledger.
func (d *draft) load(r records.Record) (err error) {
	if d.o, err = decode(r); err != nil {
		return err
	}
	if d.old = r.Version; r.Archived {
		d.old = 0
	}
	kind, connection := kindOf(d.o.ID)
	if d.home, _ = d.b.Accounts.Account(connection); d.home.ID == "" {
		d.home = Account{ID: connection, Kind: kind, Mode: "observe"}
	}
	return d.loadStock()
}

// change opens an order, lets build change it, and writes what follows, again while somebody else
// is faster. The order is returned as it is then.
func (b *Book) change(ctx context.Context, id string, build func(d *draft) error) (Order, error) {
	var refused []string
	for try := range tries {
		d, err := b.open(ctx, id)
		if err != nil {
			return Order{}, err
		}
		d.shy = refused
		if err := build(d); err != nil {
			return Order{}, err
		}
		done, err := d.submit()
		if err != nil {
			return Order{}, err
		}
		if done {
			return d.o, nil
		}
		refused = d.refusal(try)
	}
	return Order{}, records.ErrBusy
}

// submit writes the draft. done is false when it must be built anew: a record was not as it was
// read, or the ledger refused. It fails with the store's error; with "outcome-unknown" the change
// may have happened, and doing it again is harmless.
func (d *draft) submit() (done bool, err error) {
	if !d.moved {
		return true, nil
	}
	if err := d.finish(); err != nil {
		return false, err
	}
	d.write()
	out, err := d.b.Store.Submit(d.ctx, &d.tx)
	var field *engine.FieldError
	if errors.As(err, &field) && len(d.tx.Ops) > 0 {
		d.stock.refused = "invalid: " + field.Error()
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if out.Conflict {
		if d.seen > 0 && out.At == d.seen-1 {
			return false, errSeen
		}
		return false, nil
	}
	if out.Refusal != engine.Accepted {
		d.stock.refused = out.Refusal.String()
		d.stock.refusal = out.Refusal
		return false, nil
	}
	d.stock.results, d.o.Index = out.Results, out.Index
	return true, nil
}

// errSeen says that the webhook was here before: all that it said is done.
var errSeen = errors.New("the delivery was seen before")

// patience is how often a no of the ledger is taken for one that a fresh look mends.
const patience = 6

// refusal says, after submit, whether the ledger's no will stay one however often it is asked: then
// the next draft leaves the stock alone and a person looks at it. What a fresh look can mend is
// nil.
func (d *draft) refusal(try int) []string {
	switch d.stock.refusal {
	case engine.Accepted:
		if d.stock.refused == "" {
			return d.shy
		}
	case engine.WrongState, engine.InsufficientStock, engine.UnknownReservation,
		engine.ReservationExpired, engine.IDConflict, engine.Overloaded, engine.ReservationClosed:
		if try < patience {
			return d.shy
		}
	}
	return append(d.shy, d.stock.refused)
}

// finish makes what follows from the order: what it waits for, its stock, its state.
func (d *draft) finish() error {
	if err := d.mend(); err != nil {
		return err
	}
	if err := d.planStock(d.where); err != nil {
		return err
	}
	if err := d.wait(); err != nil {
		return err
	}
	d.o.settle()
	return d.queue()
}

// write puts the order's record last, so that it has all that was noted meanwhile.
func (d *draft) write() {
	r := records.Record{Table: records.Orders, Key: d.o.ID, State: stateBytes[d.o.State]}
	if d.o.closed() {
		keep := d.home.Closed
		if keep == 0 {
			keep = DefaultArchiveAfter
		}
		r.Expires, r.Archived = d.now.Add(keep), true
	}
	r.Body = encode(&d.tx, &d.o)
	d.tx.Replace(r, d.old)
}

// raise opens an exception of the order.
func (d *draft) raise(e exceptions.Exception) error {
	if e.Key == "" {
		e.Key = d.o.ID
	}
	if e.Connection == "" {
		e.Connection = d.home.ID
	}
	e.LastAt = d.now
	return exceptions.Raise(d.ctx, d.b.Store, &d.tx, e)
}
