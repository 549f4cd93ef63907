package exceptions

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// threeAlerts is an alert of two exceptions out of three, one with words of a vendor that want to be headers.
func threeAlerts() Alert {
	return Alert{Rule: "all", At: "2026-10-01T12:00:00Z", Count: 3, Exceptions: []Brief{
		{ID: "exc-1", Class: Data, Code: "unmapped-sku", Key: "SKU-1", Flow: "F10", Connection: "shop",
			Detail: "nothing is mapped"},
		{ID: "exc-2", Class: Stock, Code: "short", Key: "o1", Flow: "F3",
			Detail: "no stock\r\n.\r\nBcc: all@example.com"},
	}}
}

func retryable(err error) bool {
	var r interface{ Retryable() bool }
	return !errors.As(err, &r) || r.Retryable()
}

func TestTheWebhookIsNotFollowed(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; r.URL.Path == "/elsewhere" {
			w.WriteHeader(204)
			return
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(307)
	}))
	defer server.Close()
	err := Webhook{URL: server.URL, Secret: "s3cret"}.Send(t.Context(), threeAlerts())
	require.ErrorContains(t, err, "307")
	require.False(t, retryable(err))
	require.Equal(t, 1, asked, "what is signed goes to whom it is meant for")
	err = Webhook{URL: server.URL + "/elsewhere"}.Send(t.Context(), threeAlerts())
	require.NoError(t, err)
}

// postOffice is an SMTP server of one letter at a time, on loopback.
type postOffice struct {
	ln     net.Listener
	tls    *tls.Config   // nil: it has no STARTTLS
	refuse string        // the command that it answers 550
	said   chan []string // of each connection, what the client said
}

func newPostOffice(t *testing.T) *postOffice {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &postOffice{ln: ln, said: make(chan []string, 8)}
	return p
}

// open serves until the test ends, and waits for that.
func (p *postOffice) open(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := p.ln.Accept()
			if err != nil {
				return
			}
			p.said <- p.serve(conn)
		}
	}()
	t.Cleanup(func() {
		p.ln.Close()
		<-done
	})
}

// serve speaks with one client, and returns what it said; what came over TLS begins with "tls ".
func (p *postOffice) serve(conn net.Conn) (said []string) {
	defer func() { conn.Close() }()
	secure, letter := "", false
	in := bufio.NewReader(conn)
	answer := func(text string) { fmt.Fprintf(conn, "%s\r\n", text) }
	answer("220 here")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return said
		}
		line = strings.TrimRight(line, "\r\n")
		said = append(said, secure+line)
		verb, _, _ := strings.Cut(line, " ")
		switch {
		case letter:
			if line == "." {
				letter = false
				answer("250 taken")
			}
		case verb == p.refuse:
			answer("550 no")
		case verb == "EHLO" && p.tls != nil && secure == "":
			answer("250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN")
		case verb == "EHLO":
			answer("250-here\r\n250 AUTH PLAIN")
		case verb == "STARTTLS":
			answer("220 go")
			upgraded := tls.Server(conn, p.tls)
			conn, secure = upgraded, "tls "
			in = bufio.NewReader(conn)
		case verb == "AUTH":
			answer("235 welcome")
		case verb == "DATA":
			letter = true
			answer("354 go on")
		case verb == "QUIT":
			answer("221 bye")
			return said
		default:
			answer("250 ok")
		}
	}
}

func TestTheMailIsSentAsALetter(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t)
	p.open(t)
	mail := Mail{Addr: p.ln.Addr().String(), From: "stock@example.com",
		To: []string{"a@example.com", "b@example.com"}, User: "stock", Password: "s3cret"}
	require.NoError(t, mail.Send(t.Context(), threeAlerts()))
	said := <-p.said
	text := strings.Join(said, "\n")
	for _, want := range []string{"MAIL FROM:<stock@example.com>", "RCPT TO:<a@example.com>",
		"RCPT TO:<b@example.com>", "AUTH PLAIN", "Subject: Holdfast: 3 exceptions (all)",
		"unmapped-sku", "nothing is mapped", "and 1 more", "QUIT"} {
		require.Contains(t, text, want)
	}
	head, _, _ := strings.Cut(text, "\n\n")
	require.NotContains(t, head, "Bcc", "words of a vendor are no header")
	require.Equal(t, 1, strings.Count(text, "\n.\n"), "and end no letter")
	require.NotContains(t, fmt.Sprintf("%v %#v", mail, mail), "s3cret")
}

func TestTheMailGoesOverTLSWhereItCan(t *testing.T) {
	t.Parallel()
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	defer certified.Close()
	p := newPostOffice(t)
	p.tls = &tls.Config{Certificates: certified.TLS.Certificates}
	p.open(t)
	roots := certified.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	mail := Mail{Addr: p.ln.Addr().String(), From: "stock@example.com", To: []string{"a@example.com"},
		User: "stock", Password: "s3cret", TLS: &tls.Config{RootCAs: roots, ServerName: "example.com"}}
	require.NoError(t, mail.Send(t.Context(), threeAlerts()))
	for _, line := range <-p.said {
		if strings.HasPrefix(line, "AUTH") || strings.HasPrefix(line, "MAIL") {
			t.Errorf("%q is sent in the clear", line)
		}
	}
	mail.TLS = nil
	require.Error(t, mail.Send(t.Context(), threeAlerts()), "nobody vouches for the server")
	<-p.said
}

func TestAMailThatIsRefused(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"AUTH", "MAIL", "RCPT", "DATA"} {
		p := newPostOffice(t)
		p.refuse = verb
		p.open(t)
		mail := Mail{Addr: p.ln.Addr().String(), From: "stock@example.com", To: []string{"a@example.com"},
			User: "stock", Password: "s3cret"}
		require.ErrorContains(t, mail.Send(t.Context(), threeAlerts()), "550", verb)
		<-p.said
	}
	require.False(t, retryable(Mail{Addr: "no port"}.Send(t.Context(), threeAlerts())))
}

func TestTheLogHasALineForEach(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, Log{slog.New(slog.NewTextHandler(&out, nil))}.Send(t.Context(), threeAlerts()))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 3)
	require.Contains(t, lines[0], "code=unmapped-sku")
	require.Contains(t, lines[2], "count=1")
}
