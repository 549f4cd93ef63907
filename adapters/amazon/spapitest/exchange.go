package spapitest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// bodyLimit is more than the largest thing that is sent: a feed of 50 MB is cut by us at 16 MiB.
const bodyLimit = 16 << 20

// exchange is one call of any surface from its arrival to its answer.
type exchange struct {
	srv   *Server
	w     http.ResponseWriter
	r     *http.Request
	n     uint64
	entry Entry // of the journal, filled as things become known
	body  []byte
	fault *injected

	// refuse writes an error in the way of the surface.
	refuse func(status int, code, message string)
}

func (s *Server) newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	e := &exchange{srv: s, w: w, r: r, n: s.calls.Add(1)}
	e.entry = Entry{Kind: "request", Cause: "api", Request: e.n, Path: r.URL.EscapedPath(),
		Query: r.URL.RawQuery}
	w.Header()["X-Amzn-Requestid"] = []string{requestID(e.n)}
	return e
}

func requestID(n uint64) string { return fmt.Sprintf("%08x-5a11-4a5e-8000-%012x", n, n) }

// read takes the body; false where it is too large or does not come.
func (e *exchange) read() bool {
	body, err := io.ReadAll(http.MaxBytesReader(e.w, e.r.Body, bodyLimit))
	if err != nil {
		return false
	}
	e.body = body
	return true
}

// log writes the call into the journal.
func (e *exchange) log(status int, result string) {
	e.entry.Status, e.entry.Result = status, result
	if e.entry.Body == nil && len(e.body) > 0 && len(e.body) <= journalBody && json.Valid(e.body) {
		e.entry.Body = json.RawMessage(e.body)
	}
	e.srv.journal.Add(e.entry)
}

// strike looks for a fault and does what it does in place of the call; false lets the call take
// place.
func (e *exchange) strike() bool {
	f := e.srv.faults.pick(callFaults, victim{account: e.entry.Account, region: e.entry.Region,
		operation: e.entry.Op})
	if f == nil {
		return false
	}
	e.fault, e.entry.Fault = f, f.id
	e.srv.journal.Add(Entry{Kind: "fault", Account: e.entry.Account, Region: e.entry.Region,
		Fault: f.id, Op: f.Kind, Request: e.n, Path: e.entry.Path})
	switch f.Kind {
	case FaultError:
		e.refused(f.Status, errorCode(f.Status), "We encountered an internal error. Please try again.")
	case FaultThrottled:
		e.refused(http.StatusTooManyRequests, "QuotaExceeded", quotaExceeded)
	case FaultDenied:
		e.refused(http.StatusForbidden, "Unauthorized", accessDenied)
	case FaultTimeoutBefore:
		e.log(0, f.Kind)
		e.hang(f.delay())
		panic(http.ErrAbortHandler)
	case FaultResetBefore:
		e.log(0, f.Kind)
		e.reset()
	default:
		return false
	}
	return true
}

func errorCode(status int) string {
	switch status {
	case http.StatusServiceUnavailable:
		return "ServiceUnavailable"
	case http.StatusNotFound:
		return "NotFound"
	case http.StatusTooManyRequests:
		return "QuotaExceeded"
	case http.StatusForbidden:
		return "Unauthorized"
	}
	if status < 500 {
		return "InvalidInput"
	}
	return "InternalFailure"
}

const (
	quotaExceeded = "You exceeded your quota for the requested resource."
	accessDenied  = "Access to requested resource is denied."
)

// refused logs and writes an error.
func (e *exchange) refused(status int, code, message string) {
	e.log(status, code)
	e.refuse(status, code, message)
}

// send writes an answer that took effect, or does what a fault does with it.
func (e *exchange) send(status int, contentType string, body []byte) {
	if f := e.fault; f != nil {
		switch f.Kind {
		case FaultErrorAfter:
			e.refuse(f.Status, errorCode(f.Status), "We encountered an internal error.")
			return
		case FaultTimeoutAfter:
			e.hang(f.delay())
			panic(http.ErrAbortHandler)
		case FaultResetAfter:
			e.reset()
			return
		case FaultSlow:
			e.hang(f.delay())
		case FaultTruncated:
			body = body[:len(body)/2]
		}
	}
	write(e.w, status, contentType, body)
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	if len(body) > 0 {
		w.Header()["Content-Type"] = []string{contentType}
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone is no fault of ours
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	write(w, status, "application/json", encode(v))
}

// encode is JSON of what this package makes itself, which always has one.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("simulated Amazon: cannot encode %T: %v", v, err))
	}
	return text
}

// hang waits in real time, until the client goes or the server is closed.
func (e *exchange) hang(d time.Duration) {
	ctx, cancel := context.WithTimeout(e.r.Context(), d)
	defer cancel()
	select {
	case <-ctx.Done():
	case <-e.srv.closed:
	}
}

// reset ends the connection without an answer.
func (e *exchange) reset() {
	h, ok := e.w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := h.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset, not an orderly end
	}
	_ = conn.Close()
}

// apiTime is how times stand in answers.
const apiTime = "2006-01-02T15:04:05.000Z"

func stamp(t time.Time) string { return t.UTC().Format(apiTime) }

// parseTime reads ISO 8601 with or without a fraction, or a day alone.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05Z0700",
		"2006-01-02T15:04:05", time.DateOnly} {
		// A plus that was not escaped comes as a space.
		if t, err := time.Parse(layout, strings.ReplaceAll(s, " ", "+")); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
