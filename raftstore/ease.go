package raftstore

import (
	"io"
	"time"
)

// A member that is far behind is served beside the ledger, never before it: what it is sent goes in
// small steps with a rest behind each. So a sync of the log, a heartbeat or a batch waits for one step
// at most, and neither a core nor the disk nor the network is taken for as long as a checkpoint is.
// The log behind the checkpoint is sent without a rest: who follows must be faster than who writes.
var (
	// easeSend is 32 MiB a second, as the writing of a checkpoint: a third of a 1 Gbit network, and
	// less than half of a core for the one who loads it.
	easeSend = easeSteps{bytes: 64 << 10, every: 2 * time.Millisecond}
	// easeVerify is 256 MiB a second: a hash is a small part of that, and most disks give more.
	easeVerify = easeSteps{bytes: 256 << 10, every: time.Millisecond}
	// atOnce is for a node that does nothing else.
	atOnce = easeSteps{}
)

// easeSteps says how much is read at a time, and how long that takes at least.
type easeSteps struct {
	bytes int
	every time.Duration
}

// reader gives what r gives, in such steps. A step that took longer is not made up for.
func (s easeSteps) reader(r io.Reader) io.Reader {
	if s == atOnce {
		return r
	}
	return &easedReader{r: r, steps: s}
}

type easedReader struct {
	r     io.Reader
	steps easeSteps
	left  int       // of this step
	began time.Time // this step; zero before the first
}

// Read fails as the reader inside.
func (r *easedReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		if !r.began.IsZero() {
			time.Sleep(r.steps.every - time.Since(r.began))
		}
		r.began, r.left = time.Now(), r.steps.bytes
	}
	n, err := r.r.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}
