package outhooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

// TestTheSignatureOfTheSpecification is the example that the libraries of Standard Webhooks test with.
func TestTheSignatureOfTheSpecification(t *testing.T) {
	t.Parallel()
	key, err := signingKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		signature([][]byte{key}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`)))
	for _, bad := range []string{"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_!!"} {
		_, err := signingKey(bad)
		require.Error(t, err, bad)
	}
}

func TestAMessageArrivesSigned(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.save(Endpoint{ID: "erp", Secrets: []string{"env:NEW", "env:OLD"}})
		w.happens(orders.Happening{Event: orders.Sent, Order: "shopify:shop:1", By: "shop", Part: "pkg-1",
			More: map[string]any{"shipment": "pkg-1"}})
		w.settle(time.Second)
		got := w.at.all()
		require.Len(t, got, 1)
		r := got[0]
		require.True(t, strings.HasPrefix(r.id, "msg_"))
		signatures := strings.Fields(r.signature)
		require.Len(t, signatures, 2, "one for each secret")
		for i, name := range []string{"NEW", "OLD"} {
			key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(testSecrets[name], "whsec_"))
			require.NoError(t, err)
			mac := hmac.New(sha256.New, key)
			fmt.Fprintf(mac, "%s.%s.%s", r.id, r.stamp, r.body)
			require.Equal(t, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)), signatures[i])
		}
		require.Equal(t, strconv.FormatInt(r.at.Unix(), 10), r.stamp)
		b := decoded(t, r.body)
		require.Equal(t, "order.shipped", b.Type)
		require.Equal(t, uint64(77), b.Data.Index)
		require.Equal(t, "shopify:shop:1", b.Data.Order.ID)
		require.Equal(t, "pkg-1", b.Data.Part)
		require.JSONEq(t, `{"shipment":"pkg-1"}`, string(b.Data.More))
		log := w.log("erp")
		require.Len(t, log, 1)
		require.Equal(t, outbox.Done, log[0].State)
		require.Equal(t, r.id, log[0].ID)
		require.JSONEq(t, `{"status":204,"took_ms":0}`, string(log[0].Result))
	})
}

func TestWhoIsToldOfWhat(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.save(Endpoint{ID: "all"})
		w.save(Endpoint{ID: "orders", Events: []string{"order.*"}})
		w.save(Endpoint{ID: "short", Events: []string{"stock.short"}})
		w.save(Endpoint{ID: "pos", Channels: []string{"pos"}})
		w.save(Endpoint{ID: "wms", Connection: "3pl"})
		w.happens(orders.Happening{Event: orders.Sent, Order: "o1", By: "3pl"})
		w.happens(orders.Happening{Event: orders.Short, Order: "o1"})
		w.happens(orders.Happening{Event: orders.Created, Order: "o2", Channel: "pos", By: "shop"})
		w.settle(time.Second)
		told := map[string]int{}
		for _, r := range w.at.all() {
			told[strings.TrimSuffix(r.host, ".example")+" "+decoded(t, r.body).Type]++
		}
		require.Equal(t, map[string]int{"all order.shipped": 1, "all stock.short": 1, "all order.created": 1,
			"orders order.shipped": 1, "orders order.created": 1, "short stock.short": 1, "pos order.created": 1,
			"wms stock.short": 1, "wms order.created": 1}, told, "and what the 3pl has said is not told to it")
	})
}

// TestTriesGoOnForDays follows one message that is never taken while others are.
func TestTriesGoOnForDays(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.save(Endpoint{ID: "erp"})
		w.at.say(func(r received) (int, http.Header, error) {
			if strings.Contains(string(r.body), "poison") {
				return 500, http.Header{}, nil
			}
			return 200, http.Header{}, nil
		})
		begun := time.Now()
		w.happens(orders.Happening{Event: orders.Created, Order: "poison"})
		for range 100 {
			w.happens(orders.Happening{Event: orders.Created, Order: "good"})
			w.settle(time.Hour)
		}
		var at []time.Duration
		ids := map[string]bool{}
		for _, r := range w.at.all() {
			if strings.Contains(string(r.body), "poison") {
				at = append(at, r.at.Sub(begun).Round(time.Minute))
				ids[r.id] = true
			}
		}
		require.Len(t, ids, 1, "always the same webhook-id")
		require.Len(t, at, MaxTries)
		require.Greater(t, at[len(at)-1], 72*time.Hour)
		require.Equal(t, []string{"webhook-refused"}, w.codes(), "then it is a person's matter")
		require.Empty(t, w.book.entry("erp").Standing.DisabledAt)
		failed, _, err := w.desk.Deliveries(t.Context(), "erp", outbox.Failed, Page{Limit: 10})
		require.NoError(t, err)
		require.Equal(t, MaxTries, failed[0].Tries)

		w.at.say(always(200))
		n, _, err := w.desk.Replay(t.Context(), "erp", Replay{From: begun, State: outbox.Failed})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		w.settle(time.Minute)
		require.Empty(t, w.codes(), "sent again, it is over")
	})
}

func TestOneThatIsDownIsDisabledAndHoldsUpNobody(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.save(Endpoint{ID: "down"})
		w.save(Endpoint{ID: "up"})
		w.at.say(func(r received) (int, http.Header, error) {
			if strings.HasPrefix(r.host, "down") {
				return 0, nil, errRefused
			}
			return 200, http.Header{}, nil
		})
		for range 70 {
			w.happens(orders.Happening{Event: orders.Created, Order: "o"})
			w.settle(time.Hour)
		}
		up := 0
		for _, r := range w.at.all() {
			if strings.HasPrefix(r.host, "up") {
				up++
			}
		}
		require.Equal(t, 70, up)
		s := w.book.entry("down").Standing
		require.WithinDuration(t, s.FailingSince.Add(DisableAfter), s.DisabledAt, 2*lookEvery)
		require.Contains(t, w.codes(), "webhook-disabled")
		require.NotContains(t, s.LastError, "t0p", "an address may have a token")
		tried := len(w.at.all())
		w.settle(6 * time.Hour)
		require.Len(t, w.at.all(), tried, "nothing is sent any more")
		require.Equal(t, "disabled", w.log("down")[0].Waits)
		for _, d := range w.log("down") {
			require.Equal(t, outbox.Queued, d.State, "none was given up")
		}

		w.at.say(always(200))
		w.save(Endpoint{ID: "down"})
		require.Empty(t, w.book.entry("down").Standing.DisabledAt)
		w.settle(25 * time.Hour)
		for _, d := range w.log("down") {
			require.Equal(t, outbox.Done, d.State, "what waited arrives")
		}
		require.NotContains(t, w.codes(), "webhook-disabled")
		require.Zero(t, w.book.entry("down").Standing.Waiting)
	})
}

func TestGoneIsDisabledAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.save(Endpoint{ID: "erp"})
		w.at.say(always(410))
		w.happens(orders.Happening{Event: orders.Created, Order: "o"})
		w.settle(2 * lookEvery)
		require.Equal(t, []string{"webhook-disabled"}, w.codes())
		require.Contains(t, w.book.entry("erp").Standing.Why, "410")
	})
}

func TestAReceiverMayAskToWait(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.save(Endpoint{ID: "erp"})
		w.at.say(func(received) (int, http.Header, error) {
			return 429, http.Header{"Retry-After": {"120"}}, nil
		})
		w.happens(orders.Happening{Event: orders.Created, Order: "o"})
		w.settle(119 * time.Second)
		require.Len(t, w.at.all(), 1)
		w.settle(5 * time.Second)
		require.Len(t, w.at.all(), 2)
	})
}

func TestARedirectIsNoDelivery(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.save(Endpoint{ID: "erp"})
		w.at.say(func(received) (int, http.Header, error) {
			return 307, http.Header{"Location": {"https://elsewhere.example"}}, nil
		})
		client := newHTTP(nil)
		client.Transport = &w.at
		res, err := client.Post("https://erp.example", "application/json", strings.NewReader("{}"))
		require.NoError(t, err)
		require.Equal(t, 307, res.StatusCode)
		require.Len(t, w.at.all(), 1, "nobody follows it")
		require.Equal(t, "webhook-refused", answered(res).Code())
	})
}

// TestALeaderThatDiesSendsItAgainUnderTheSameID kills a leader in the middle of a delivery.
func TestALeaderThatDiesSendsItAgainUnderTheSameID(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.save(Endpoint{ID: "erp"})
		hang := make(chan struct{})
		w.at.say(func(received) (int, http.Header, error) { <-hang; return 200, http.Header{}, nil })
		w.happens(orders.Happening{Event: orders.Created, Order: "o"})
		w.settle(time.Second)
		require.Len(t, w.at.all(), 1)
		w.cancel()
		w.at.say(nil)
		close(hang)
		w.done.Wait()
		w.lead(2)
		w.settle(time.Minute)
		got := w.at.all()
		require.GreaterOrEqual(t, len(got), 2)
		require.Equal(t, got[0].id, got[1].id)
		require.Equal(t, outbox.Done, w.log("erp")[0].State)
	})
}

func TestAFullQueueTakesNoMore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.save(Endpoint{ID: "erp", Mode: Paused})
		w.happens(orders.Happening{Event: orders.Created, Order: "o"})
		w.settle(2 * lookEvery)
		require.Equal(t, 1, w.book.entry("erp").Standing.Waiting)
		write := func(queued int) {
			_, err := records.Retry(t.Context(), w.store, func(tx *records.Tx) error {
				return w.keeper.write(t.Context(), tx, "erp", nil, queued)
			})
			require.NoError(t, err)
		}
		write(MaxQueued)
		time.Sleep(time.Millisecond)
		w.happens(orders.Happening{Event: orders.Created, Order: "o2"})
		require.Equal(t, []string{"webhook-full"}, w.codes())
		require.Len(t, w.log("erp"), 1)
		write(MaxQueued - 1)
		require.True(t, w.book.entry("erp").Standing.Full, "not at once")
		w.settle(2 * lookEvery) // the keeper sees that one waits
		require.False(t, w.book.entry("erp").Standing.Full)
		require.Empty(t, w.codes())
		w.happens(orders.Happening{Event: orders.Created, Order: "o3"})
		require.Len(t, w.log("erp"), 2)
	})
}

func TestASecretThatIsNotThereWaits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.save(Endpoint{ID: "erp", Secrets: []string{"env:BAD"}})
		w.happens(orders.Happening{Event: orders.Created, Order: "o"})
		w.settle(time.Minute)
		require.Empty(t, w.at.all())
		require.Equal(t, []string{"secret-missing"}, w.codes())
		require.NotContains(t, w.log("erp")[0].LastError, "short")
		w.save(Endpoint{ID: "erp"})
		w.settle(time.Hour)
		require.Len(t, w.at.all(), 1)
		require.Empty(t, w.codes())
	})
}

func TestRemovingDropsWhatWaits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.save(Endpoint{ID: "erp", Mode: Paused})
		w.happens(orders.Happening{Event: orders.Created, Order: "o"})
		w.settle(time.Minute)
		require.Equal(t, "paused", w.log("erp")[0].Waits)
		_, err := w.book.Delete(t.Context(), "erp")
		require.NoError(t, err)
		w.settle(time.Minute)
		require.Empty(t, w.at.all())
		_, err = w.book.Read(t.Context(), "erp")
		require.ErrorContains(t, err, "there is no webhook erp")
		all, err := w.book.List(t.Context())
		require.NoError(t, err)
		require.Empty(t, all)
	})
}

func TestReplayAndPing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.save(Endpoint{ID: "erp"})
		w.save(Endpoint{ID: "erp2"}) // its log stands behind the other one's
		for i := range 3 {
			w.happens(orders.Happening{Event: orders.Created, Order: fmt.Sprint("o", i)})
			w.settle(time.Minute)
		}
		require.Len(t, w.at.all(), 6)
		log := w.log("erp")
		require.Len(t, log, 3)
		n, next, err := w.desk.Replay(t.Context(), "erp", Replay{IDs: []string{log[0].ID}})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Empty(t, next)
		n, _, err = w.desk.Replay(t.Context(), "erp", Replay{From: log[1].CreatedAt, To: log[2].CreatedAt})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		w.settle(time.Minute)
		got := w.at.all()
		require.Len(t, got, 8)
		require.ElementsMatch(t, []string{log[0].ID, log[1].ID}, []string{got[6].id, got[7].id})
		_, _, err = w.desk.Replay(t.Context(), "erp", Replay{IDs: []string{"msg_none"}})
		require.ErrorContains(t, err, "no message msg_none")
		_, _, err = w.desk.Replay(t.Context(), "erp", Replay{})
		require.Error(t, err)
		_, _, err = w.desk.Replay(t.Context(), "none", Replay{From: time.Now()})
		require.Error(t, err)

		w.settle(72 * time.Hour) // long out of the lists
		require.Empty(t, w.log("erp"))
		_, _, err = w.desk.Replay(t.Context(), "erp", Replay{IDs: []string{log[2].ID}})
		require.NoError(t, err, "by its id it is found")
		id, err := w.desk.Ping(t.Context(), "erp")
		require.NoError(t, err)
		w.settle(time.Minute)
		got = w.at.all()
		require.ElementsMatch(t, []string{log[2].ID, id}, []string{got[8].id, got[9].id})
		list, next, err := w.desk.Deliveries(t.Context(), "erp", 0, Page{Limit: 1})
		require.NoError(t, err)
		require.Len(t, list, 1)
		list, _, err = w.desk.Deliveries(t.Context(), "erp", 0, Page{After: next, Limit: 1})
		require.NoError(t, err)
		require.Equal(t, Test, list[0].Type)
	})
}
