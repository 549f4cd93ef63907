package shopifytest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/adapters/internal/simtest"
)

// Server is the simulator: some shops behind one address. Safe for concurrent use.
type Server struct {
	cfg     Config
	clock   *simtest.Clock
	journal *journal
	faults  *faults
	courier *courier
	docs    documents
	shops   []*shop
	ids     atomic.Int64
	calls   atomic.Uint64

	mu      sync.Mutex // guards what follows
	assumed Assumptions
	lag     time.Duration

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
		return nil, fmt.Errorf("simulated Shopify: %w", err)
	}
	s := &Server{cfg: cfg, clock: simtest.NewClock(cfg.Manual, cfg.Start), assumed: *cfg.Assumptions,
		lag: cfg.SearchLag, closed: make(chan struct{})}
	s.ids.Store(firstID + int64(cfg.Seed%1_000_000)*1000)
	s.journal = newJournal(cfg.JournalLimit, s.clock.Now)
	s.faults = newFaults(cfg.Seed, s.clock.Now)
	s.faults.add(cfg.Faults...)
	s.courier = newCourier(s)
	s.clock.OnSettle(s.courier.settle)
	for _, c := range cfg.Shops {
		s.shops = append(s.shops, newShop(s, c))
	}
	return s, nil
}

// firstID is above 2^53, where float64 has even numbers only.
const firstID = 9_100_000_000_000_001

// newID gives out odd numbers that rise by no fixed step.
func (s *Server) newID() int64 { return s.ids.Add(2 * (1 + s.ids.Load()%7)) }

// Start listens and begins to deliver webhooks. It fails where the address cannot be had; then
// nothing runs.
func (s *Server) Start() error {
	l, err := net.Listen("tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("simulated Shopify: listen: %w", err)
	}
	s.listener = l
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.Deliver()
	s.running.Go(func() { _ = s.http.Serve(l) }) // ends by Close only
	return nil
}

// Deliver begins to deliver webhooks and to let time pass, without listening: for tests that call
// ServeHTTP themselves. Start does it too.
func (s *Server) Deliver() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	if !s.cfg.Manual {
		s.running.Go(func() { s.clock.Run(ctx) })
	}
	s.courier.start()
	for range s.cfg.WebhookWorkers {
		s.running.Go(func() { s.courier.work(ctx) })
	}
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
			s.courier.close()
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

// Endpoint is what a client puts in place of https://SHOP.myshopify.com.
func (s *Server) Endpoint(shop string) string { return s.URL() + "/" + shop }

// Advance moves a manual clock and runs what falls due, each at its own time: retries of webhooks,
// jobs, bulk operations. Before every step it waits until the deliveries under way are answered. It
// does nothing to a clock of real time.
func (s *Server) Advance(d time.Duration) {
	if s.cfg.Manual {
		s.clock.Advance(d)
	}
}

// Settle waits until no webhook is queued or under way. Later ones (delays, retries) do not count.
func (s *Server) Settle() { s.courier.settle() }

// Now is the simulator's time.
func (s *Server) Now() time.Time { return s.clock.Now() }

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
func (s *Server) Mend() { s.faults.rules.Clear() }

// Assume changes the assumptions from now on.
func (s *Server) Assume(a Assumptions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.assumed = a
}

func (s *Server) assumptions() Assumptions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.assumed
}

func (s *Server) searchLag() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lag
}

// errNoShop says that a control call names a shop that is not there.
var errNoShop = errors.New("no such shop")

// shop finds a shop by name or domain; "" is the only one or the first.
func (s *Server) shop(name string) (*shop, error) {
	for _, x := range s.shops {
		if name == "" || x.cfg.Name == name || x.cfg.Domain == name {
			return x, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", errNoShop, name)
}

// ServeHTTP answers the Admin API, the OAuth grant, results of bulk operations and /_sim.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["X-Simulate-Speed"] = s.speedHeader()
	path := r.URL.Path
	if strings.HasPrefix(path, "/_sim/") {
		s.control(w, r)
		return
	}
	x, rest := s.route(r.Host, path)
	if x == nil {
		writeJSON(w, http.StatusNotFound, map[string]any{"errors": "Not Found"})
		return
	}
	switch version, ok := apiVersion(rest); {
	case ok:
		s.graphql(w, r, x, version)
	case rest == "/admin/oauth/access_token":
		x.grant(w, r)
	case strings.HasPrefix(rest, "/_bulk/"):
		x.download(w, r, rest)
	default:
		writeJSON(w, http.StatusNotFound, map[string]any{"errors": "Not Found"})
	}
}

// route finds the shop of a request: by its Host, by the first step of the path, or the only one.
func (s *Server) route(host, path string) (*shop, string) {
	host, _, _ = strings.Cut(host, ":")
	for _, x := range s.shops {
		if x.cfg.Domain == host {
			return x, path
		}
		if rest, ok := strings.CutPrefix(path, "/"+x.cfg.Name); ok && strings.HasPrefix(rest, "/") {
			return x, rest
		}
	}
	if len(s.shops) == 1 && strings.HasPrefix(path, "/admin/") {
		return s.shops[0], path
	}
	return nil, ""
}

// versions are the ones that Shopify serves in November 2026, oldest first.
var versions = []string{"2026-01", "2026-04", "2026-07", "2026-10"}

// apiVersion reads the version out of a path; one that has expired falls forward to the oldest.
func apiVersion(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, "/admin/api/")
	if !ok {
		return "", false
	}
	v, ok := strings.CutSuffix(rest, "/graphql.json")
	if !ok {
		return "", false
	}
	if v == "unstable" {
		return v, true
	}
	if _, err := time.Parse("2006-01", v); err != nil || v > "2027-01" {
		return "", false
	}
	return max(v, versions[0]), true
}

func (s *Server) speedHeader() []string { return []string{fmt.Sprint(s.cfg.Speed)} }
