package spapitest

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestListsOfJobsArePagedAndBounded: the token of a page is the only parameter of the next, and the
// oldest report goes when there are too many.
func TestListsOfJobsArePagedAndBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	x, err := r.account(r.acct)
	require.NoError(t, err)
	x.mu.Lock()
	for range jobLimit + 7 {
		x.reports = keepNewest(x.reports, &report{id: r.newID(11), kind: reportOrders, status: done,
			markets: []string{x.markets[0].id}, created: r.Now(), since: r.Now(), until: r.Now()})
	}
	newest, oldest := x.reports[len(x.reports)-1].id, x.reports[0].id
	x.mu.Unlock()
	require.Len(t, x.reports, jobLimit)
	const path = "/reports/2021-06-30/reports"
	first := r.ok("GET", path+"?reportTypes="+reportOrders+"&pageSize=100", nil)
	require.Equal(t, newest, str(first, "reports", 0, "reportId"))
	require.Equal(t, 100, count(first, "reports"))
	token := url.QueryEscape(str(first, "nextToken"))
	second := r.ok("GET", path+"?nextToken="+token, nil)
	require.Equal(t, 100, count(second, "reports"), "the page is as long as the first")
	assert.NotEqual(t, str(first, "reports", 99, "reportId"), str(second, "reports", 0, "reportId"))
	r.calm()
	out := r.api("GET", path+"?nextToken="+token+"&pageSize=50", nil)
	assert.Equal(t, 400, out.status, "the token must be the only parameter")
	r.calm()
	out = r.api("GET", path+"?nextToken=nonsense", nil)
	assert.Equal(t, 400, out.status)
	r.calm()
	assert.Equal(t, 200, r.api("GET", path+"/"+oldest, nil).status)
}

// TestEachAccountHasItsQueue: what comes by the one bus of EventBridge is sorted by account.
func TestEachAccountHasItsQueue(t *testing.T) {
	t.Parallel()
	s, err := New(Config{Manual: true})
	require.NoError(t, err)
	defer s.Close()
	var names []string
	for _, l := range s.Logins() {
		names = append(names, l.Account+" "+l.Queue)
	}
	require.Equal(t, []string{"us holdfast-us", "de holdfast-de"}, names)
	bus := &destination{app: s.apps[0], id: "bus", bus: "b", account: awsAccount, region: "us-east-1"}
	for _, x := range s.accounts {
		x.mu.Lock()
		x.subs = append(x.subs, &subscription{id: "s", kind: noteQuantity, dest: bus, app: bus.app})
		a := x.begin("admin")
		a.tellQuantity(x.listings[0])
		x.mu.Unlock()
	}
	s.Advance(time.Minute)
	for _, name := range []string{"holdfast-us", "holdfast-de"} {
		ready, _ := s.queues[name].counts()
		assert.Equal(t, 1, ready, name)
	}
	_, err = New(Config{Accounts: []AccountConfig{{Name: "us", Region: "na", Queue: "none"}}})
	assert.ErrorContains(t, err, `no queue "none"`)
}
