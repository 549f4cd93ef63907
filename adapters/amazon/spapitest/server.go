package spapitest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/adapters/internal/simtest"
)

// Server is the simulator: some sellers in some regions, behind one address. Safe for concurrent
// use.
type Server struct {
	cfg      Config
	clock    *simtest.Clock
	journal  *journal
	faults   *faults
	courier  *courier
	accounts []*account
	apps     []*app
	tokens   *tokens
	limits   *limits
	docs     *documents
	queues   map[string]*queue
	calls    atomic.Uint64

	mu           sync.Mutex // guards what follows
	assumed      Assumptions
	timed        Timing
	ids          *rand.Rand
	destinations []*destination

	http     *http.Server
	listener net.Listener
	stop     context.CancelFunc
	running  sync.WaitGroup
	closed   chan struct{}
	once     sync.Once
}

// New makes a server that does not listen yet; its Go methods work at once. The error joins every
// fault of the configuration; then there is no server.
func New(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("simulated Amazon: %w", err)
	}
	s := &Server{cfg: cfg, clock: simtest.NewClock(cfg.Manual, cfg.Start), assumed: *cfg.Assumptions,
		timed: *cfg.Timing, ids: rand.New(rand.NewPCG(cfg.Seed, 77)), queues: map[string]*queue{},
		closed: make(chan struct{})}
	s.journal = newJournal(cfg.JournalLimit, s.clock.Now)
	s.faults = newFaults(cfg.Seed, s.clock.Now)
	s.faults.add(cfg.Faults...)
	s.tokens = newTokens(s)
	s.limits = &limits{srv: s, buckets: map[string]*bucket{}}
	s.docs = newDocuments(s)
	s.courier = &courier{srv: s, noise: cfg.Notifications}
	for i, q := range cfg.Queues {
		s.queues[q.Name] = newQueue(s, q, uint64(i))
	}
	for _, a := range cfg.Apps {
		s.apps = append(s.apps, newApp(a))
	}
	for i, a := range cfg.Accounts {
		x, err := newAccount(s, a, uint64(i))
		if err != nil {
			return nil, fmt.Errorf("simulated Amazon: %w", err)
		}
		s.accounts = append(s.accounts, x)
	}
	return s, nil
}

// Start listens and lets time pass. It fails where the address cannot be had; then nothing runs.
func (s *Server) Start() error {
	l, err := net.Listen("tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("simulated Amazon: listen: %w", err)
	}
	s.listener = l
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.Tick()
	s.running.Go(func() { _ = s.http.Serve(l) }) // ends by Close only
	return nil
}

// Tick lets time pass without listening: for tests that call ServeHTTP themselves. Start does it
// too. A manual clock needs neither.
func (s *Server) Tick() {
	if s.cfg.Manual {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.running.Go(func() { s.clock.Run(ctx) })
}

// Close ends everything and waits for it. Calls under way are cut off.
func (s *Server) Close() {
	s.once.Do(func() {
		close(s.closed)
		if s.http != nil {
			_ = s.http.Close() // nothing is left to be done about its error
		}
		if s.stop != nil {
			s.stop()
		}
		s.running.Wait()
	})
}

// URL is the base of the server's addresses, http://127.0.0.1:PORT; "" before Start.
func (s *Server) URL() string {
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String()
}

// Endpoint is what a client puts in place of https://sellingpartnerapi-REGION.amazon.com.
func (s *Server) Endpoint(region string) string { return s.URL() + "/" + region }

// TokenURL is what a client puts in place of https://api.amazon.com/auth/o2/token.
func (s *Server) TokenURL() string { return s.URL() + "/auth/o2/token" }

// QueueEndpoint is what a client of SQS takes as its base endpoint.
func (s *Server) QueueEndpoint() string { return s.URL() + "/sqs" }

// QueueURL is the URL of a queue.
func (s *Server) QueueURL(name string) string {
	return s.QueueEndpoint() + "/" + awsAccount + "/" + name
}

// Advance moves a manual clock and runs what falls due, each at its own time. It does nothing to a
// clock of real time.
func (s *Server) Advance(d time.Duration) {
	if s.cfg.Manual {
		s.clock.Advance(d)
	}
}

// Now is the simulator's time.
func (s *Server) Now() time.Time { return s.clock.Now() }

// Journal returns the entries that the filter selects, oldest first.
func (s *Server) Journal(f Filter) []Entry { return s.journal.Find(f.match, f.Limit) }

// Break puts rules of faults into force. The error names a rule that is not valid; then none is.
func (s *Server) Break(list ...Fault) error {
	var errs []error
	for _, f := range list {
		errs = append(errs, f.validate())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.faults.add(list...)
	return nil
}

// Mend ends all rules of faults. Authorisations that were withdrawn stay so.
func (s *Server) Mend() { s.faults.rules.Clear() }

// Assume changes the assumptions from now on.
func (s *Server) Assume(a Assumptions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.assumed = a
}

// Retime changes the delays from now on. The error names a span that is not in order.
func (s *Server) Retime(t Timing) error {
	if err := t.validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timed = t
	return nil
}

// Run puts a script into force. The error names what is not valid in it; then nothing changed.
func (s *Server) Run(in Script) error {
	a, t, err := in.settle(s.assumptions(), s.timing())
	if err != nil {
		return err
	}
	if in.Clear {
		s.Mend()
	}
	if in.Notifications != nil {
		s.courier.setNoise(*in.Notifications)
	}
	s.Assume(a)
	s.faults.add(in.Faults...)
	return s.Retime(t)
}

func (s *Server) assumptions() Assumptions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.assumed
}

func (s *Server) timing() Timing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.timed
}

// newID makes an id of n digits, none of which is 0 at the front.
func (s *Server) newID(n int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + s.ids.IntN(10))
	}
	b[0] = byte('1' + s.ids.IntN(9))
	return string(b)
}

// newUUID makes an id as Amazon's are in many places.
func (s *Server) newUUID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, y := s.ids.Uint64(), s.ids.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", x>>32, x>>16&0xffff, x&0xfff, y>>52,
		y&0xffffffffffff)
}

// period scales one of Amazon's periods.
func (s *Server) period(d time.Duration) time.Duration { return d / time.Duration(s.cfg.Speed) }

// later runs f after a span of Amazon's.
func (s *Server) later(d time.Duration, f func()) { s.clock.After(s.period(d), f) }

// errNoAccount says that a control call names an account that is not there.
var errNoAccount = errors.New("no such account")

// account finds an account by name or seller id; "" is the only one or the first.
func (s *Server) account(name string) (*account, error) {
	for _, x := range s.accounts {
		if name == "" || x.cfg.Name == name || x.cfg.SellerID == name {
			return x, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", errNoAccount, name)
}

// ServeHTTP answers the API under /na, /eu and /fe or under the hosts of the regions, Login with
// Amazon, presigned documents, SQS and /_sim.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["X-Simulate-Speed"] = []string{fmt.Sprint(s.cfg.Speed)}
	path := r.URL.EscapedPath()
	switch {
	case strings.HasPrefix(path, "/_sim/"):
		s.control(w, r)
	case path == "/auth/o2/token":
		s.serveToken(w, r)
	case strings.HasPrefix(path, "/_docs/"):
		s.docs.serve(w, r)
	case r.Header.Get("X-Amz-Target") != "":
		s.serveSQS(w, r)
	default:
		region, rest := s.route(r.Host, path)
		s.serveAPI(w, r, region, rest)
	}
}

// route finds the region of a request: by its Host, or by the first step of the path.
func (s *Server) route(host, path string) (region, rest string) {
	host, _, _ = strings.Cut(host, ":")
	for name, h := range regions {
		if h == host {
			return name, path
		}
		if rest, ok := strings.CutPrefix(path, "/"+name); ok && strings.HasPrefix(rest, "/") {
			return name, rest
		}
	}
	return "", path
}
