package demo

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows how the event goes: a bar on a terminal, a line for each tenth elsewhere. Its
// methods may be called from several goroutines.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	bar   *progressbar.ProgressBar // nil when w is no terminal
	total int
	tenth int
	began time.Time
}

func newProgress(w io.Writer, terminal, color bool, total int) *progress {
	p := &progress{w: w, total: total, began: time.Now()}
	if terminal {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(w),
			progressbar.OptionSetDescription("orders"),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("orders"),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionEnableColorCodes(color),
			progressbar.OptionClearOnFinish(),
		)
	}
	return p
}

// say writes one line beside the bar.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear() // a bar that cannot be drawn is no reason to stop
	}
	fmt.Fprintf(p.w, "%6.1fs  %s\n", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...))
}

// watch draws what done says until ctx ends.
func (p *progress) watch(ctx context.Context, done func() int) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			p.show(done())
			p.mu.Lock()
			if p.bar != nil {
				_ = p.bar.Finish()
			}
			p.mu.Unlock()
			return
		case <-tick.C:
			p.show(done())
		}
	}
}

func (p *progress) show(done int) {
	p.mu.Lock()
	if p.bar != nil {
		_ = p.bar.Set(done)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	if tenth := done * 10 / max(p.total, 1); tenth > p.tenth {
		p.tenth = tenth
		p.say("%d of %d orders", done, p.total)
	}
}
