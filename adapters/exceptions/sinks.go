package exceptions

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/smtp"
	"strings"
)

// Secret is a text that prints as ***.
type Secret string

// String returns ***.
func (Secret) String() string { return "***" }

// GoString returns ***.
func (Secret) GoString() string { return "***" }

// LogValue returns ***.
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText returns ***; it never fails.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Log writes an alert to a log, one line for each exception.
type Log struct{ Logger *slog.Logger }

// Send writes the lines. It never fails.
func (l Log) Send(_ context.Context, a Alert) error {
	for _, e := range a.Exceptions {
		l.Logger.Warn("exception", "rule", a.Rule, "id", e.ID, "class", string(e.Class),
			"code", e.Code, "flow", e.Flow, "connection", e.Connection, "key", e.Key,
			"detail", e.Detail)
	}
	if rest := a.Count - len(a.Exceptions); rest > 0 {
		l.Logger.Warn("more exceptions", "rule", a.Rule, "count", rest)
	}
	return nil
}

// Webhook posts an alert as JSON. With a secret, the header Holdfast-Signature has "sha256=" and the
// HMAC of the body in hexadecimal.
type Webhook struct {
	URL    string
	Secret Secret
	Client *http.Client // nil is one of its own, which follows no redirect
}

// Send posts the alert. It fails when the answer is not 2xx; what the receiver does not want (4xx but
// for 408 and 429) is not Retryable.
func (w Webhook) Send(ctx context.Context, a Alert) error {
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return &sinkError{err: err}
	}
	r.Header.Set("Content-Type", "application/json")
	if w.Secret != "" {
		mac := hmac.New(sha256.New, []byte(w.Secret))
		mac.Write(body)
		r.Header.Set("Holdfast-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	client := w.Client
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}}
	}
	answer, err := client.Do(r)
	if err != nil {
		return &sinkError{err: err, retryable: true}
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	s := answer.StatusCode
	if s >= 200 && s < 300 {
		return nil
	}
	return &sinkError{err: fmt.Errorf("the receiver answered %d", s),
		retryable: s >= 500 || s == 408 || s == 429}
}

// sinkError is a delivery that failed.
type sinkError struct {
	err       error
	retryable bool
}

func (e *sinkError) Error() string { return e.err.Error() }

// Unwrap is the error behind it, never nil.
func (e *sinkError) Unwrap() error { return e.err }

func (e *sinkError) Retryable() bool { return e.retryable }

// Mail sends an alert by SMTP, with STARTTLS where the server has it. A password is sent only over TLS,
// or to this machine.
type Mail struct {
	Addr     string // host:port
	From     string
	To       []string
	User     string // "" is no authentication
	Password Secret
	TLS      *tls.Config // nil verifies the server's name
}

// Send delivers the message to the server. It fails with what the server says, or the connection.
func (m Mail) Send(ctx context.Context, a Alert) error {
	host, _, err := net.SplitHostPort(m.Addr)
	if err != nil {
		return &sinkError{err: err}
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", m.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	defer c.Close()
	if ok, _ := c.Extension("STARTTLS"); ok {
		cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
		if m.TLS != nil {
			cfg = m.TLS
		}
		if err := c.StartTLS(cfg); err != nil {
			return err
		}
	}
	if m.User != "" {
		if err := c.Auth(smtp.PlainAuth("", m.User, string(m.Password), host)); err != nil {
			return err
		}
	}
	return m.deliver(c, a)
}

func (m Mail) deliver(c *smtp.Client, a Alert) error {
	if err := c.Mail(m.From); err != nil {
		return err
	}
	for _, to := range m.To {
		if err := c.Rcpt(to); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(m.message(a)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}

// message is the mail. Nothing that a vendor said gets into a header.
func (m Mail) message(a Alert) []byte {
	oneLine := strings.NewReplacer("\r", " ", "\n", " ")
	var b bytes.Buffer
	subject := fmt.Sprintf("Holdfast: %d exceptions (%s)", a.Count, a.Rule)
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\n", oneLine.Replace(m.From),
		oneLine.Replace(strings.Join(m.To, ", ")), mime.QEncoding.Encode("utf-8", subject))
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
	b.WriteString(strings.ReplaceAll(strings.ReplaceAll(a.text(), "\r", " "), "\n", "\r\n"))
	if rest := a.Count - len(a.Exceptions); rest > 0 {
		fmt.Fprintf(&b, "and %d more\r\n", rest)
	}
	return b.Bytes()
}
