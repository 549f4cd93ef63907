package spapitest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rig is a server with a manual clock, and a client of one of its accounts.
type rig struct {
	*Server
	t      *testing.T
	acct   string
	region string
	seller string
	token  string
	check  bool // hold every answer to Amazon's models, where they are there
}

// atOnce is no delay anywhere, but those that a test names.
func atOnce(change func(*Timing)) *Timing {
	var t Timing
	if change != nil {
		change(&t)
	}
	return &t
}

func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	cfg.Manual = true
	if len(cfg.Accounts) == 0 {
		cfg.Accounts = []AccountConfig{testAccount("us", "na"), testAccount("de", "eu")}
	}
	if cfg.Timing == nil {
		cfg.Timing = atOnce(nil)
	}
	s, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	r := &rig{Server: s, t: t, check: true}
	return r.as("us")
}

// as is the same server seen by another account.
func (r *rig) as(name string) *rig {
	r.t.Helper()
	out := *r
	x, err := r.account(name)
	if err != nil {
		x = r.accounts[0]
	}
	out.acct, out.region, out.seller = x.cfg.Name, x.cfg.Region, x.cfg.SellerID
	out.token = out.login()
	return &out
}

func testAccount(name, region string) AccountConfig {
	a := AccountConfig{Name: name, Region: region, Listings: []ListingConfig{
		{SKU: "A", ASIN: "B000000001", Price: "10.00", Quantity: 10, LeadTime: 2},
		{SKU: "B/1 +%", ASIN: "B000000002", Price: "20.00", Quantity: 5},
		{SKU: "F", ASIN: "B000000003", Price: "30.00", FBA: true, Stock: map[string]int64{"": 10}},
		{SKU: "G", ASIN: "B000000004", Price: "40.00", FBA: true, Stock: map[string]int64{"": 4}},
	}}
	if region == "eu" {
		a.Marketplaces = []string{"DE", "FR", "GB"}
		a.Listings[2].Stock["GB"] = 3
	}
	return a
}

// reply is an answer.
type reply struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

func (r reply) code() string { return str(r.body, "errors", 0, "code") }

// do sends one request to the handler and reads the answer.
func (r *rig) do(method, path string, header map[string]string, body []byte) reply {
	r.t.Helper()
	req := httptest.NewRequest(method, path, bytes.NewReader(body))
	req.Header.Set("User-Agent", "Test/1.0 (Language=Go)")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	out := reply{status: w.Code, header: w.Result().Header, raw: w.Body.Bytes()}
	if json.Valid(out.raw) {
		dec := json.NewDecoder(bytes.NewReader(out.raw))
		dec.UseNumber()
		require.NoError(r.t, dec.Decode(&out.body))
	}
	return out
}

// grant asks for an access token.
func (r *rig) grant(form url.Values) reply {
	return r.do("POST", "/auth/o2/token",
		map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, []byte(form.Encode()))
}

func (r *rig) login() string {
	r.t.Helper()
	a := r.cfg.Apps[0]
	out := r.grant(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"Atzr|" + r.acct},
		"client_id": {a.ClientID}, "client_secret": {a.ClientSecret}})
	require.Equal(r.t, 200, out.status, string(out.raw))
	return str(out.body, "access_token")
}

// grantless is the same rig with a token of a scope.
func (r *rig) grantless(scope string) *rig {
	r.t.Helper()
	a := r.cfg.Apps[0]
	out := r.grant(url.Values{"grant_type": {"client_credentials"}, "scope": {scope},
		"client_id": {a.ClientID}, "client_secret": {a.ClientSecret}})
	require.Equal(r.t, 200, out.status)
	g := *r
	g.token = str(out.body, "access_token")
	return &g
}

// api calls an operation. Every answer is held to Amazon's model.
func (r *rig) api(method, path string, body any) reply {
	r.t.Helper()
	var text []byte
	if body != nil {
		text = encode(body)
	}
	out := r.do(method, "/"+r.region+path, map[string]string{"X-Amz-Access-Token": r.token,
		"Content-Type": "application/json"}, text)
	if r.check {
		conform(r.t, method, path, text, out)
	}
	return out
}

// ok calls and wants success.
func (r *rig) ok(method, path string, body any) map[string]any {
	r.t.Helper()
	out := r.api(method, path, body)
	require.Less(r.t, out.status, 300, "%s %s: %s", method, path, out.raw)
	return out.body
}

// calm fills all buckets: for tests that are not about limits.
func (r *rig) calm() {
	r.limits.mu.Lock()
	defer r.limits.mu.Unlock()
	clear(r.limits.buckets)
}

func (r *rig) bought(lines ...PurchaseLine) BoughtOrder {
	r.t.Helper()
	out, err := r.Buy(Purchases{Account: r.acct, Lines: lines})
	require.NoError(r.t, err)
	require.Len(r.t, out.Orders, 1)
	return out.Orders[0]
}

func (r *rig) listing(sku string) ListingState {
	r.t.Helper()
	out, err := r.Listing(r.acct, sku)
	require.NoError(r.t, err)
	return out
}

func (r *rig) order(id string) OrderState {
	r.t.Helper()
	out, err := r.Order(r.acct, id)
	require.NoError(r.t, err)
	return out
}

// fulfillable is the stock of a SKU in the pool of the account's first marketplace.
func (r *rig) stock(sku string) Levels {
	r.t.Helper()
	x, err := r.account(r.acct)
	require.NoError(r.t, err)
	return r.listing(sku).Stock[x.pools[0][0]]
}

func (r *rig) item(sku string) string {
	return "/listings/2021-08-01/items/" + r.seller + "/" + url.PathEscape(sku)
}

func (r *rig) market() string {
	x, _ := r.account(r.acct)
	return x.markets[0].id
}

// sqs calls the queue.
func (r *rig) sqs(op string, body map[string]any) reply {
	r.t.Helper()
	if _, named := body["QueueUrl"]; !named {
		body["QueueUrl"] = r.QueueURL("holdfast-" + r.acct)
	}
	return r.do("POST", "/sqs/", map[string]string{"X-Amz-Target": "AmazonSQS." + op,
		"Content-Type": sqsType}, encode(body))
}

// drain receives and deletes all messages that are visible; bodies come back.
func (r *rig) drain() []string {
	r.t.Helper()
	var out []string
	for {
		got := r.sqs("ReceiveMessage", m{"MaxNumberOfMessages": 10})
		require.Equal(r.t, 200, got.status, string(got.raw))
		list, _ := got.body["Messages"].([]any)
		if len(list) == 0 {
			return out
		}
		for _, x := range list {
			out = append(out, str(x, "Body"))
			del := r.sqs("DeleteMessage", m{"ReceiptHandle": str(x, "ReceiptHandle")})
			require.Equal(r.t, 200, del.status)
		}
	}
}

// subscribe sends the types to the account's queue, by EventBridge where they must.
func (r *rig) subscribe(kinds ...string) {
	r.t.Helper()
	g := r.grantless(scopeNotifications)
	spec := m{"sqs": m{"arn": r.QueueARN("holdfast-" + r.acct)}}
	sqs := str(g.ok("POST", noteDests, m{"name": "q-" + r.acct, "resourceSpecification": spec}),
		"payload", "destinationId")
	spec = m{"eventBridge": m{"accountId": awsAccount, "region": "us-east-1"}}
	bus := str(g.ok("POST", noteDests, m{"name": "b-" + r.acct, "resourceSpecification": spec}),
		"payload", "destinationId")
	for _, kind := range kinds {
		dest := sqs
		if noteKinds[kind].bus {
			dest = bus
		}
		r.calm()
		r.ok("POST", noteSubs+"/"+kind, m{"payloadVersion": noteKinds[kind].version,
			"destinationId": dest})
	}
}

// notes are the messages of one type, without what EventBridge wraps around them.
func notes(t *testing.T, bodies []string, kind string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for _, b := range bodies {
		var v map[string]any
		dec := json.NewDecoder(strings.NewReader(b))
		dec.UseNumber()
		require.NoError(t, dec.Decode(&v))
		if detail, wrapped := v["detail"].(map[string]any); wrapped {
			v = detail
		}
		name := str(v, "NotificationType") + str(v, "notificationType")
		if strings.TrimSuffix(name, "D") == strings.TrimSuffix(kind, "D") {
			out = append(out, v)
		}
	}
	return out
}

type m = map[string]any

// dig follows a path of keys and indexes.
func dig(v any, path ...any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			o, isObj := v.(map[string]any)
			if !isObj {
				return nil
			}
			v = o[s]
		case int:
			l, isList := v.([]any)
			if !isList || s >= len(l) {
				return nil
			}
			v = l[s]
		}
	}
	return v
}

func str(v any, path ...any) string {
	s, _ := dig(v, path...).(string)
	return s
}

func num(v any, path ...any) int64 {
	n, _ := dig(v, path...).(json.Number)
	i, err := n.Int64()
	if err != nil {
		return -1
	}
	return i
}

func count(v any, path ...any) int {
	l, _ := dig(v, path...).([]any)
	return len(l)
}

func at(t time.Time) string { return url.QueryEscape(stamp(t)) }
