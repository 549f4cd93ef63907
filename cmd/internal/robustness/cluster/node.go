package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/robustness/volume"
)

// Node is one member: its name, its addresses and its volume stay, its process comes and goes. Safe
// for concurrent use, but for the volume.
type Node struct {
	Name   string
	HTTP   string // address of its HTTP interface
	Door   string // address at which the others reach its peer port
	Volume *volume.Volume
	Ask    *client.Client

	raft  string   // real address of its peer port
	entry []string // the flags by which it gets into the cluster
	c     *Cluster
	log   *os.File

	mu struct {
		sync.Mutex
		p       *process // nil before the first start
		stopped bool     // by SIGSTOP
		downFor string   // why it is meant to be down; empty: it is meant to run
		excused string   // why it may end by itself
		starts  int
	}
}

// Pid is the id of its process, 0 when none runs.
func (n *Node) Pid() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.p == nil || n.mu.p.ended() {
		return 0
	}
	return n.mu.p.cmd.Process.Pid
}

// Start runs it. It fails when the process cannot be started or runs already.
func (n *Node) Start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.p != nil && !n.mu.p.ended() {
		return fmt.Errorf("%s runs already", n.Name)
	}
	p, err := start(n.log, n.c.cfg.Binary, n.args())
	if err != nil {
		return err
	}
	n.mu.p, n.mu.stopped, n.mu.downFor = p, false, ""
	n.mu.starts++
	return nil
}

func (n *Node) args() []string {
	args := []string{"serve", "--node", n.Name, "--http", n.HTTP, "--raft", n.raft,
		"--data", n.Volume.Dir, "--log-format", "json"}
	return slices.Concat(args, n.entry, n.c.cfg.Serve)
}

// endLimit is how long a process may take to end: the kernel may have to finish a sync first.
const endLimit = 40 * time.Second

// Kill ends it with SIGKILL and waits. A node that is down stays down. It fails when it does not
// end.
func (n *Node) Kill() error {
	return n.end(syscall.SIGKILL, "killed")
}

// Stop ends it in order and waits. It fails when it does not end, or with another status than 0.
func (n *Node) Stop() error {
	p := n.process()
	if p == nil || p.ended() {
		return nil
	}
	if err := n.end(syscall.SIGTERM, "stopped"); err != nil {
		return err
	}
	if code, _ := p.wait(0); code != 0 {
		tail, _ := p.said()
		return fmt.Errorf("%s: an orderly stop ended with status %d:\n%s", n.Name, code, lastLines(tail))
	}
	return nil
}

func (n *Node) end(s syscall.Signal, why string) error {
	n.mu.Lock()
	p := n.mu.p
	n.mu.downFor = why
	n.mu.Unlock()
	if p == nil {
		return nil
	}
	if err := p.signal(s); err != nil {
		return err
	}
	_, err := p.wait(endLimit)
	return err
}

// Pause stops it with SIGSTOP; Resume lets it go on. They fail with the error of the kernel.
func (n *Node) Pause() error { return n.pause(syscall.SIGSTOP, true) }

// Resume lets a paused process go on; it fails as Pause.
func (n *Node) Resume() error { return n.pause(syscall.SIGCONT, false) }

func (n *Node) pause(s syscall.Signal, stopped bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.p == nil || n.mu.p.ended() || n.mu.stopped == stopped {
		return nil
	}
	n.mu.stopped = stopped
	return n.mu.p.signal(s)
}

// Excuse says why it may end by itself from now on, such as a disk that hangs; "" says that it may
// not.
func (n *Node) Excuse(why string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.excused = why
}

func (n *Node) process() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.p
}

// Runs reports whether its process runs.
func (n *Node) Runs() bool {
	p := n.process()
	return p != nil && !p.ended()
}

// Fallen returns what is wrong when it ended although nobody and nothing made it, or printed what
// no node may print; else nil.
func (n *Node) Fallen() error {
	n.mu.Lock()
	p, down, excused := n.mu.p, n.mu.downFor, n.mu.excused
	n.mu.Unlock()
	if p == nil {
		return nil
	}
	tail, bad := p.said()
	if bad != "" {
		return fmt.Errorf("%s printed: %s", n.Name, bad)
	}
	if p.ended() && down == "" && excused == "" {
		return fmt.Errorf("%s ended by itself (%v):\n%s", n.Name, p.cmd.ProcessState, lastLines(tail))
	}
	return nil
}

// Verdict is how a start ended.
type Verdict struct {
	Ready  bool // it serves
	Status int  // of a process that ended
	Said   string
}

// errMute says that a node neither served nor ended.
var errMute = errors.New("it neither serves nor ended")

// AwaitStart waits until its process is ready or has ended. It fails when it does neither within
// limit.
func (n *Node) AwaitStart(ctx context.Context, limit time.Duration) (Verdict, error) {
	p := n.process()
	deadline := time.After(limit)
	for {
		if p.ended() {
			tail, _ := p.said()
			return Verdict{Status: p.cmd.ProcessState.ExitCode(), Said: tail}, nil
		}
		if p.isReady() {
			return Verdict{Ready: true}, nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			tail, _ := p.said()
			return Verdict{}, fmt.Errorf("%s: %w within %v:\n%s", n.Name, errMute, limit, lastLines(tail))
		case <-ctx.Done():
			return Verdict{}, ctx.Err()
		}
	}
}

// lastLines is the end of a log, for a message.
func lastLines(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}
