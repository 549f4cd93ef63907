package shopifytest

import (
	"math"
	"time"
)

// costLimit is the most points that one query may ask for.
const costLimit = 1000

// throttle is the state of an app's bucket, as answers report it.
type throttle struct {
	maximum, restore int
	available        float64
}

// take fills the bucket up to now and takes points from it; false, and nothing taken, where it
// holds fewer.
func (s *shop) take(a *app, points int) (throttle, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := s.srv.clock.Now()
	rate := s.cfg.RestorePoints * s.srv.cfg.Speed
	full := float64(s.cfg.BucketPoints)
	a.level = min(full, a.level+now.Sub(a.filled).Seconds()*float64(rate))
	a.filled = now
	ok := a.level >= float64(points)
	if ok {
		a.level -= float64(points)
	}
	return throttle{s.cfg.BucketPoints, rate, math.Floor(a.level)}, ok
}

// giveBack returns what a call took more than it cost.
func (s *shop) giveBack(a *app, points int) throttle {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.level = min(float64(s.cfg.BucketPoints), a.level+float64(points))
	return throttle{s.cfg.BucketPoints, s.cfg.RestorePoints * s.srv.cfg.Speed, math.Floor(a.level)}
}

// empty takes everything out of the bucket, which a throttling fault shows to its client.
func (s *shop) empty(a *app) throttle {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.level, a.filled = 0, s.srv.clock.Now()
	return throttle{s.cfg.BucketPoints, s.cfg.RestorePoints * s.srv.cfg.Speed, 0}
}

// period scales one of Shopify's periods.
func (s *Server) period(d time.Duration) time.Duration { return d / time.Duration(s.cfg.Speed) }
