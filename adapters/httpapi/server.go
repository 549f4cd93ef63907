package httpapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"holdfast/adapters/apikeys"
)

// Server answers the HTTP calls of one node. Make it with New; Serve or Run blocks; Close ends it.
// It is safe for concurrent use.
//
// The life of a request: fasthttp reads the headers; headerReceived sets the body's limit and takes
// the body of an NDJSON stream away from it; handle finds the route, authenticates, checks query
// and key, runs the handler, and turns its error into a problem.
type Server struct {
	cfg     Config
	router  *router
	stats   *stats
	http    *fasthttp.Server
	base    context.Context // ends when Close stops waiting
	stop    context.CancelFunc
	closing chan struct{} // closed when Close begins: streams end
	once    sync.Once
	ended   chan struct{} // closed when Close is done
	horizon atomic.Int64  // ms that answers are remembered, as of at most a second ago

	// life guards what Close must end beside fasthttp's own connections.
	life struct {
		sync.Mutex
		closed    bool
		listeners []net.Listener
		streams   int            // open ones
		done      sync.WaitGroup // one for each stream
	}

	guard    Guard
	operator *apikeys.Caller // whoever is on this machine, where Config.OpenLoopback lets them

	chunked       chunkedRoutes
	requestPrefix string
	requestNumber atomic.Uint64
}

// New checks the configuration and compiles the decoders; it opens nothing and starts nothing. It
// fails with every fault of the configuration at once.
func New(cfg Config) (*Server, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := precompile(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, closing: make(chan struct{}), ended: make(chan struct{}),
		guard: cfg.Guard, operator: apikeys.NewLocal()}
	s.base, s.stop = context.WithCancel(context.Background())
	var prefix [6]byte
	rand.Read(prefix[:]) // never fails
	s.requestPrefix = hex.EncodeToString(prefix[:]) + "-"
	all := routes()
	stats, err := newStats(cfg.Registry, all)
	if err != nil {
		return nil, err
	}
	s.stats, s.router = stats, newRouter(all)
	s.http = &fasthttp.Server{
		Handler:                      s.handle,
		ErrorHandler:                 s.handleBroken,
		HeaderReceived:               s.headerReceived,
		ReadTimeout:                  cfg.ReadTimeout,
		WriteTimeout:                 cfg.WriteTimeout,
		IdleTimeout:                  cfg.IdleTimeout,
		ReadBufferSize:               cfg.HeaderBytes,
		WriteBufferSize:              cfg.HeaderBytes,
		MaxRequestBodySize:           smallBody,
		Concurrency:                  cfg.MaxConns + 1, // the gate refuses first
		MaxRequestsPerConn:           cfg.MaxRequestsPerConn,
		CloseOnShutdown:              true,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultDate:                true,
		NoDefaultContentType:         true,
		SecureErrorLogMessage:        true,
		Logger:                       quiet{cfg.Logger},
	}
	return s, nil
}

// Serve accepts connections until Close and then returns nil; any other error is the listener's. It
// owns ln.
func (s *Server) Serve(ln net.Listener) error {
	s.life.Lock()
	closed := s.life.closed
	s.life.listeners = append(s.life.listeners, ln)
	s.life.Unlock()
	if closed {
		return ln.Close()
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watchHorizon()
	}()
	err := s.http.Serve(newGate(ln, &s.cfg))
	select {
	case <-s.closing:
		err = nil
	default:
		s.stop()
	}
	<-watched
	return err
}

// Run serves until ctx ends and then closes. Its error is nil, or that of Serve or Close.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	select {
	case <-ctx.Done():
		return errors.Join(s.Close(), <-served)
	case err := <-served:
		return errors.Join(err, s.Close())
	}
}

// Close stops accepting, ends the streams, and waits for what is under way, at most CloseTimeout;
// then waits for the ledger are ended too, and their writes are unknown. It returns nil, or the
// error of the listener. Later calls wait for the first.
func (s *Server) Close() error {
	var err error
	s.once.Do(func() {
		defer close(s.ended)
		s.life.Lock()
		s.life.closed = true
		listeners := s.life.listeners
		s.life.Unlock()
		close(s.closing)
		for _, ln := range listeners {
			ln.Close() // fasthttp closes it again, when it has seen it already
		}
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.CloseTimeout)
		defer cancel()
		err = s.http.ShutdownWithContext(ctx)
		s.stop()
		if errors.Is(err, context.DeadlineExceeded) {
			s.cfg.Logger.Warn("requests were still under way at close")
		}
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			err = nil
		}
		s.life.done.Wait()
	})
	<-s.ended
	return err
}

// watchHorizon keeps the replay horizon fresh for the header of writes.
func (s *Server) watchHorizon() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		s.horizon.Store(s.cfg.Node.Cluster().ReplayHorizon.Milliseconds())
		select {
		case <-tick.C:
		case <-s.base.Done():
			return
		case <-s.closing:
			return
		}
	}
}

// chunkedLength is what fasthttp gives as the length of a chunked body.
const chunkedLength = -1

// headerReceived runs between the headers and the body.
func (s *Server) headerReceived(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	var params segments
	r, _ := s.router.find(text(h.Method()), rawPath(text(h.RequestURI())), &params)
	if r != nil && r.pattern == batchPattern && isNDJSON(h.ContentType()) {
		takeStream(h)
	}
	if h.ContentLength() == chunkedLength {
		s.chunked.begin(h, r)
	}
	most, _ := r.bodyLimit()
	return fasthttp.RequestConfig{MaxRequestBodySize: most}
}

// handle answers one request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	began := time.Now()
	s.stats.inFlight.Inc()
	if ctx.Request.Header.ContentLength() == chunkedLength {
		s.chunked.end(&ctx.Request.Header)
	}
	c := calls.Get().(*call)
	buf := c.buf
	*c = call{s: s, ctx: ctx, buf: buf[:0]}
	s.requestID(c)
	err := s.guarded(c)
	if err != nil {
		p := problemOf(err, c.route != nil && c.route.write)
		c.logCause(p)
		c.leaveBody()
		c.sendProblem(p)
	}
	s.stats.inFlight.Dec()
	s.stats.observe(c.route, ctx.Response.StatusCode(), time.Since(began))
	if cap(c.buf) > maxPooled {
		c.buf = nil
	}
	c.ctx = nil
	calls.Put(c)
}

// logCause logs the true words of a problem, which clients are not told: a fault of ours as an
// error, what is to be expected at debug. p may be nil.
func (c *call) logCause(p *problem) {
	if p == nil || p.cause == nil {
		return
	}
	c.s.cfg.Logger.Log(c.s.base, p.level(), "request failed", "error", p.cause, "route", c.label(),
		"request", string(c.ctx.Response.Header.Peek(headerRequestID)))
}

// level is the level at which the log is told of a problem.
func (p *problem) level() slog.Level {
	if p.code == codeInternal {
		return slog.LevelError
	}
	return slog.LevelDebug
}

// leaveBody closes the connection of a stream that was refused before anybody read it: what is left of
// its body must not be taken for the next request.
func (c *call) leaveBody() {
	if len(c.ctx.Request.Header.Peek(headerBodyLength)) == 0 {
		return
	}
	c.ctx.SetConnectionClose()
	if conn, ok := c.ctx.Conn().(*gated); ok {
		conn.lingers = true
	}
}

// maxPooled keeps the buffer of one huge reply from staying for ever.
const maxPooled = 256 << 10

// guarded runs a request; a panic becomes a 500 and the process lives: the ledger is not touched by
// a handler's fault, because commands are values.
func (s *Server) guarded(c *call) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			s.stats.panics.Inc()
			s.cfg.Logger.Error("panic in a handler", "fault", fault, "route", c.label(),
				"stack", string(debug.Stack()))
			c.ctx.SetConnectionClose()
			err = newProblem(codeInternal, "The server met a fault; its log says which.")
		}
	}()
	return s.dispatch(c)
}

func (s *Server) dispatch(c *call) error {
	h := &c.ctx.Request.Header
	if err := checkFraming(h); err != nil {
		c.ctx.SetConnectionClose()
		return err
	}
	path := rawPath(text(h.RequestURI()))
	r, allow := s.router.find(text(h.Method()), path, &c.raw)
	if r == nil {
		return unrouted(allow)
	}
	c.route = r
	if err := c.authenticate(); err != nil {
		return err
	}
	if err := c.checkQuery(); err != nil {
		return err
	}
	if r.write {
		if err := c.takeKey(); err != nil {
			return err
		}
	}
	if r.kept && !c.key.IsZero() && s.cfg.Answers != nil {
		return c.once()
	}
	return r.handle(c)
}

func unrouted(allow string) error {
	if allow == "" {
		return newProblem(codeNotFound, "There is no such call; /openapi.json lists all of them.")
	}
	p := newProblem(codeMethod, "This path takes "+allow+".")
	p.allow = allow
	return p
}

// checkFraming refuses a request with both Content-Length and Transfer-Encoding: two parsers could
// disagree where it ends. fasthttp lets Transfer-Encoding win and only marks the connection to be
// closed, which is what makes looking into the headers again rare.
func checkFraming(h *fasthttp.RequestHeader) error {
	if !h.ConnectionClose() {
		return nil
	}
	var length, encoding bool
	for line := range bytes.SplitSeq(h.RawHeaders(), []byte("\n")) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		length = length || bytes.EqualFold(name, []byte("Content-Length"))
		encoding = encoding || bytes.EqualFold(name, []byte("Transfer-Encoding"))
	}
	if length && encoding {
		return invalid("Content-Length", "must not be given together with Transfer-Encoding")
	}
	return nil
}

// handleBroken answers what fasthttp could not read as a request.
func (s *Server) handleBroken(ctx *fasthttp.RequestCtx, err error) {
	chunked := s.chunked.end(&ctx.Request.Header)
	c := &call{s: s, ctx: ctx}
	s.requestID(c)
	p := invalid("", "The request is not valid HTTP: "+err.Error())
	var small *fasthttp.ErrSmallBuffer
	var netErr net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		r := chunked
		if r == nil {
			var params segments
			h := &ctx.Request.Header
			r, _ = s.router.find(text(h.Method()), rawPath(text(h.RequestURI())), &params)
		}
		p = bodyTooLarge(r.bodyLimit())
		c.route = r
		if conn, ok := ctx.Conn().(*gated); ok {
			conn.lingers = true
		}
	case errors.As(err, &small):
		p = newProblem(codeHeaders, "The request line and headers may have at most "+
			strconv.Itoa(s.cfg.HeaderBytes)+" bytes.")
	case errors.As(err, &netErr) && netErr.Timeout():
		p = newProblem(codeSlow, "The request did not arrive within "+s.cfg.ReadTimeout.String()+".")
	}
	c.sendProblem(p)
	s.stats.observe(c.route, p.httpStatus(), 0)
}

// requestID echoes the caller's id of the request, or makes one.
func (s *Server) requestID(c *call) {
	h := &c.ctx.Response.Header
	given := c.ctx.Request.Header.Peek(headerRequestID)
	if len(given) > 0 && idRule(text(given)) == "" {
		h.SetCanonical(canonicalRequestID, given)
		return
	}
	var b [48]byte
	id := append(b[:0], s.requestPrefix...)
	h.SetCanonical(canonicalRequestID, strconv.AppendUint(id, s.requestNumber.Add(1), 36))
}

// label names the call for metrics and log.
func (c *call) label() string {
	if c.route == nil {
		return "none"
	}
	return c.route.method + " " + c.route.pattern
}

// quiet sends fasthttp's own lines to the log at debug: they are about single connections.
type quiet struct{ log *slog.Logger }

func (q quiet) Printf(format string, args ...any) {
	q.log.Debug("connection", "format", format, "args", args)
}
