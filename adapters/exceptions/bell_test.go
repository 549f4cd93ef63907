package exceptions

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records/recordstest"
)

// ear remembers what it was told, and fails when a test says so.
type ear struct {
	mu     sync.Mutex
	alerts []Alert
	tries  int
	fail   error
	hang   bool
}

func (e *ear) Send(ctx context.Context, a Alert) error {
	e.mu.Lock()
	e.tries++
	fail, hang := e.fail, e.hang
	if fail == nil && !hang {
		e.alerts = append(e.alerts, a)
	}
	e.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return fail
}

func (e *ear) heard() []Alert {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Alert(nil), e.alerts...)
}

func startBell(t *testing.T, s *recordstest.Store, sinks map[string]Sink, rules ...Rule) (b *Bell,
	stop func()) {
	t.Helper()
	b, err := NewBell(BellConfig{Store: s, Rules: rules, Sinks: sinks})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	synctest.Wait()
	return b, func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	}
}

func TestAlertsAreGroupedAndRare(t *testing.T) {
	inBubble(t, func(t *testing.T, s *recordstest.Store) {
		all, stock := &ear{}, &ear{}
		b, stop := startBell(t, s, map[string]Sink{"all": all, "stock": stock},
			Rule{Name: "all", To: []string{"all"}},
			Rule{Name: "stock", To: []string{"stock"}, Classes: []Class{Stock}})
		for i := range 50 {
			raise(t, s, cause(fmt.Sprint("a", i)))
			raise(t, s, cause("a0")) // again and again
		}
		short := cause("short")
		short.Class = Stock
		raise(t, s, short)
		raise(t, s, cause("mends itself"))
		clearIt(t, s, "mends itself")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, all.heard(), 1)
		require.Equal(t, 51, all.heard()[0].Count)
		require.Len(t, all.heard()[0].Exceptions, maxBrief)
		require.Len(t, stock.heard(), 1)
		require.Equal(t, 1, stock.heard()[0].Count)
		require.Equal(t, 50.0, openOf(t, b, "data"))

		raise(t, s, cause("later"))
		raise(t, s, cause("a1"))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, all.heard(), 1, "not so soon")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Len(t, all.heard(), 2)
		require.Equal(t, 1, all.heard()[1].Count)
		stop()

		// Another leader tells nothing that was told, and what opened in between.
		raise(t, s, cause("between"))
		_, stop = startBell(t, s, map[string]Sink{"all": all}, Rule{Name: "all", To: []string{"all"}})
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, all.heard(), 3)
		require.Equal(t, "between", traceOf(t, s, all.heard()[2].Exceptions[0].ID))
		require.Equal(t, 1, all.heard()[2].Count)
		stop()
	})
}

// openOf is the gauge of a class.
func openOf(t *testing.T, b *Bell, class string) (n float64) {
	t.Helper()
	families, err := b.cfg.Registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "holdfast_exceptions_open" && l.GetValue() == class {
					n += m.GetGauge().GetValue()
				}
			}
		}
	}
	return n
}

func traceOf(t *testing.T, s *recordstest.Store, id string) string {
	t.Helper()
	e, err := NewDesk(s, nil, time.Now).Get(context.Background(), id)
	require.NoError(t, err)
	return e.Trace
}

func TestDeliveriesAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, s *recordstest.Store) {
		refuses := &ear{fail: &sinkError{err: errors.New("gone")}}
		fails := &ear{fail: errors.New("down")}
		hangs, hears := &ear{hang: true}, &ear{}
		_, stop := startBell(t, s,
			map[string]Sink{"refuses": refuses, "fails": fails, "hangs": hangs, "hears": hears},
			Rule{Name: "r", To: []string{"refuses", "fails", "hangs", "hears"}})
		raise(t, s, cause("x"))
		time.Sleep(11 * time.Second)
		synctest.Wait()
		require.Len(t, hears.heard(), 1, "nobody waits for another's delivery")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Equal(t, 1, refuses.tries)
		require.Equal(t, sendTries, fails.tries)
		require.Equal(t, sendTries, hangs.tries)
		raise(t, s, cause("y"))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		require.Len(t, hears.heard(), 2, "what could not be delivered holds nothing up")
		stop()
	})
}

func TestBellConfigNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := NewBell(BellConfig{Rules: []Rule{{Name: "a", To: []string{"nobody"}, Every: -1}, {}}})
	for _, want := range []string{"a Store", `no sink "nobody"`, "below 0", "rule 1"} {
		require.ErrorContains(t, err, want)
	}
}

func sample() Alert {
	return Alert{Rule: "ops", Count: 3, Exceptions: []Brief{{ID: "exc-1", Class: Data, Code: "c",
		Key: "k", Detail: "first\r\nBcc: x@example.com"}}}
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	status := 200
	var got Alert
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte("s3cret"))
		mac.Write(body)
		if r.Header.Get("Holdfast-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			status = 401
		}
		_ = json.Unmarshal(body, &got)
		w.WriteHeader(status)
	}))
	defer server.Close()
	w := Webhook{URL: server.URL, Secret: "s3cret"}
	require.NoError(t, w.Send(t.Context(), sample()))
	require.Equal(t, sample(), got)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", w, w, w), "s3cret")
	for _, c := range []struct {
		status    int
		retryable bool
	}{{500, true}, {429, true}, {404, false}, {302, false}} {
		status = c.status
		var e *sinkError
		require.ErrorAs(t, w.Send(t.Context(), sample()), &e)
		require.Equal(t, c.retryable, e.Retryable(), "%d", c.status)
	}
	server.Close()
	var e *sinkError
	require.ErrorAs(t, w.Send(t.Context(), sample()), &e)
	require.True(t, e.Retryable())
}

// mailbox is a server of just enough SMTP.
func mailbox(t *testing.T) (addr string, mail func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	var text strings.Builder
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		say := func(s string) { _, _ = io.WriteString(conn, s+"\r\n") }
		say("220 ready")
		r := bufio.NewReader(conn)
		data := false
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			text.WriteString(line)
			line = strings.TrimSpace(line)
			switch {
			case data:
				if line == "." {
					data = false
					say("250 taken")
				}
			case strings.HasPrefix(line, "DATA"):
				data = true
				say("354 go on")
			case strings.HasPrefix(line, "QUIT"):
				say("221 bye")
				return
			default:
				say("250 ok")
			}
		}
	}()
	return l.Addr().String(), func() string { <-done; return text.String() }
}

func TestMail(t *testing.T) {
	t.Parallel()
	addr, mail := mailbox(t)
	m := Mail{Addr: addr, From: "holdfast@example.com", To: []string{"a@example.com", "b@example.com"}}
	require.NoError(t, m.Send(t.Context(), sample()))
	text := mail()
	for _, want := range []string{"MAIL FROM:<holdfast@example.com>", "RCPT TO:<b@example.com>",
		"Subject: Holdfast: 3 exceptions (ops)\r\n", "exc-1", "and 2 more\r\n"} {
		require.Contains(t, text, want)
	}
	head, _, _ := strings.Cut(text, "\r\n\r\n")
	require.NotContains(t, head, "Bcc", "nothing that a vendor said is in the headers")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	m.Addr = silent.Addr().String()
	require.Error(t, m.Send(ctx, sample()), "it does not wait for ever")
}
