package netsuitetest

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The operations, as faults and the journal name them.
const (
	opToken     = "token"
	opCreate    = "create"
	opRead      = "read"
	opList      = "list"
	opUpdate    = "update"
	opUpsert    = "upsert"
	opDelete    = "delete"
	opTransform = "transform"
	opQuery     = "suiteql"
	opLimits    = "limits"
	opBatch     = "batch"
	opBatchItem = "batch_item"
	opJob       = "job"
)

var operations = []string{opToken, opCreate, opRead, opList, opUpdate, opUpsert, opDelete,
	opTransform, opQuery, opLimits, opBatch, opBatchItem, opJob}

// bodyLimit is the largest request that NetSuite takes.
const bodyLimit = 104 << 20

// call is one request from its arrival to its answer.
type call struct {
	srv *Server
	w   http.ResponseWriter
	r   *http.Request
	n   uint64

	op     string
	typ    *recordType // the type in the address
	target *recordType // the type that is read or written: of a transform its target
	id     string      // in the address: an internal id, or eid: with an external one
	rest   []string    // what follows the id

	client *integration
	body   []byte
	fault  *injected

	loaded  *record // what a write began with, and its version then
	version uint64

	answer answer
	err    *apiError
}

// answer is what a call that succeeded says.
type answer struct {
	status   int
	location string
	media    string // what follows application/vnd.oracle.resource+json; type=
	body     []byte
	warnings []string
	headers  map[string]string

	record *record // what it was about, for the journal
	query  string
}

func (c *call) writes() bool {
	switch c.op {
	case opCreate, opUpdate, opUpsert, opDelete, opTransform, opBatchItem:
		return true
	}
	return false
}

// serve answers the call: who calls, is there room, does something go wrong, and only then what for.
func (c *call) serve() {
	c.w.Header()["X-N-Operationid"] = []string{c.operation()}
	if err := c.route(); err != nil {
		c.fail(err)
		return
	}
	if c.op != opToken {
		var err *apiError
		if c.client, err = c.srv.access.authorize(c.r); err != nil {
			c.w.Header()["Www-Authenticate"] = []string{`Bearer realm="` + c.srv.cfg.Account +
				`", error="invalid_token", error_description="` + err.code + `"`}
			c.fail(err)
			return
		}
		if !c.srv.limit.enter() {
			c.fail(c.tooMany())
			return
		}
		defer c.srv.limit.leave()
	}
	c.fault = c.srv.faults.pick(c)
	if c.before() {
		return
	}
	if c.op == opToken {
		c.token()
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, bodyLimit))
	if err != nil {
		c.fail(badContent("", "The request body could not be read."))
		return
	}
	c.body = body
	c.load()
	c.hang(time.Duration(c.srv.latency.Load()))
	if c.fault.is(FaultSlow) {
		c.hang(c.fault.delay())
	}
	c.execute()
	c.reply()
}

// operation is the id that NetSuite tracks a request by.
func (c *call) operation() string {
	return "sim-" + strconv.FormatUint(c.srv.cfg.Seed, 16) + "-" + strconv.FormatUint(c.n, 10)
}

func (c *call) tooMany() *apiError {
	if c.srv.assumptions().RetryAfter {
		c.w.Header()["Retry-After"] = []string{"1"}
	}
	return &apiError{status: http.StatusTooManyRequests, code: codeConcurrency,
		detail: "Concurrent request limit exceeded. Request blocked. Verify your concurrency limits " +
			"at Setup > Integration > Integration Management > Integration Governance."}
}

// route finds the operation that an address and method mean.
func (c *call) route() *apiError {
	path := c.r.URL.Path
	rest, isRecord := strings.CutPrefix(path, "/services/rest/record/v1/")
	switch {
	case path == tokenPath:
		c.op = opToken
	case path == "/services/rest/query/v1/suiteql":
		c.op = opQuery
		if c.r.Method != http.MethodPost {
			return notAllowed()
		}
	case path == "/services/rest/system/v1/governanceLimits":
		c.op = opLimits
	case strings.HasPrefix(path, jobPath):
		c.op = opJob
	case isRecord:
		return c.routeRecord(strings.Split(strings.Trim(rest, "/"), "/"))
	default:
		return &apiError{status: http.StatusNotFound, code: codeMissing,
			detail: "The requested resource was not found: " + path}
	}
	return nil
}

func notAllowed() *apiError {
	return &apiError{status: http.StatusMethodNotAllowed, code: "INVALID_METHOD",
		detail: "The HTTP method is not allowed for the resource."}
}

func (c *call) routeRecord(steps []string) *apiError {
	c.typ = recordTypes[lower(steps[0])]
	if c.typ == nil {
		return &apiError{status: http.StatusNotFound, code: codeMissing,
			detail: "Record type '" + steps[0] + "' does not exist."}
	}
	c.target = c.typ
	if len(steps) > 1 {
		c.id, c.rest = steps[1], steps[2:]
	}
	methods := map[string]string{"GET": opRead, "PATCH": opUpdate, "PUT": opUpsert, "DELETE": opDelete}
	switch {
	case c.id == "":
		methods = map[string]string{"GET": opList, "POST": opCreate}
		if strings.Contains(c.r.Header.Get("Content-Type"), "type=collection") {
			methods = map[string]string{"POST": opBatch, "PUT": opBatch, "PATCH": opBatch}
		}
	case len(c.rest) == 2 && c.rest[0] == "!transform":
		c.target = recordTypes[lower(c.rest[1])]
		if c.target == nil {
			return missing()
		}
		methods = map[string]string{"POST": opTransform}
	case len(c.rest) > 0:
		methods = map[string]string{"GET": opRead}
	}
	if c.op = methods[c.r.Method]; c.op == "" {
		return notAllowed()
	}
	return nil
}

// before does what a fault does in place of the call; false lets the call take place.
func (c *call) before() bool {
	f := c.fault
	if f == nil {
		return false
	}
	c.srv.journal.add(Entry{Kind: "fault", Fault: f.id, Op: f.Kind, Request: c.n})
	switch f.Kind {
	case FaultTokenRevoked:
		c.srv.access.revoke(c.r.Header.Get("Authorization"))
		c.fail(badLogin(codeLogin))
	case FaultConcurrency:
		c.fail(c.tooMany())
	case FaultRequestLimit:
		c.fail(&apiError{status: http.StatusBadRequest, code: codeRequests,
			detail: "Request Limit Exceeded."})
	case FaultError:
		c.fail(unexpected(f.Status))
	case FaultHTML:
		c.log(f.Status, f.Kind)
		c.write(f.Status, "text/html; charset=utf-8", gatewayPage(f.Status))
	case FaultScriptRefuses:
		c.fail(refused("A user event script refused the record."))
	case FaultTimeoutBefore:
		c.log(0, f.Kind)
		c.hang(f.delay())
		panic(http.ErrAbortHandler)
	case FaultResetBefore:
		c.log(0, f.Kind)
		c.reset()
	default:
		return false
	}
	return true
}

func unexpected(status int) *apiError {
	return &apiError{status: status, code: codeUnexpected, detail: "An unexpected error occurred. " +
		"Error ID: simulated"}
}

// load remembers what a write begins with, as NetSuite loads a record before it changes it.
func (c *call) load() {
	if !c.writes() || c.id == "" {
		return
	}
	a := c.srv.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if r, err := a.find(c.typ, c.id); err == nil {
		c.loaded, c.version = r, r.version
	}
}

// execute does the operation under the lock of the account, which makes the call one step.
func (c *call) execute() {
	a := c.srv.account
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case c.writes() && (c.fault.is(FaultRecordChanged) ||
		c.loaded != nil && c.loaded.version != c.version):
		c.err = &apiError{status: http.StatusBadRequest, code: codeChanged,
			detail: "Error while accessing a resource. Record has been changed"}
	case strings.Contains(c.r.Header.Get("Prefer"), "respond-async") && c.op != opQuery:
		c.answer, c.err = c.async()
	default:
		c.answer, c.err = c.do()
	}
	status := c.answer.status
	result := "ok"
	if c.err != nil {
		status, result = c.err.status, c.err.code
	}
	c.log(status, result)
}

func (c *call) do() (answer, *apiError) {
	switch c.op {
	case opCreate:
		return c.create()
	case opRead:
		return c.read()
	case opList:
		return c.list()
	case opUpdate:
		return c.update()
	case opUpsert:
		return c.upsert()
	case opDelete:
		return c.delete()
	case opTransform:
		return c.transform()
	case opQuery:
		return c.query()
	case opLimits:
		return c.limits()
	case opJob:
		return c.job()
	}
	return answer{}, &apiError{status: http.StatusBadRequest, code: codeHeader, header: "Prefer",
		detail: "A collection can be processed asynchronously only: Prefer: respond-async."}
}

// reply sends the outcome, or does what a fault does with it.
func (c *call) reply() {
	if f := c.fault; f != nil {
		switch f.Kind {
		case FaultErrorAfter:
			c.write(f.Status, mediaError, unexpected(f.Status).body())
			return
		case FaultHTMLAfter:
			c.write(f.Status, "text/html; charset=utf-8", gatewayPage(f.Status))
			return
		case FaultTimeoutAfter:
			c.hang(f.delay())
			panic(http.ErrAbortHandler)
		case FaultResetAfter:
			c.reset()
			return
		}
	}
	if c.err != nil {
		c.write(c.err.status, mediaError, c.err.body())
		return
	}
	h := c.w.Header()
	if c.answer.location != "" {
		h["Location"] = []string{c.answer.location}
	}
	for _, warning := range c.answer.warnings {
		h.Add("X-Netsuite-Propertyvalidation", warning)
	}
	for name, value := range c.answer.headers {
		h[name] = []string{value}
	}
	c.write(c.answer.status, media+c.answer.media, c.answer.body)
}

const (
	media      = "application/vnd.oracle.resource+json; type="
	mediaError = media + "error"
)

// fail journals and sends an error of a call that was not executed.
func (c *call) fail(err *apiError) {
	c.log(err.status, err.code)
	c.write(err.status, mediaError, err.body())
}

func (c *call) log(status int, result string) {
	e := Entry{Kind: "request", Cause: "api", Request: c.n, Op: c.op, Status: status, Result: result,
		Query: c.answer.query}
	if c.target != nil {
		e.Type = c.target.name
	}
	if c.client != nil {
		e.Client = c.client.cfg.Name
	}
	if c.fault != nil {
		e.Fault = c.fault.id
	}
	if r := c.answer.record; r != nil {
		e.Record, e.External = r.id, r.external
	}
	if c.loaded != nil && c.op == opTransform {
		e.Source = c.loaded.id
	}
	c.srv.journal.add(e)
}

func (c *call) write(status int, contentType string, body []byte) {
	h := c.w.Header()
	if status != http.StatusNoContent && status != http.StatusAccepted {
		h["Content-Type"] = []string{contentType}
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // a client that is gone is no concern of a server
}

// hang waits in real time: for a delay, the client or the end of the server.
func (c *call) hang(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.r.Context().Done():
	case <-c.srv.closed:
	}
}

// reset ends the connection without an answer, so that the client reads a reset rather than an end.
func (c *call) reset() {
	if h, ok := c.w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // a close that loses what is unsent is a reset
			}
			_ = conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}
