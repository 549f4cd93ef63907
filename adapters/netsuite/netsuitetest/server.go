package netsuitetest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Server is the simulator: one account behind one address. Safe for concurrent use.
type Server struct {
	cfg     Config
	clock   *clock
	journal *journal
	faults  *faults
	account *account
	access  *access
	limit   *limit
	jobs    *jobs
	calls   atomic.Uint64
	latency atomic.Int64 // nanoseconds of real time that a call takes

	http     *http.Server
	listener net.Listener
	running  sync.WaitGroup
	closed   chan struct{}
	once     sync.Once
}

// New makes a server that does not listen yet; its Go methods work at once. The error joins every
// fault of the configuration; then there is no server.
func New(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("simulated NetSuite: %w", err)
	}
	s := &Server{cfg: cfg, clock: &clock{manual: cfg.Manual, at: cfg.Start},
		limit: &limit{most: cfg.Concurrency}, closed: make(chan struct{})}
	s.latency.Store(int64(cfg.Latency))
	s.journal = &journal{limit: cfg.JournalLimit, now: s.clock.now}
	s.faults = &faults{seed: cfg.Seed, now: s.clock.now}
	s.faults.add(cfg.Faults...)
	s.account = newAccount(cfg, s.journal, s.clock.now)
	s.jobs = newJobs(s)
	var err error
	if s.access, err = newAccess(cfg, s.clock.now); err != nil {
		return nil, fmt.Errorf("simulated NetSuite: %w", err)
	}
	return s, nil
}

// Start listens. It fails where the address cannot be had; then nothing runs.
func (s *Server) Start() error {
	l, err := net.Listen("tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("simulated NetSuite: listen: %w", err)
	}
	s.listener = l
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.running.Go(func() { _ = s.http.Serve(l) }) // ends by Close only
	return nil
}

// Close ends everything and waits for it. Calls under way are cut off.
func (s *Server) Close() {
	s.once.Do(func() {
		close(s.closed)
		if s.http != nil {
			_ = s.http.Close() // nothing is left to be done about its error
		}
		s.running.Wait()
	})
}

// URL is what a client puts in place of https://ACCOUNT.suitetalk.api.netsuite.com; "" before Start.
func (s *Server) URL() string {
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String()
}

// Account is the id of the account, as it stands in the realm of token-based authentication.
func (s *Server) Account() string { return s.cfg.Account }

// Credentials are what the integrations log in with, in the order of the configuration.
func (s *Server) Credentials() []Credentials { return s.access.credentials() }

// Advance moves a manual clock on. It does nothing to a clock of real time.
func (s *Server) Advance(d time.Duration) {
	if s.cfg.Manual {
		s.clock.advance(d)
	}
}

// Now is the simulator's time.
func (s *Server) Now() time.Time { return s.clock.now() }

// Journal returns the entries that the filter selects, oldest first.
func (s *Server) Journal(f Filter) []Entry { return s.journal.find(f) }

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

// Mend ends all rules of faults. Tokens that were revoked stay revoked.
func (s *Server) Mend() { s.faults.clear() }

// Assume changes the assumptions from now on. The error names a time zone that is not known; then
// nothing changed.
func (s *Server) Assume(x Assumptions) error {
	if _, err := time.LoadLocation(x.TimeZone); err != nil {
		return fmt.Errorf("assumptions: %w", err)
	}
	s.account.mu.Lock()
	defer s.account.mu.Unlock()
	s.account.assume(x)
	return nil
}

func (s *Server) assumptions() Assumptions {
	s.account.mu.Lock()
	defer s.account.mu.Unlock()
	return s.account.assumed
}

// ServeHTTP answers SuiteTalk REST, SuiteQL, tokens and /_sim.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["X-Simulate-Speed"] = []string{fmt.Sprint(s.cfg.Speed)}
	if strings.HasPrefix(r.URL.Path, "/_sim/") {
		s.control(w, r)
		return
	}
	c := &call{srv: s, w: w, r: r, n: s.calls.Add(1)}
	c.serve()
}

// limit is the number of requests that an account serves at a time. Safe for concurrent use.
type limit struct {
	mu       sync.Mutex
	most     int
	occupied int // by other integrations
	under    int
	highest  int // of under, since the start
}

// enter takes a slot, or says that there is none.
func (l *limit) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.under+l.occupied >= l.most {
		return false
	}
	l.under++
	l.highest = max(l.highest, l.under)
	return true
}

func (l *limit) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.under--
}

func (l *limit) set(most, occupied *int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if most != nil {
		l.most = *most
	}
	if occupied != nil {
		l.occupied = *occupied
	}
}

func (l *limit) read() (most, occupied, highest int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.most, l.occupied, l.highest
}
