package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Retry says how often a call is repeated. Only what is safe is repeated: what did not happen, and
// what is unknown but was sent under a key.
type Retry struct {
	For    time.Duration // give up when the next try would begin later than this, default 30 s
	First  time.Duration // pause before the second try, default 50 ms; doubles
	Most   time.Duration // longest pause, default 2 s
	Notify func(try int, err error)
}

// WithDefaults fills in what is not set.
func (r Retry) WithDefaults() Retry {
	if r.For <= 0 {
		r.For = 30 * time.Second
	}
	if r.First <= 0 {
		r.First = 50 * time.Millisecond
	}
	if r.Most <= 0 {
		r.Most = 2 * time.Second // an election takes one to two seconds
	}
	return r
}

// DoRetry is Do, repeated while that is safe and the policy allows, over all servers in turn from
// start. It returns the last error: nil, a verdict, or what could not be mended in time.
func DoRetry(ctx context.Context, servers []*Client, start int, r Retry, call Call,
	out any) (Reply, error) {
	r = r.WithDefaults()
	began, pause := time.Now(), r.First
	for try := 0; ; try++ {
		reply, err := servers[(start+try)%len(servers)].Do(ctx, call, out)
		if err == nil || !Repeatable(err, call.Key != "") || ctx.Err() != nil {
			return reply, err
		}
		if r.Notify != nil {
			r.Notify(try, err)
		}
		if time.Since(began)+pause > r.For {
			return reply, err
		}
		// Half is fixed and half is chance, so that clients which failed together do not return
		// together.
		timer := time.NewTimer(pause/2 + rand.N(pause/2+1))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return reply, err
		}
		pause = min(2*pause, r.Most)
	}
}

// Repeatable reports whether a call that ended in err may be sent again without a second effect.
func Repeatable(err error, keyed bool) bool {
	var p *Problem
	if errors.As(err, &p) {
		return p.Later() || (keyed && p.Status >= 500)
	}
	var away *UnreachableError
	if errors.As(err, &away) {
		return true
	}
	var unknown *UnknownError
	return keyed && errors.As(err, &unknown)
}

// IsUnknown reports whether a write that ended in err may have happened.
func IsUnknown(err error) bool {
	var p *Problem
	if errors.As(err, &p) {
		return p.Unknown()
	}
	var unknown *UnknownError
	return errors.As(err, &unknown)
}
