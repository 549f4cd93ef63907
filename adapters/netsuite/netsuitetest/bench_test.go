package netsuitetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func benchServer(b *testing.B) (*Server, func(method, at string, body any)) {
	b.Helper()
	items := SampleItems(1, 1000)
	for i := range items {
		if items[i].Stock != nil {
			items[i].Stock = map[string]string{"main": "100000000", "east": "1000"}
		}
	}
	s, err := New(Config{Items: items, Concurrency: 1000})
	if err != nil || s.Start() != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	token, _ := s.access.grant(s.access.integrations[0])
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	return s, func(method, at string, body any) {
		text, _ := json.Marshal(body)
		req, _ := http.NewRequest(method, s.URL()+at, bytes.NewReader(text))
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Prefer", "transient")
		res, err := client.Do(req)
		if err != nil {
			b.Error(err)
			return
		}
		defer res.Body.Close()
		if got, _ := io.ReadAll(res.Body); res.StatusCode > 299 {
			b.Error(res.StatusCode, string(got))
		}
	}
}

// perCore reports how many a second one core does, the client included.
func perCore(b *testing.B, unit string) func() {
	b.Helper()
	begin := cpuTime(b)
	return func() { b.ReportMetric(float64(b.N)/(cpuTime(b)-begin).Seconds(), unit) }
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCreate makes orders of two lines over HTTP, client and server in one process.
func BenchmarkCreate(b *testing.B) {
	_, call := benchServer(b)
	var n atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	defer perCore(b, "orders/core-s")()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			call("POST", records+"salesOrder", order(fmt.Sprint("so-", i),
				item(fmt.Sprintf("SKU-%04d", i%1000+1), 1), item(fmt.Sprintf("SKU-%04d", i*7%1000+1), 2)))
		}
	})
}

// BenchmarkLookup finds ten of 10,000 orders by external id with SuiteQL.
func BenchmarkLookup(b *testing.B) {
	s, call := benchServer(b)
	for i := range 10_000 {
		if _, err := s.Enter(Orders{ExternalID: fmt.Sprint("so-", i), MaxLines: 2}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	defer perCore(b, "queries/core-s")()
	for i := range b.N {
		var list []byte
		for k := range 10 {
			list = fmt.Appendf(list, "'so-%d',", (i+k*911)%10_000)
		}
		call("POST", "/services/rest/query/v1/suiteql", m{"q": "SELECT id, externalid FROM transaction " +
			"WHERE type = 'SalesOrd' AND externalid IN (" + string(list[:len(list)-1]) + ") ORDER BY id"})
	}
}

// BenchmarkFullPass reads the stock of 1,000 items at two locations, 1,000 rows a page.
func BenchmarkFullPass(b *testing.B) {
	_, call := benchServer(b)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		for _, offset := range []string{"0", "1000"} {
			call("POST", "/services/rest/query/v1/suiteql?limit=1000&offset="+offset, m{"q": "SELECT item, " +
				"location, quantityonhand, quantitycommitted FROM inventoryitemlocations ORDER BY item, location"})
		}
	}
}

// BenchmarkDelta finds what one of 10,000 orders shipped, by a join of 60,000 rows.
func BenchmarkDelta(b *testing.B) {
	s, call := benchServer(b)
	for range 10_000 {
		if _, err := s.Enter(Orders{MaxLines: 4}); err != nil {
			b.Fatal(err)
		}
	}
	since := time.Now().UTC().Add(time.Second).Format(time.DateTime)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		call("POST", "/services/rest/query/v1/suiteql", m{"q": "SELECT t.id, tl.item, tl.quantity FROM " +
			"transaction t JOIN transactionline tl ON tl.transaction = t.id WHERE t.type = 'SalesOrd' AND " +
			"t.lastmodifieddate >= TO_TIMESTAMP_TZ('" + since + " +00:00', 'YYYY-MM-DD HH24:MI:SS TZH:TZM') " +
			"ORDER BY t.id, tl.id"})
	}
}
