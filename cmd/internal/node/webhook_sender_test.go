package node

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// senderVariable makes this program the sender of webhooks of a benchmark, in a process of its own, so
// that what the node costs can be told from what the load costs. It has a sending as JSON.
const senderVariable = "HOLDFAST_BENCH_SENDING"

// sending is what a sender is to do. Rate 0 is as fast as answers come.
type sending struct {
	Addr, Template              string
	First, Count, Senders, Rate int
}

// sent is what became of a sending. Times are from when an order was due to its answer; with Rate 0 it
// is due when its sender is free.
type sent struct {
	Seconds           float64
	P50, P99, Slowest time.Duration
	Again             int64 // answers of 503, after which the order was sent once more
	Fault             string
}

func TestMain(m *testing.M) {
	text := os.Getenv(senderVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	var s sending
	err := json.Unmarshal([]byte(text), &s)
	if err == nil {
		err = s.do(os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// do prepares all requests, says so by a line, waits for one, sends them, and says how that went.
func (s *sending) do(in io.Reader, out io.Writer) error {
	requests := make([][]byte, s.Count)
	for i := range requests {
		requests[i] = s.request(s.First + i)
	}
	conns := make([]net.Conn, s.Senders)
	for i := range conns {
		var err error
		if conns[i], err = net.Dial("tcp", s.Addr); err != nil {
			return err
		}
		defer conns[i].Close()
	}
	fmt.Fprintln(out, "ready")
	if _, err := bufio.NewReader(in).ReadString('\n'); err != nil {
		return err
	}
	took := make([]time.Duration, s.Count)
	fault := make(chan error, s.Senders)
	var next, again atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for _, c := range conns {
		all.Go(func() {
			answers := bufio.NewReader(c)
			for i := int(next.Add(1)) - 1; i < s.Count; i = int(next.Add(1)) - 1 {
				due := time.Now()
				if s.Rate > 0 {
					due = began.Add(time.Duration(i) * time.Second / time.Duration(s.Rate))
					time.Sleep(time.Until(due))
				}
				err := exchange(c, answers, requests[i])
				for ; errors.Is(err, errLater) && time.Since(due) < patience; again.Add(1) {
					err = exchange(c, answers, requests[i])
				}
				if err != nil {
					fault <- fmt.Errorf("order %d: %w", i, err)
					return
				}
				took[i] = time.Since(due)
			}
		})
	}
	all.Wait()
	r := sent{Seconds: time.Since(began).Seconds(), Again: again.Load()}
	slices.Sort(took)
	r.P50, r.P99, r.Slowest = took[len(took)/2], took[len(took)*99/100], took[len(took)-1]
	select {
	case err := <-fault:
		r.Fault = err.Error()
	default:
	}
	return json.NewEncoder(out).Encode(r)
}

// request is all bytes of the webhook of order i, with the headers that Shopify sends.
func (s *sending) request(i int) []byte {
	body, signature := hookOrder(s.Template, i)
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST /hooks/shopify/shop HTTP/1.1\r\nHost: hooks.example.com\r\n"+
		"User-Agent: Shopify-Captain-Hook\r\nContent-Type: application/json\r\nAccept: */*\r\n"+
		"X-Shopify-Topic: orders/create\r\nX-Shopify-Shop-Domain: shop.myshopify.com\r\n"+
		"X-Shopify-Api-Version: 2026-07\r\nX-Shopify-Webhook-Id: b54557e4-bdd9-4b37-8a5f-%012d\r\n"+
		"X-Shopify-Event-Id: 98880550-7158-44d4-b7cd-%012d\r\n"+
		"X-Shopify-Triggered-At: 2026-11-23T14:00:00.%09dZ\r\nX-Shopify-Hmac-Sha256: %s\r\n"+
		"Content-Length: %d\r\n\r\n", i, i, i, signature, len(body))
	b.Write(body)
	return b.Bytes()
}

// patience is for how long an order is sent again: a node that has stopped by itself answers 503 for ever.
const patience = 30 * time.Second

// errLater is an answer of 503.
var errLater = errors.New("not taken in")

// exchange sends a request and reads its answer. It fails with errLater when nothing was taken in, and
// for every other answer but 200.
func exchange(c net.Conn, answers *bufio.Reader, request []byte) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	status, err := answers.ReadSlice('\n')
	if err != nil {
		return err
	}
	good := bytes.HasPrefix(status, []byte("HTTP/1.1 200 "))
	later := bytes.HasPrefix(status, []byte("HTTP/1.1 503 "))
	said := string(bytes.TrimSpace(status[:min(len(status), 40)]))
	length := 0
	for {
		line, err := answers.ReadSlice('\n')
		if err != nil {
			return err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(": ")); bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	if _, err := answers.Discard(length); err != nil {
		return err
	}
	switch {
	case good:
		return nil
	case later:
		return errLater
	}
	return errors.New(said)
}
