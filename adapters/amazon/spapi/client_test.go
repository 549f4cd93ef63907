package spapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/outbox"
)

// A call whose second effect is that of the first, and one that must be sent once.
func confirm(c *Client) error {
	return c.ConfirmShipment(context.Background(), "1", Confirmation{Package: 1, Items: []ShippedItem{{"1", 1}}})
}

func ask(c *Client) error {
	_, err := c.AskReport(context.Background(), NewReport{Type: OrdersReport})
	return err
}

func look(c *Client) error {
	_, err := c.Listing(context.Background(), ListingKey{"SELLER", "SKU", []string{"M"}})
	return err
}

// TestEachRefusalHasItsClass goes through every status that the models declare, with what the outbox
// makes of it.
func TestEachRefusalHasItsClass(t *testing.T) {
	for name, c := range map[string]struct {
		answer
		class exceptions.Class
		code  string
		calls int // of a call that reads
		again bool
	}{
		"400":           {answer{400, apiErrors("InvalidInput", "no", ""), nil}, exceptions.Data, "amazon-invalid-input", 1, false},
		"400 spaced":    {answer{400, apiErrors("Invalid Input", "no", ""), nil}, exceptions.Data, "amazon-invalid-input", 1, false},
		"400 listings":  {answer{400, apiErrors("BAD_REQUEST", "no", ""), nil}, exceptions.Data, "amazon-bad-request", 1, false},
		"400 wrapped":   {answer{400, `{"payload":null,"errors":[{"code":"InvalidInput"}]}`, nil}, exceptions.Data, "amazon-invalid-input", 1, false},
		"400 no errors": {answer{400, `<html>`, nil}, exceptions.Data, "amazon-bad-request", 1, false},
		"401":           {answer{401, apiErrors("Unauthorized", "no", ""), nil}, exceptions.Auth, CodeDenied, 2, false},
		"403":           {answer{403, apiErrors("Unauthorized", "Access to requested resource is denied.", ""), nil}, exceptions.Auth, CodeDenied, 1, false},
		"404":           {answer{404, apiErrors("NotFound", "no", ""), nil}, exceptions.Data, CodeGone, 1, false},
		"409":           {answer{409, apiErrors("Conflict", "no", ""), nil}, exceptions.Conflict, CodeConflict, 1, false},
		"413":           {answer{413, apiErrors("TooLarge", "no", ""), nil}, exceptions.Data, "amazon-too-large", 1, false},
		"415":           {answer{415, ``, nil}, exceptions.Bug, CodeRequest, 1, false},
		"429":           {answer{429, apiErrors("QuotaExceeded", "quota", ""), nil}, exceptions.Limit, CodeThrottled, maxTries, true},
		"500":           {answer{500, apiErrors("InternalFailure", "no", ""), nil}, exceptions.Transient, CodeUnavailable, maxTries, true},
		"503":           {answer{503, ``, nil}, exceptions.Transient, CodeUnavailable, maxTries, true},
		"302":           {answer{302, ``, map[string]string{"Location": "http://127.0.0.1:1/"}}, exceptions.Bug, CodeRequest, 1, false},
		"no JSON":       {answer{200, `<html>`, nil}, exceptions.Bug, CodeAnswer, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.says(c.answer)
			err := look(w.client)
			require.Error(t, err)
			v := outbox.Classify(err)
			assert.Equal(t, c.class, v.Class)
			assert.Equal(t, c.code, v.Code)
			assert.False(t, v.Unknown, "a call that reads changes nothing")
			assert.Equal(t, c.calls, w.calls())
			var f *Fault
			require.True(t, errors.As(err, &f))
			assert.Equal(t, c.again, f.Retryable())
			assert.Contains(t, err.Error(), "request req-")
		})
	}
}

func TestAWriteSaysWhetherItMayHaveHappened(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		unknown bool
		repeats int // how often a call that may be repeated is sent
		once    int // how often one that may not is
	}{
		"400": {400, false, 1, 1}, "403": {403, false, 1, 1}, "404": {404, false, 1, 1},
		"429": {429, false, maxTries, 1}, "500": {500, true, maxTries, 1}, "503": {503, true, maxTries, 1},
	} {
		w := newWorld(t)
		w.says(answer{c.status, "", nil})
		v := outbox.Classify(confirm(w.client))
		assert.Equal(t, c.unknown, v.Unknown, name)
		assert.Equal(t, c.repeats, w.calls(), name)
		w = newWorld(t)
		w.says(answer{c.status, "", nil})
		v = outbox.Classify(ask(w.client))
		assert.Equal(t, c.unknown, v.Unknown, name)
		assert.Equal(t, c.once, w.calls(), name)
	}
	w := newWorld(t)
	w.server.Close()
	v := outbox.Classify(ask(w.client))
	assert.Equal(t, exceptions.Transient, v.Class)
	assert.False(t, v.Unknown, "without a token nothing was sent")
}

func TestATokenIsRenewedEarlyByOneFlight(t *testing.T) {
	w := newWorld(t)
	w.says(answer{200, `{"sku":"SKU"}`, nil})
	require.NoError(t, look(w.client))
	require.NoError(t, look(w.client))
	assert.Len(t, w.grants, 1)
	r, _ := w.last()
	assert.Equal(t, "Atza|1", r.Header.Get("X-Amz-Access-Token"))
	assert.Contains(t, w.grants[0], "grant_type=refresh_token")
	assert.Contains(t, w.grants[0], "refresh_token=shh-refresh")

	w.clock.Advance(time.Hour - renewEarly + time.Second)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { assert.NoError(t, look(w.client)) })
	}
	all.Wait()
	assert.Len(t, w.grants, 2, "one flight, whoever asks")

	// A token endpoint that is down costs nothing while the old token is good.
	w.clock.Advance(time.Hour - renewEarly + time.Second)
	w.tokens = []answer{{503, "", nil}}
	require.NoError(t, look(w.client))
	r, _ = w.last()
	assert.Equal(t, "Atza|2", r.Header.Get("X-Amz-Access-Token"))
	assert.Len(t, w.grants, 3)
}

func TestOthersGoOnWithTheOldToken(t *testing.T) {
	w := newWorld(t)
	w.says(answer{200, `{"sku":"SKU"}`, nil})
	require.NoError(t, look(w.client))
	w.clock.Advance(time.Hour - renewEarly + time.Second)
	arrived, release := make(chan struct{}), make(chan struct{})
	w.mu.Lock()
	w.onGrant = func() { close(arrived); <-release }
	w.mu.Unlock()
	var flyer sync.WaitGroup
	flyer.Go(func() { assert.NoError(t, look(w.client)) })
	<-arrived
	require.NoError(t, look(w.client))
	r, _ := w.last()
	assert.Equal(t, "Atza|1", r.Header.Get("X-Amz-Access-Token"))
	close(release)
	flyer.Wait()
	r, _ = w.last()
	assert.Equal(t, "Atza|2", r.Header.Get("X-Amz-Access-Token"))
}

func TestAnExpiredTokenIsRenewedOnce(t *testing.T) {
	expired := answer{403, apiErrors("Unauthorized", "Access to requested resource is denied.",
		"The access token you provided has expired."), nil}
	w := newWorld(t)
	w.says(expired, answer{200, `{"sku":"SKU"}`, nil})
	require.NoError(t, look(w.client))
	assert.Len(t, w.grants, 2)
	r, _ := w.last()
	assert.Equal(t, "Atza|2", r.Header.Get("X-Amz-Access-Token"))

	w.says(expired)
	before := w.calls()
	assert.Equal(t, CodeDenied, CodeOf(look(w.client)))
	assert.Equal(t, 2, w.calls()-before, "once more, and no more")
}

func TestAnExpiredTokenMidPageLosesNothing(t *testing.T) {
	w := newWorld(t)
	page := `{"orders":[{"orderId":"%s"}],"pagination":{"nextToken":"%s"},"createdBefore":"2026-11-23T11:58:00Z"}`
	w.says(answer{200, fmt.Sprintf(page, "1", "T2"), nil},
		answer{401, apiErrors("Unauthorized", "expired", ""), nil},
		answer{200, fmt.Sprintf(page, "2", ""), nil})
	search := Search{CreatedAfter: w.clock.Now().Add(-time.Hour), Marketplaces: []string{"M"}}
	one, err := w.client.SearchOrders(t.Context(), search)
	require.NoError(t, err)
	search.Token = one.Next
	two, err := w.client.SearchOrders(t.Context(), search)
	require.NoError(t, err)
	assert.Equal(t, []string{"1", "2"}, []string{one.Orders[0].ID, two.Orders[0].ID})
	assert.Equal(t, "T2", w.got[1].URL.Query().Get("paginationToken"))
	assert.Equal(t, w.got[1].URL.RawQuery, w.got[2].URL.RawQuery)
	assert.Equal(t, time.Date(2026, 11, 23, 11, 58, 0, 0, time.UTC), two.Before)
}

func TestCredentialsThatAreRefusedAreAnAuthFault(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":"invalid_grant","error_description":"The request has an invalid grant parameter : refresh_token"}`: "invalid_grant",
		`{"error":"invalid_client"}`: "invalid_client",
		`not even JSON`:              "HTTP 400",
	} {
		w := newWorld(t)
		w.tokens = []answer{{400, body, nil}}
		err := look(w.client)
		v := outbox.Classify(err)
		assert.Equal(t, exceptions.Auth, v.Class)
		assert.ErrorContains(t, err, want)
		assert.Zero(t, w.calls())
	}
	w := newWorld(t, func(c *Config) {
		c.Secret = func(string) (connections.Secret, error) { return connections.Secret{}, errors.New("gone") }
	})
	assert.Equal(t, exceptions.Auth, outbox.Classify(look(w.client)).Class)
}

func TestGrantlessCallsUseTheScope(t *testing.T) {
	w := newWorld(t)
	w.says(answer{200, `{"payload":[]}`, nil})
	_, err := w.client.Destinations(t.Context())
	require.NoError(t, err)
	require.Len(t, w.grants, 1)
	assert.Contains(t, w.grants[0], "grant_type=client_credentials")
	assert.Contains(t, w.grants[0], "scope=sellingpartnerapi%3A%3Anotifications")
	assert.NotContains(t, w.grants[0], "shh-refresh")
}

// TestNothingSecretIsPrinted calls what fails in every way, and looks for secrets, addresses of
// documents and buyers in what is logged and in the errors.
func TestNothingSecretIsPrinted(t *testing.T) {
	var logged bytes.Buffer
	w := newWorld(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	buyer := Address{Name: "Jane Doe", Line1: "1 Main St", Postal: "48110", Phone: "555-0100"}
	out := w.client.Outbound2020()
	order := OutboundOrder{ID: "a-1", Address: buyer, Items: []OutboundItem{{"1", "A", 1}}}
	w.says(answer{400, apiErrors("InvalidInput", "1 Main St of Jane Doe is no address", "555-0100"), nil})
	err := out.Create(t.Context(), order)
	require.Error(t, err)
	text := fmt.Sprintf("%v %+v %v", err, order, slog.AnyValue(order))
	w.says(answer{200, `{"url":"SERVER/doc?X-Amz-Signature=presigned","reportDocumentId":"1"}`, nil},
		answer{403, "", nil})
	_, err = w.client.ReportDocument(t.Context(), "1")
	require.Error(t, err)
	text += err.Error()
	w.says(answer{200, `{"url":"http://192.0.2.1/doc?X-Amz-Signature=presigned","reportDocumentId":"1"}`, nil})
	_, err = w.client.ReportDocument(t.Context(), "1")
	require.Error(t, err)
	text += err.Error()
	w.tokens = []answer{{400, `{"error":"x","error_description":"shh-refresh is bad"}`, nil}}
	w.clock.Advance(2 * time.Hour)
	err = look(w.client)
	require.Error(t, err)
	text += err.Error() + logged.String()
	for _, word := range []string{"shh-", "Atza", "Jane", "Main St", "48110", "555-0100", "presigned"} {
		assert.NotContains(t, text, word)
	}
	assert.Contains(t, text, "amazon-invalid-input")
	assert.Contains(t, logged.String(), "createFulfillmentOrder")
}

func TestTheAnswerIsBounded(t *testing.T) {
	w := newWorld(t)
	w.says(answer{200, `{"sku":"` + strings.Repeat("x", maxReply) + `"}`, nil})
	assert.Equal(t, CodeAnswer, CodeOf(look(w.client)))
}

func TestSKUsAndListsAreWrittenAsAmazonReadsThem(t *testing.T) {
	w := newWorld(t)
	w.says(answer{200, `{"sku":"x"}`, nil})
	_, err := w.client.Listing(t.Context(), ListingKey{"SELLER", "a/b+c d%e ü", []string{"M1", "M2"}},
		WithSummaries, WithAvailability)
	require.NoError(t, err)
	r, _ := w.last()
	assert.Equal(t, "/listings/2021-08-01/items/SELLER/a%2Fb%2Bc%20d%25e%20%C3%BC", r.URL.EscapedPath())
	assert.Equal(t, "includedData=summaries%2CfulfillmentAvailability&marketplaceIds=M1%2CM2", r.URL.RawQuery)
	assert.True(t, strings.HasPrefix(r.UserAgent(), "Holdfast/1.0 (Language=Go/"), r.UserAgent())
	for _, sku := range []string{"", ".", "..", strings.Repeat("x", 600)} {
		_, err := w.client.Listing(t.Context(), ListingKey{"SELLER", sku, []string{"M1"}})
		assert.Equal(t, CodePayload, CodeOf(err), sku)
	}
}

func TestAClockThatIsFiveMinutesOffChangesNothing(t *testing.T) {
	for _, skew := range []time.Duration{-5 * time.Minute, 5 * time.Minute} {
		w := newWorld(t)
		w.clock.Advance(skew)
		w.says(answer{200, `{"orders":[],"createdBefore":"2026-11-23T11:58:00Z"}`,
			map[string]string{"Date": "Mon, 23 Nov 2026 12:00:00 GMT"}})
		page, err := w.client.SearchOrders(t.Context(), Search{CreatedAfter: time.Unix(0, 0)})
		require.NoError(t, err)
		assert.Equal(t, time.Date(2026, 11, 23, 11, 58, 0, 0, time.UTC), page.Before, "Amazon's clock")
		r, _ := w.last()
		assert.False(t, r.URL.Query().Has("createdBefore"), "no time of ours ends a search")
		w.clock.Advance(54 * time.Minute)
		_, err = w.client.SearchOrders(t.Context(), Search{CreatedAfter: time.Unix(0, 0)})
		require.NoError(t, err)
		assert.Len(t, w.grants, 1, "a token's life is counted from when it came")
	}
}

func TestAConfigurationIsChecked(t *testing.T) {
	good := func(string) (connections.Secret, error) { return connections.Secret{}, nil }
	for endpoint, ok := range map[string]bool{"https://sellingpartnerapi-eu.amazon.com": true,
		"http://127.0.0.1:8080/eu": true, "http://example.com": false, "": false,
		"https://user:pw@example.com": false, "https://example.com?x=1": false} {
		_, err := NewClient(Config{Endpoint: endpoint, Secret: good})
		assert.Equal(t, ok, err == nil, endpoint)
	}
	_, err := NewClient(Config{Endpoint: NA.Endpoint(), TokenEndpoint: "http://example.com"})
	assert.ErrorContains(t, err, "token endpoint")
	assert.ErrorContains(t, err, "no credentials")
}
