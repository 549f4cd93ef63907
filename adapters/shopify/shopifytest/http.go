package shopifytest

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const bodyLimit = 4 << 20

// request is the body of a GraphQL call.
type request struct {
	Query         string         `json:"query"`
	Variables     map[string]any `json:"variables"`
	OperationName string         `json:"operationName"`
}

// exchange is one call from its arrival to its answer.
type exchange struct {
	srv     *Server
	shop    *shop
	w       http.ResponseWriter
	r       *http.Request
	n       uint64
	app     *app
	version string
	req     request
	raw     json.RawMessage // variables as they came, for the journal
	op      *operation
	roots   []string
	fault   *injected
}

func (s *Server) graphql(w http.ResponseWriter, r *http.Request, x *shop, version string) {
	e := &exchange{srv: s, shop: x, w: w, r: r, n: s.calls.Add(1), version: version}
	w.Header()["X-Shopify-Api-Version"] = []string{version}
	w.Header()["X-Request-Id"] = []string{strconv.FormatUint(e.n, 10)}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if r.Method != http.MethodPost || err != nil {
		e.plain(http.StatusBadRequest, "Bad Request", "bad request")
		return
	}
	token := r.Header.Get("X-Shopify-Access-Token")
	if e.app = x.authorize(token); e.app == nil {
		e.plain(http.StatusUnauthorized, badToken, "unauthorized")
		return
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&e.req); err != nil {
		e.plain(http.StatusBadRequest, "Bad Request", "bad request")
		return
	}
	var raw struct{ Variables json.RawMessage }
	if json.Unmarshal(body, &raw) == nil && len(raw.Variables) <= journalVariables {
		e.raw = raw.Variables
	}
	doc := s.docs.parse(e.req.Query)
	op, errs := doc.pick(e.req.OperationName)
	if errs != nil {
		e.errors(errs, "")
		return
	}
	e.op = op
	for _, f := range op.root.fields {
		e.roots = append(e.roots, f.field.Name)
	}
	e.fault = s.faults.pick(callFaults, x.cfg.Name, func(f Fault) bool {
		return f.Operation == "" || contains(e.roots, f.Operation)
	})
	if e.before(token) {
		return
	}
	e.execute()
}

const (
	badToken = "[API] Invalid API key or access token (unrecognized login or wrong password)"

	// journalVariables is the size of variables that the journal keeps: 250 rows of a stock push
	// are some 50 KiB, of which nobody wants 10,000; a single order is under 8 KiB.
	journalVariables = 8 << 10
)

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// before does what a fault does in place of the call; false lets the call take place.
func (e *exchange) before(token string) bool {
	f := e.fault
	if f == nil {
		return false
	}
	e.srv.journal.add(Entry{Kind: "fault", Shop: e.shop.cfg.Name, Fault: f.id, Op: f.Kind,
		Request: e.n, Roots: e.roots})
	switch f.Kind {
	case FaultTokenRevoked:
		e.app.revoke(token)
		e.plain(http.StatusUnauthorized, badToken, f.Kind)
	case FaultLocked:
		e.plain(http.StatusLocked, "Locked", f.Kind)
	case FaultError:
		e.plain(f.Status, http.StatusText(f.Status), f.Kind)
	case FaultInternal:
		e.errors([]gqlError{{Message: "Internal error. Looks like something went wrong on our end.",
			Extensions: map[string]any{"code": "INTERNAL_SERVER_ERROR"}}}, "")
	case FaultThrottled:
		e.throttled(e.cost(), e.shop.empty(e.app))
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

func (e *exchange) cost() int {
	vars, errs := coerce(e.op.def.VariableDefinitions, e.req.Variables)
	if errs != nil {
		return 0
	}
	return max(1, e.op.root.cost(vars))
}

// execute runs the operation and answers it.
func (e *exchange) execute() {
	vars, errs := coerce(e.op.def.VariableDefinitions, e.req.Variables)
	if errs != nil {
		e.errors(errs, "")
		return
	}
	requested := max(1, e.op.root.cost(vars))
	if requested > costLimit {
		e.errors([]gqlError{{Message: "Query cost is " + strconv.Itoa(requested) +
			", which exceeds the single query max cost limit (1000).",
			Extensions: map[string]any{"code": "MAX_COST_EXCEEDED", "cost": requested,
				"maxCost": costLimit}}}, "")
		return
	}
	state, ok := e.shop.take(e.app, requested)
	if !ok {
		e.throttled(requested, state)
		return
	}
	c := &call{srv: e.srv, shop: e.shop, app: e.app, version: e.version, vars: vars,
		out: make([]byte, 0, 2048)}
	actual := min(requested, max(1, e.run(c)))
	state = e.shop.giveBack(e.app, requested-actual)
	body := append(append([]byte(`{"data":`), c.out...), `,"extensions":`...)
	cost := costJSON(requested, strconv.Itoa(actual), state)
	if len(c.warned) > 0 {
		cost = append(append(cost[:len(cost)-1], ','), c.warnings()...)
		cost = append(cost, '}')
	}
	body = append(body, cost...)
	if len(c.errs) > 0 {
		text, err := json.Marshal(c.errs)
		if err == nil {
			body = append(append(body, `,"errors":`...), text...)
		}
	}
	body = append(body, '}')
	e.answer(c, body)
}

// warnings is the member search of extensions: fields of a search that were ignored.
func (c *call) warnings() []byte {
	type warning struct {
		Field   string `json:"field"`
		Message string `json:"message"`
		Code    string `json:"code"`
	}
	var list []warning
	for _, f := range c.warned {
		list = append(list, warning{f, "Invalid search field for this query.", "invalid_field"})
	}
	text, err := json.Marshal([]map[string]any{{"warnings": list}})
	if err != nil {
		return []byte(`"search":[]`)
	}
	return append([]byte(`"search":`), text...)
}

// run executes under the lock of the shop, which makes the call one step.
func (e *exchange) run(c *call) int {
	e.shop.mu.Lock()
	defer e.shop.mu.Unlock()
	c.act = e.shop.begin("api")
	c.act.request, c.act.app = e.n, e.app
	if e.fault != nil {
		c.act.fault = e.fault.id
		if e.fault.Kind == FaultSlow || e.fault.Kind == FaultTimeoutAfter {
			c.act.held = e.fault.delay()
		}
	}
	cost, _ := c.object(e.op.root, e.shop)
	e.shop.finish(c.act)
	e.log(http.StatusOK, c.result())
	return cost
}

// answer sends the outcome, or does what a fault does with it.
func (e *exchange) answer(c *call, body []byte) {
	if f := e.fault; f != nil {
		switch f.Kind {
		case FaultErrorAfter:
			writeJSON(e.w, f.Status, map[string]any{"errors": http.StatusText(f.Status)})
			return
		case FaultTimeoutAfter:
			e.hang(f.delay())
			panic(http.ErrAbortHandler)
		case FaultResetAfter:
			e.reset()
			return
		case FaultSlow:
			e.hang(f.delay())
		case FaultWrongVersion:
			e.w.Header()["X-Shopify-Api-Version"] = []string{versions[0]}
		}
	}
	e.send(http.StatusOK, body)
}

// result sums up the outcome for the journal: ok, or the codes and messages of what was refused.
func (c *call) result() string {
	var words []string
	for _, e := range c.errs {
		words = append(words, "error")
		if code, ok := e.Extensions["code"].(string); ok {
			words[len(words)-1] = code
		}
	}
	words = append(words, c.act.refused...)
	if len(words) == 0 {
		return "ok"
	}
	return strings.Join(words, ",")
}

func (e *exchange) log(status int, result string) {
	entry := Entry{Kind: "request", Shop: e.shop.cfg.Name, Cause: "api", Request: e.n,
		Roots: e.roots, Variables: e.raw, Status: status, Result: result}
	if e.app != nil {
		entry.App = e.app.cfg.Name
	}
	if e.op != nil {
		entry.Op = e.op.def.Name
	}
	if e.fault != nil {
		entry.Fault = e.fault.id
	}
	e.srv.journal.add(entry)
}

func (e *exchange) plain(status int, message, result string) {
	e.log(status, result)
	writeJSON(e.w, status, map[string]any{"errors": message})
}

func (e *exchange) errors(errs []gqlError, extensions string) {
	code, _ := errs[0].Extensions["code"].(string)
	e.log(http.StatusOK, code)
	text, err := json.Marshal(errs)
	if err != nil {
		text = []byte("[]")
	}
	body := append([]byte(`{"errors":`), text...)
	if extensions != "" {
		body = append(append(body, `,"extensions":`...), extensions...)
	}
	e.send(http.StatusOK, append(body, '}'))
}

func (e *exchange) throttled(requested int, state throttle) {
	e.errors([]gqlError{{Message: "Throttled", Extensions: map[string]any{"code": "THROTTLED",
		"documentation": "https://shopify.dev/api/usage/rate-limits"}}},
		string(costJSON(requested, "null", state)))
}

func costJSON(requested int, actual string, t throttle) []byte {
	b := append([]byte(`{"cost":{"requestedQueryCost":`), strconv.Itoa(requested)...)
	b = append(append(b, `,"actualQueryCost":`...), actual...)
	b = append(append(b, `,"throttleStatus":{"maximumAvailable":`...), strconv.Itoa(t.maximum)...)
	b = strconv.AppendFloat(append(b, `,"currentlyAvailable":`...), t.available, 'f', -1, 64)
	b = append(append(b, `,"restoreRate":`...), strconv.Itoa(t.restore)...)
	return append(b, "}}}"...)
}

func (e *exchange) send(status int, body []byte) {
	e.w.Header()["Content-Type"] = []string{"application/json; charset=utf-8"}
	e.w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	e.w.WriteHeader(status)
	_, _ = e.w.Write(body) // a client that is gone is no concern of a server
}

// hang waits in real time: for a delay, the client or the end of the server.
func (e *exchange) hang(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-e.r.Context().Done():
	case <-e.srv.closed:
	}
}

// reset ends the connection without an answer, so that the client reads a reset rather than an end.
func (e *exchange) reset() {
	if h, ok := e.w.(http.Hijacker); ok {
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

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"errors":"not JSON"}`)
	}
	w.Header()["Content-Type"] = []string{"application/json; charset=utf-8"}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
