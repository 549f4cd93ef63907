package netsuitetest

import (
	"sync"
	"time"
)

// clock is the simulator's time: the real one, or one that moves only when it is told to. Nothing
// happens by itself later: lives of tokens and times of jobs are compared when somebody asks. Safe for
// concurrent use.
type clock struct {
	manual bool
	mu     sync.Mutex
	at     time.Time
}

func (c *clock) now() time.Time {
	if !c.manual {
		return time.Now().UTC()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// advance moves a manual clock on.
func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(max(0, d))
}
