package main

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows how far a command came: a bar on a terminal, nothing elsewhere.
type progress struct {
	bar *progressbar.ProgressBar // nil when there is no terminal
}

func (a *app) progress(what string, total int) progress {
	if !a.errTerminal || total < 2 {
		return progress{}
	}
	return progress{bar: progressbar.NewOptions(total,
		progressbar.OptionSetWriter(a.stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionEnableColorCodes(a.color(a.errTerminal)),
		progressbar.OptionClearOnFinish(),
	)}
}

func (p progress) add(n int) {
	if p.bar != nil {
		_ = p.bar.Add(n) // a bar that cannot be drawn is no reason to stop
	}
}

// finish clears the bar; it may be called twice.
func (p progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
