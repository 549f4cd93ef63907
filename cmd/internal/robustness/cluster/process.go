package cluster

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one life of a node.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	mu struct {
		sync.Mutex
		tail  []string // its last lines
		ready bool
		bad   string // a line that no life may print
	}
}

// tailLines is how much of a log is kept in memory; all of it is in the file.
const tailLines = 200

// start runs the command; what it prints to standard error goes to log too.
func start(log io.Writer, binary string, args []string) (*process, error) {
	p := &process{cmd: exec.Command(binary, args...), done: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	go func() {
		defer close(p.done)
		for lines := bufio.NewReader(pipe); ; {
			line, err := lines.ReadString('\n')
			if line != "" {
				p.note(strings.TrimSuffix(line, "\n"))
				_, _ = io.WriteString(log, line) // evidence, not what is judged
			}
			if err != nil {
				_ = p.cmd.Wait() // how it ended is in ProcessState
				return
			}
		}
	}()
	return p, nil
}

// neverSaid are the signs of a fault that ends no process, or not with a status of its own.
var neverSaid = []string{"panic: ", "fatal error: ", "DATA RACE",
	"the digests of two members differ"}

func (p *process) note(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.tail = append(p.mu.tail, line)
	if over := len(p.mu.tail) - tailLines; over > 0 {
		p.mu.tail = p.mu.tail[over:]
	}
	if strings.HasPrefix(line, "holdfast ready http=") {
		p.mu.ready = true
	}
	for _, sign := range neverSaid {
		if strings.Contains(line, sign) && p.mu.bad == "" {
			p.mu.bad = line
		}
	}
}

func (p *process) isReady() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.ready
}

func (p *process) said() (tail, bad string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.mu.tail, "\n"), p.mu.bad
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal sends a signal; an ended process takes none.
func (p *process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// wait waits for the end, for at most limit, and returns the exit status; -1 after a signal.
func (p *process) wait(limit time.Duration) (int, error) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(limit):
		return 0, fmt.Errorf("process %d did not end within %v", p.cmd.Process.Pid, limit)
	}
}
