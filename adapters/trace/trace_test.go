package trace

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/adapters/routing"
	"holdfast/engine"
)

type codedError string

func (e codedError) Error() string { return string(e) }
func (e codedError) Code() string  { return string(e) }

// book finds orders by "external:SYSTEM:ID".
type book struct {
	*orders.Book
	names map[string]string
}

func (b book) Find(_ context.Context, ref string) (string, error) {
	if id, ok := b.names[ref]; ok {
		return id, nil
	}
	return "", fmt.Errorf("find: %w", codedError("unknown-order"))
}

// log is a history of which the first events are gone.
type log struct {
	all  []engine.Event
	gone uint64
}

func (l log) Events(after uint64, limit int) ([]engine.Event, error) {
	if after < l.gone {
		return nil, codedError("events-gone")
	}
	list := l.all[after:]
	return list[:min(limit, len(list))], nil
}

var began = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func at(minute int) time.Time { return began.Add(time.Duration(minute) * time.Minute) }

const id = "shopify:shop:77"

// setting is one order with all that can be known of one, and another beside it.
func setting(t *testing.T) *Tracer {
	s := recordstest.New(recordstest.Options{})
	s.Define(t, &engine.DefineSKU{SKU: "A"}, &engine.DefineLocation{Location: "main",
		Kind: engine.Merchant, Master: "holdfast", Shortfall: engine.ShortfallNone})
	var tx records.Tx
	tx.Create(records.Record{Table: records.Orders, Key: id, Body: tx.Encode(orders.Order{ID: id,
		Name: "#1001", State: orders.Shipped, Currency: "EUR",
		Route:     routing.Decision{Rule: "bay", Why: "rule bay: country US"},
		Timeline:  []orders.Moment{{At: at(0), What: "received"}, {At: at(9), What: "task done"}},
		Shipments: []orders.Shipment{{Key: "p1", By: "shop", Carrier: "UPS", Tracking: "1Z", At: at(5)}},
		Refunds:   []orders.Refund{{ID: "r1", By: "shop", At: at(20), Amount: "4.99"}},
		Returns:   []orders.Return{{ID: "b1", By: "shop", At: at(19), State: "received"}}})})
	for _, task := range []outbox.Task{
		{Kind: "erp.order", Key: id, State: outbox.Done, CreatedAt: at(1), DoneAt: at(4), Tries: 3,
			LastError: "busy"},
		{Kind: "erp.order", Key: id + "8", State: outbox.Queued, CreatedAt: at(1)},
		{Kind: "erp.cancel", Key: id, State: outbox.Queued, CreatedAt: at(21), NextAt: at(21)},
	} {
		task.ID = task.Kind + ":" + task.Key
		tx.Create(records.Record{Table: records.Tasks, Key: task.ID, Body: tx.Encode(task)})
	}
	for i, e := range []exceptions.Exception{
		{Key: id, State: exceptions.Resolved, Code: "short", FirstAt: at(2), ClosedAt: at(3), ClosedBy: "ann", Note: "moved"},
		{Key: "other", State: exceptions.Open, Code: "unmapped-sku", FirstAt: at(2)},
	} {
		e.ID = fmt.Sprint("ex", i)
		tx.Create(records.Record{Table: records.Exceptions, Key: e.ID, Body: tx.Encode(e)})
	}
	for range 6 {
		tx.Do(&engine.Adjust{SKU: "A", Location: "main", Delta: 1, Source: "test", Reason: "x"})
	}
	_, err := s.Submit(t.Context(), &tx)
	require.NoError(t, err)
	var last uint64
	_, err = s.Ledger(t.Context(), func(l *engine.Ledger) bool { last = l.LastEvent(); return false })
	require.NoError(t, err)
	events := make([]engine.Event, last)
	for i := range events {
		events[i] = engine.Event{Seq: uint64(i + 1), At: at(1).UnixMilli(), SKU: 1, Location: 1, Qty: 2,
			Cause: "shopify:shop:778", Type: engine.EventShipped}
	}
	events[1].Cause, events[len(events)-1].Cause = id, id+"~1"
	return &Tracer{Store: s, Events: log{all: events}, Systems: func() []string { return []string{"amz", "shop"} },
		Orders: book{&orders.Book{Ports: orders.Ports{Store: s}}, map[string]string{
			"external:shop:#1001": id, "external:amz:114-1": id, "external:shop:1Z": id}},
		Kinds: func() []string { return []string{"erp.order", "erp.cancel"} }}
}

func TestOneTimelineUnderEveryName(t *testing.T) {
	t.Parallel()
	tr := setting(t)
	want := []string{"0 order received", "1 task queued erp.order", "1 ledger reservation.shipped",
		"1 ledger reservation.shipped", "2 exception short", "3 exception short closed",
		"4 task done erp.order", "5 shipment shipped", "9 order task done", "19 return received",
		"20 refund refunded", "21 task queued erp.cancel"}
	for name, as := range map[string]string{id: "order", "external:amz:114-1": "external",
		"114-1": "external", "#1001": "external", "1001": "external", "1Z": "external",
		"erp.order:" + id: "task", "ex0": "exception"} {
		line, err := tr.Trace(t.Context(), name)
		require.NoError(t, err, name)
		require.Equal(t, as, line.As, name)
		require.Equal(t, id, line.Order)
		require.Equal(t, "#1001 shipped rule bay: country US", line.Name+" "+line.State+" "+line.Route)
		var got []string
		for _, item := range line.Items {
			got = append(got, fmt.Sprintf("%d %s %s", int(item.At.Sub(began).Minutes()), item.From, item.What))
		}
		require.Equal(t, want, got, name)
		require.Empty(t, line.Missing)
		require.Equal(t, "busy (3 tries)", line.Items[6].More)
		require.Equal(t, "2 × A main", line.Items[2].More)
		require.Equal(t, "UPS 1Z", line.Items[7].More)
	}
}

func TestWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	tr := setting(t)
	var unknown *UnknownError
	for _, name := range []string{"none", "external:shop:none", "#", ""} {
		_, err := tr.Trace(t.Context(), name)
		require.ErrorAs(t, err, &unknown, name)
	}
	line, err := tr.Trace(t.Context(), "ex1")
	require.NoError(t, err)
	require.Equal(t, []string{"there is no order other"}, line.Missing)
	require.Len(t, line.Items, 1, "but what is known of it is told")
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	t.Parallel()
	tr := setting(t)
	l := tr.Events.(log)
	l.gone = 3
	tr.Events = l
	line, err := tr.Trace(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []string{"events of the ledger that are no longer kept"}, line.Missing)
	ledger := 0
	for _, i := range line.Items {
		if i.From == "ledger" {
			ledger++
		}
	}
	require.Equal(t, 1, ledger, "what is kept is still told")
	tr.Events = nil
	line, err = tr.Trace(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []string{"the events of the ledger"}, line.Missing)
	tr.Store.(*recordstest.Store).Close()
	_, err = tr.Trace(t.Context(), id)
	var coded interface{ Code() string }
	require.True(t, errors.As(err, &coded))
	require.Equal(t, "closing", coded.Code())
}
