package netsuite

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/outbox"
)

func TestCreateSendsWhatNetSuiteWants(t *testing.T) {
	t.Parallel()
	f := newFake(t, answerOf{status: 204, location: "/services/rest/record/v1/salesorder/5123"})
	id, err := clientOf(t, f, newClock()).Create(t.Context(), "orders", SalesOrder, map[string]any{"memo": "x"})
	require.NoError(t, err)
	require.Equal(t, int64(5123), id)
	r := f.all()[0]
	require.Equal(t, "POST", r.method)
	require.Equal(t, "/services/rest/record/v1/salesOrder", r.path)
	require.JSONEq(t, `{"memo":"x"}`, r.body)
	require.Equal(t, "Error", r.header.Get("X-NetSuite-PropertyNameValidation"))
	require.Equal(t, "Error", r.header.Get("X-NetSuite-PropertyValueValidation"))
	require.Equal(t, "Bearer tok-1", r.header.Get("Authorization"))
	require.Equal(t, "application/json", r.header.Get("Content-Type"))
}

// TestFaultsSayWhatTheyMean holds every answer to the verdict of the outbox.
func TestFaultsSayWhatTheyMean(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer  answerOf
		code    string
		class   exceptions.Class
		unknown bool
	}{
		"429":               {answerOf{status: 429, body: errorBody("CONCURRENCY_LIMIT_EXCEEDED", "x")}, codeThrottled, exceptions.Limit, false},
		"429 without words": {answerOf{status: 429, kind: "text/html", body: htmlPage}, codeThrottled, exceptions.Limit, false},
		"SSS in a 400":      {answerOf{status: 400, body: errorBody("SSS_REQUEST_LIMIT_EXCEEDED", "x")}, codeThrottled, exceptions.Limit, false},
		"SSS of a RESTlet":  {answerOf{status: 400, body: `{"error":{"code":"SSS_REQUEST_LIMIT_EXCEEDED","message":"m"}}`}, codeThrottled, exceptions.Limit, false},
		"login":             {answerOf{status: 401, body: errorBody("INVALID_LOGIN", "x")}, codeDenied, exceptions.Auth, false},
		"permission":        {answerOf{status: 403, body: errorBody("INSUFFICIENT_PERMISSION", "x")}, codePermission, exceptions.Data, false},
		"403":               {answerOf{status: 403, body: `{}`}, codePermission, exceptions.Data, false},
		"gateway 403":       {answerOf{status: 403, kind: "text/html", body: htmlPage}, codeUnavailable, exceptions.Transient, true},
		"500":               {answerOf{status: 500, body: errorBody("UNEXPECTED_ERROR", "x")}, codeUnavailable, exceptions.Transient, true},
		"502 in HTML":       {answerOf{status: 502, kind: "text/html", body: htmlPage}, codeUnavailable, exceptions.Transient, true},
		"200 in HTML":       {answerOf{status: 200, kind: "text/html", body: htmlPage}, codeUnavailable, exceptions.Transient, true},
		"no answer":         {answerOf{cut: true}, codeUnavailable, exceptions.Transient, true},
		"no location":       {answerOf{status: 204}, codeAnswer, exceptions.Transient, true},
		"duplicate":         {answerOf{status: 400, body: errorBody("USER_ERROR", "Error while accessing a resource. This record already exists.")}, codeExists, exceptions.Conflict, false},
		"closed period":     {answerOf{status: 400, body: errorBody("USER_ERROR", "The transaction date is in a closed period.")}, codePeriod, exceptions.Data, false},
		"locked period":     {answerOf{status: 400, body: errorBody("USER_ERROR", "The accounting period Nov 2026 is locked.")}, codePeriod, exceptions.Data, false},
		"changed":           {answerOf{status: 400, body: errorBody("RCRD_HAS_BEEN_CHANGED", "Record has been changed")}, codeChanged, exceptions.Conflict, false},
		"locked record":     {answerOf{status: 400, body: errorBody("USER_ERROR", "This record is currently locked by another user")}, codeLocked, exceptions.Transient, false},
		"closed order":      {answerOf{status: 400, body: errorBody("USER_ERROR", "You have an invalid sales order 7 or the order is already closed")}, codeState, exceptions.Data, false},
		"no line":           {answerOf{status: 400, body: errorBody("VALID_LINE_ITEM_REQD", "x")}, codeLines, exceptions.Data, false},
		"bad reference":     {answerOf{status: 400, body: errorBody("INVALID_KEY_OR_REF", "x")}, codeReference, exceptions.Data, false},
		"unknown field":     {answerOf{status: 400, body: errorBody("INVALID_CONTENT", "Unknown field memoo")}, codeField, exceptions.Data, false},
		"a rule":            {answerOf{status: 400, body: errorBody("USER_ERROR", "Please enter a value for Class")}, codeRefused, exceptions.Data, false},
		"redirect":          {answerOf{status: 302, body: `{}`}, codeAnswer, exceptions.Bug, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, clock := newFake(t, c.answer), newClock()
			_, err := clientOf(t, f, clock).Create(t.Context(), "orders", SalesOrder, map[string]any{})
			v := outbox.Classify(err)
			require.Equal(t, c.code, v.Code, "%v", err)
			require.Equal(t, c.class, v.Class)
			require.Equal(t, c.unknown, v.Unknown)
			if c.unknown {
				require.Len(t, f.all(), 1, "a create of unknown outcome is not sent again")
			}
		})
	}
}

func TestWhatRepeatsIsSentAgain(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]answerOf{
		"cut": {cut: true}, "503": {status: 503, kind: "text/html", body: htmlPage},
		"429": {status: 429, body: errorBody("CONCURRENCY_LIMIT_EXCEEDED", "x"), headers: map[string]string{"Retry-After": "2"}},
	} {
		f, clock := newFake(t, first, first, answerOf{status: 204}), newClock()
		err := clientOf(t, f, clock).Update(t.Context(), "orders", SalesOrder, Ref{ID: 7}, map[string]any{}, "item")
		require.NoError(t, err, name)
		require.Len(t, f.all(), 3)
		require.Equal(t, "replace=item", f.all()[0].query)
		require.Positive(t, clock.waited)
		if name == "429" {
			require.Equal(t, 4*time.Second, clock.waited, "as long as it asks for")
		}
	}
	f := newFake(t, answerOf{status: 429, body: `{}`}, answerOf{status: 204, location: "/salesorder/9"})
	_, err := clientOf(t, f, newClock()).Create(t.Context(), "orders", SalesOrder, map[string]any{})
	require.NoError(t, err, "one that was turned down was not begun")
}

func TestNoPauseBeyondTheDeadline(t *testing.T) {
	t.Parallel()
	f, clock := newFake(t, answerOf{status: 503, body: `{}`}), newClock()
	c := clientOf(t, f, clock)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	clock.now = time.Now().Add(time.Hour) // as the client sees it, nothing is left
	err := c.Read(ctx, "x", SalesOrder, Ref{ID: 1}, Fields{Into: &map[string]any{}})
	require.Equal(t, codeUnavailable, codeOf(err))
	require.Len(t, f.all(), 1)
}

func TestATokenLastsItsHour(t *testing.T) {
	t.Parallel()
	f, clock := newFake(t, answerOf{status: 204}), newClock()
	c := clientOf(t, f, clock)
	call := func() {
		t.Helper()
		require.NoError(t, c.Delete(t.Context(), "x", SalesOrder, Ref{ID: 1}))
	}
	call()
	clock.now = clock.now.Add(53 * time.Minute)
	call()
	require.Equal(t, 1, f.minted(), "the token of the first call serves")
	clock.now = clock.now.Add(2 * time.Minute) // 5 minutes are left
	call()
	require.Equal(t, 2, f.minted(), "renewed before it ends")
	f.mu.Lock()
	f.token = answerOf{status: 500, body: `{}`}
	f.mu.Unlock()
	clock.now = clock.now.Add(55 * time.Minute)
	call() // the old one serves while the endpoint is away
	require.Equal(t, "Bearer tok-2", f.all()[3].header.Get("Authorization"))
	clock.now = clock.now.Add(10 * time.Minute)
	err := c.Delete(t.Context(), "x", SalesOrder, Ref{ID: 1})
	require.Equal(t, codeUnavailable, codeOf(err), "and not when it has ended")
}

func TestARefusedTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	no := answerOf{status: 401, body: errorBody("INVALID_LOGIN", "x")}
	f := newFake(t, no, answerOf{status: 204, location: "/salesorder/5"})
	_, err := clientOf(t, f, newClock()).Create(t.Context(), "x", SalesOrder, map[string]any{})
	require.NoError(t, err)
	require.Equal(t, 2, f.minted())
	require.Equal(t, "Bearer tok-2", f.all()[1].header.Get("Authorization"))

	f = newFake(t, no)
	_, err = clientOf(t, f, newClock()).Create(t.Context(), "x", SalesOrder, map[string]any{})
	require.Equal(t, codeDenied, codeOf(err))
	require.Len(t, f.all(), 2, "once, and no more")
}

func TestOneFlightRenewsForAll(t *testing.T) {
	t.Parallel()
	f := newFake(t, answerOf{status: 204})
	c := clientOf(t, f, newClock())
	done := make(chan error, 50)
	for range 50 {
		go func() { done <- c.Delete(t.Context(), "x", SalesOrder, Ref{ID: 1}) }()
	}
	for range 50 {
		require.NoError(t, <-done)
	}
	require.Equal(t, 1, f.minted())
}

func TestWhyThereIsNoToken(t *testing.T) {
	t.Parallel()
	f := newFake(t, answerOf{status: 204})
	f.token = answerOf{status: 400, kind: "application/json", body: `{"error":"invalid_grant"}`}
	err := clientOf(t, f, newClock()).Delete(t.Context(), "x", SalesOrder, Ref{ID: 1})
	require.Equal(t, exceptions.Auth, outbox.Classify(err).Class)
	require.ErrorContains(t, err, "A refresh of a sandbox wipes that mapping")
	require.Empty(t, f.all(), "nothing is called without one")

	f.token = answerOf{status: 503, kind: "text/html", body: htmlPage}
	err = clientOf(t, f, newClock()).Delete(t.Context(), "x", SalesOrder, Ref{ID: 1})
	v := outbox.Classify(err)
	require.Equal(t, exceptions.Transient, v.Class)
	require.False(t, v.Unknown, "no record was asked for")
}

func TestTheLegacyWaySigns(t *testing.T) {
	t.Parallel()
	f, clock := newFake(t, answerOf{status: 204}), newClock()
	c, err := NewClient(ClientConfig{Account: "123456-sb1", Endpoint: f.URL, Auth: Tokens,
		Secret: secretsOf, Now: clock.Now, Pause: clock.Pause})
	require.NoError(t, err)
	require.NoError(t, c.Delete(t.Context(), "x", SalesOrder, Ref{External: "hfso-1"}))
	require.Zero(t, f.minted())
	auth := f.all()[0].header.Get("Authorization")
	require.Contains(t, auth, `OAuth realm="123456_SB1",oauth_consumer_key="consumer_key-value"`)
	require.Contains(t, auth, `oauth_signature_method="HMAC-SHA256"`)
	require.Equal(t, "/services/rest/record/v1/salesOrder/eid:hfso-1", f.all()[0].path)
}

func TestNothingPrivateIsLogged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	f, clock := newFake(t, answerOf{status: 400, body: errorBody("USER_ERROR",
		"Invalid email ada@example.com or phone +49 30 1234567, call (030) 555 1234")}), newClock()
	c, err := NewClient(ClientConfig{Account: "1234", Endpoint: f.URL, Secret: secretsOf, Now: clock.Now,
		Pause: clock.Pause, Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	require.NoError(t, err)
	_, err = c.Create(t.Context(), "orders", Customer, map[string]any{"email": "ada@example.com"})
	text := out.String() + err.Error()
	for _, private := range []string{"ada@", "1234567", "555", "tok-1", "-value"} {
		require.NotContains(t, text, private)
	}
	require.Contains(t, text, "op-17", "what NetSuite's support asks for is there")
	require.Contains(t, text, "customer.create")
}

func TestQueriesReadAllPages(t *testing.T) {
	t.Parallel()
	f := newFake(t,
		answerOf{body: `{"items":[{"item":"9007199254740993","location":6,"quantityonhand":"12","iskit":"T","links":[]}],"hasMore":true}`},
		answerOf{body: `{"items":[{"item":7,"quantityonhand":3.0,"location":null,"iskit":"F"}],"hasMore":false}`})
	var rows []Row
	err := clientOf(t, f, newClock()).Query(t.Context(), "stock", "SELECT item FROM x ORDER BY item", func(page []Row) error {
		rows = append(rows, page...)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, int64(9007199254740993), rows[0].Int("item"), "a float would have lost the last digit")
	require.Equal(t, "6", rows[0].Text("location"))
	require.True(t, rows[0].Bool("isKit"))
	require.Equal(t, int64(3), rows[1].Int("quantityOnHand"))
	require.Empty(t, rows[1].Text("location"))
	require.Empty(t, rows[1].Text("none"))
	all := f.all()
	require.Equal(t, "limit=1000&offset=0", all[0].query)
	require.Equal(t, "limit=1000&offset=1000", all[1].query)
	require.Equal(t, "transient", all[0].header.Get("Prefer"))
	require.JSONEq(t, `{"q":"SELECT item FROM x ORDER BY item"}`, all[0].body)

	stop := errors.New("enough")
	require.ErrorIs(t, clientOf(t, f, newClock()).Query(t.Context(), "s", "q", func([]Row) error { return stop }), stop)
	f = newFake(t, answerOf{body: `{"items":[],"hasMore":true}`})
	err = clientOf(t, f, newClock()).Query(t.Context(), "s", "q", func([]Row) error { return nil })
	require.Equal(t, codeAnswer, codeOf(err), "an empty page that says more would go on for ever")
	f = newFake(t, answerOf{body: `{"items":[{"id":"1"}],"hasMore":true}`})
	err = clientOf(t, f, newClock()).Query(t.Context(), "s", "q", func([]Row) error { return nil })
	require.Equal(t, codeTooMany, codeOf(err))
	require.Len(t, f.all(), 100)
}

func TestLiterals(t *testing.T) {
	t.Parallel()
	q, err := Quote("O'Neil")
	require.NoError(t, err)
	require.Equal(t, "'O''Neil'", q)
	_, err = Quote("a\nb")
	require.Error(t, err)
	_, err = QuoteAll(nil)
	require.Error(t, err)
	list, err := QuoteAll([]string{"a", "b"})
	require.NoError(t, err)
	require.Equal(t, "'a','b'", list)
	s, err := Since("2026-11-24 00:30:00", time.Hour)
	require.NoError(t, err)
	require.Equal(t, "TO_TIMESTAMP('2026-11-23 23:30:00', 'YYYY-MM-DD HH24:MI:SS')", s)
	_, err = Since("' OR 1=1", 0)
	require.Error(t, err)
}

func TestConfigurations(t *testing.T) {
	t.Parallel()
	for why, cfg := range map[string]ClientConfig{
		"no account id":    {Account: "x/y", Secret: secretsOf},
		"reader":           {Account: "12345"},
		"must be https://": {Account: "12345", Secret: secretsOf, Endpoint: "https://evil.example"},
		"auth must be":     {Account: "12345", Secret: secretsOf, Auth: "basic"},
	} {
		_, err := NewClient(cfg)
		require.ErrorContains(t, err, why)
	}
	c, err := NewClient(ClientConfig{Account: "123456_SB1", Secret: secretsOf})
	require.NoError(t, err)
	require.Equal(t, "https://123456-sb1.suitetalk.api.netsuite.com", c.cfg.Endpoint)
	require.True(t, AccountID("123456_SB1").Sandbox())
	require.True(t, AccountID("123456-rp").Sandbox())
	require.False(t, AccountID("TSTDRV123456").Sandbox())
}
