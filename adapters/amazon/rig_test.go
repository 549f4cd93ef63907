package amazon

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/amazon/spapitest"
	"holdfast/adapters/connections"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

// rig is a world whose Amazon is the simulator, without a network between them and under one clock.
type rig struct {
	*world
	sim *spapitest.Server
}

func newRig(t *testing.T, timing spapitest.Timing) *rig {
	t.Helper()
	w := newWorld(t, func(c *connections.Connection) {
		c.Endpoint = "http://127.0.0.1:1/na"
	})
	sim, err := spapitest.New(spapitest.Config{Manual: true, Start: w.now.Add(-30 * time.Minute), Timing: &timing,
		Apps: []spapitest.AppConfig{{Name: "holdfast", ClientID: "x", ClientSecret: "x"}},
		Accounts: []spapitest.AccountConfig{{Name: "amz", Region: "na", SellerID: "SELLER",
			Marketplaces: []string{market, other}, RefreshTokens: map[string]string{"holdfast": "x"},
			Listings: []spapitest.ListingConfig{{SKU: "AZ-A", Quantity: 50}, {SKU: "AZ-B", Quantity: 50},
				{SKU: "AZ-F", FBA: true, Stock: map[string]int64{"": 50}}}}}})
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	r := &rig{world: w, sim: sim}
	w.sim = sim
	r.sim.Advance(30 * time.Minute)
	return r
}

// serve has the simulator answer. A connection that it cuts off is a call without an answer.
func serve(sim http.Handler, req *http.Request) (res *http.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			res, err = nil, errors.New("the connection ended")
		}
	}()
	in := req.Clone(req.Context())
	in.RequestURI, in.RemoteAddr = "", "127.0.0.1:2"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	sim.ServeHTTP(rec, in)
	return rec.Result(), nil
}

// pass lets time pass for both.
func (r *rig) pass(d time.Duration) { r.world.advance(d) }

// buy has a buyer order, past its time of being pending, and takes the order in.
func (r *rig) buy(lines ...spapitest.PurchaseLine) string {
	r.t.Helper()
	no := int64(0)
	got, err := r.sim.Buy(spapitest.Purchases{Account: "amz", Lines: lines, PendingMS: &no})
	require.NoError(r.t, err)
	require.Len(r.t, got.Orders, 1)
	r.pass(3 * time.Minute)
	r.sweep(byChange)
	return got.Orders[0].ID
}

// task is the first task of a kind, or nil.
func (r *rig) task(kind string) *outbox.Task {
	rows, _, err := r.store.List(r.ctx, records.Tasks, kind+":", "", records.MaxList)
	require.NoError(r.t, err)
	for _, row := range rows {
		t, err := records.Decode[outbox.Task](row)
		require.NoError(r.t, err)
		if t.State == outbox.Queued {
			return &t
		}
	}
	return nil
}

// do does the first task of a kind as the dispatcher would, once, and returns its error.
func (r *rig) do(kind string) error {
	r.t.Helper()
	t := r.task(kind)
	require.NotNil(r.t, t, "no task %s", kind)
	t.Tries++
	finish, err := r.sellers.Do(r.ctx, *t)
	var later *outbox.Later
	var needless *outbox.Needless
	switch {
	case errors.As(err, &later):
		t.Tries--
	case errors.As(err, &needless):
		t.State = outbox.Dropped
	case err != nil:
		t.Unknown = outbox.Classify(err).Unknown
	default:
		t.State, t.Unknown = outbox.Done, false
	}
	_, fail := records.Retry(r.ctx, r.store, func(tx *records.Tx) error {
		tx.Put(records.Record{Table: records.Tasks, Key: t.ID, State: uint8(t.State), Body: tx.Encode(t)})
		if err == nil && finish.Also != nil {
			return finish.Also(context.WithoutCancel(r.ctx), tx)
		}
		return nil
	})
	require.NoError(r.t, fail)
	return err
}

// until does a task until it does not ask to come again.
func (r *rig) until(kind string) error {
	r.t.Helper()
	for range 60 {
		err := r.do(kind)
		var later *outbox.Later
		if !errors.As(err, &later) {
			return err
		}
		r.pass(max(later.After, time.Second))
	}
	r.t.Fatalf("task %s never ends", kind)
	return nil
}

// calls counts the calls of an operation that took effect.
func (r *rig) calls(op string) (n int) {
	for _, e := range r.sim.Journal(spapitest.Filter{Kind: "request", Op: op}) {
		if e.Status < 300 && e.Result == "ok" {
			n++
		}
	}
	return n
}

func (r *rig) at(id string) spapitest.OrderState {
	r.t.Helper()
	o, err := r.sim.Order("amz", id)
	require.NoError(r.t, err)
	return o
}

// ship reports a package from elsewhere.
func (r *rig) ship(id, key string, s orders.Shipment) {
	r.t.Helper()
	s.Key, s.By, s.At = key, "shop", r.Now()
	_, err := r.book.Ship(r.ctx, "amazon:amz:"+id, s)
	require.NoError(r.t, err)
}
