package outhooks

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// world is a leader with an outbox and receivers, in a bubble where a day passes in no time.
type world struct {
	t      *testing.T
	store  *recordstest.Store
	book   *Book
	keeper *Keeper
	desk   *Desk
	exc    *exceptions.Desk
	at     receivers
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// receivers answers for every address.
type receivers struct {
	mu     sync.Mutex
	got    []received
	answer func(r received) (status int, header http.Header, err error)
}

type received struct {
	host, path, id, stamp, signature string
	body                             []byte
	at                               time.Time
}

func (s *receivers) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	got := received{r.URL.Host, r.URL.Path, r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"),
		r.Header.Get("webhook-signature"), body, time.Now()}
	s.mu.Lock()
	s.got = append(s.got, got)
	answer := s.answer
	s.mu.Unlock()
	status, header, err := 204, http.Header{}, error(nil)
	if answer != nil {
		status, header, err = answer(got)
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("secret words")),
		Request: r}, nil
}

func (s *receivers) all() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.got...)
}

func (s *receivers) say(answer func(r received) (int, http.Header, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// always answers with a status.
func always(status int) func(received) (int, http.Header, error) {
	return func(received) (int, http.Header, error) { return status, http.Header{}, nil }
}

type fakeOrders struct{}

func (fakeOrders) Get(_ context.Context, id string) (orders.Order, error) {
	if id == "gone" {
		return orders.Order{}, &Error{code: "unknown-order"}
	}
	return orders.Order{ID: id, State: orders.OpenState, Index: 77}, nil
}

type openGate struct{}

func (openGate) Blocked(string) string { return "" }

var testSecrets = map[string]string{
	"OLD": secretPrefix + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("o", 24))),
	"NEW": secretPrefix + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("n", 32))),
	"BAD": "whsec_short",
}

func environ(name string) (string, bool) {
	v, ok := testSecrets[name]
	return v, ok
}

func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, store: recordstest.New(recordstest.Options{})}
		w.book = NewBook(w.store, time.Now)
		w.lead(1)
		defer synctest.Wait()
		defer w.stop()
		test(t, w)
	})
}

// lead has a leader of a term run all parts.
func (w *world) lead(term uint64) {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.cancel = cancel
	var dispatcher *outbox.Dispatcher
	var err error
	w.keeper, err = NewKeeper(KeeperConfig{Store: w.store, Book: w.book, Now: time.Now,
		Lanes: func() []outbox.LaneState { return dispatcher.Lanes() }})
	require.NoError(w.t, err)
	courier, err := NewCourier(CourierConfig{Book: w.book, Orders: fakeOrders{}, Keeper: w.keeper,
		Environ: environ, HTTP: &http.Client{Transport: &w.at}, Now: time.Now})
	require.NoError(w.t, err)
	executors := map[string]outbox.Executor{TaskKind: courier}
	gate := Gate{w.book, openGate{}}
	dispatcher, err = outbox.New(outbox.Config{Store: w.store, Gate: gate, Executors: executors})
	require.NoError(w.t, err)
	tasks := outbox.NewDesk(outbox.DeskConfig{Store: w.store, Now: time.Now, Gate: gate, Executors: executors})
	w.desk = &Desk{w.book, tasks}
	w.exc = exceptions.NewDesk(w.store, tasks, time.Now)
	w.done.Go(func() { _ = w.book.Run(ctx) })
	w.done.Go(func() { _ = w.keeper.Run(ctx) })
	w.done.Go(func() { _ = dispatcher.Run(ctx, term) })
	synctest.Wait()
}

func (w *world) stop() {
	w.cancel()
	w.done.Wait()
}

// save saves an endpoint.
func (w *world) save(e Endpoint) Entry {
	w.t.Helper()
	if e.Secrets == nil {
		e.Secrets = []string{"env:NEW"}
	}
	if e.URL == "" {
		e.URL = "https://" + e.ID + ".example/hooks?token=t0p"
	}
	got, err := w.book.Save(w.t.Context(), e)
	require.NoError(w.t, err)
	synctest.Wait()
	return got
}

// happens tells of an event of an order.
func (w *world) happens(h orders.Happening) {
	w.t.Helper()
	h.At = time.Now().UTC().Truncate(time.Millisecond)
	if h.Channel == "" {
		h.Channel = "web"
	}
	_, err := records.Retry(w.t.Context(), w.store, func(tx *records.Tx) error {
		tx.Put(records.Record{Table: records.Cursors, Key: "the order"}) // there is always an order
		return w.book.Tell(w.t.Context(), tx, h)
	})
	require.NoError(w.t, err)
}

// settle lets all that is due happen.
func (w *world) settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) log(endpoint string) []Delivery {
	w.t.Helper()
	list, _, err := w.desk.Deliveries(w.t.Context(), endpoint, 0, Page{Limit: 1000})
	require.NoError(w.t, err)
	return list
}

// open are the codes of the exceptions that are open.
func (w *world) codes() (codes []string) {
	w.t.Helper()
	list, _, err := w.exc.List(w.t.Context(), exceptions.Filter{State: exceptions.Open}, "", 100)
	require.NoError(w.t, err)
	for _, e := range list {
		codes = append(codes, e.Code)
	}
	return codes
}

func decoded(t *testing.T, text []byte) (b body) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, &b))
	return b
}

var errRefused = errors.New("connection refused")
