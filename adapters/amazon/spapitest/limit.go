package spapitest

import (
	"strconv"
	"sync"
	"time"
)

// limits holds the token buckets: one for each operation, seller and application, as in Amazon's
// usage plans. Safe for concurrent use.
type limits struct {
	srv *Server

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	level  float64
	filled time.Time
}

// take takes a token; false where there is none. A bucket is full when it is first used.
func (l *limits) take(key string, rate, burst float64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.srv.clock.Now()
	b := l.buckets[key]
	if b == nil {
		b = &bucket{burst, now}
		l.buckets[key] = b
	}
	b.level = min(burst, b.level+now.Sub(b.filled).Seconds()*rate*float64(l.srv.cfg.Speed))
	b.filled = now
	// Half a billionth of a token is what adding fractions loses.
	if b.level < 1-1e-9 {
		return false
	}
	b.level--
	return true
}

// limitHeader is what x-amzn-RateLimit-Limit says: requests a second, at this speed.
func (s *Server) limitHeader(rate float64) []string {
	return []string{strconv.FormatFloat(rate*float64(s.cfg.Speed), 'f', -1, 64)}
}
