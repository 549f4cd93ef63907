package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Recorder keeps the operations of a run, in memory and as JSON lines in a file. Safe for
// concurrent use.
type Recorder struct {
	began time.Time

	mu struct {
		sync.Mutex
		file *os.File
		out  *bufio.Writer
		ops  []Op
		err  error
	}
}

// NewRecorder begins a history in a new file. It fails with the error of the file system.
func NewRecorder(path string) (*Recorder, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("make the history: %w", err)
	}
	r := &Recorder{began: time.Now()}
	r.mu.file, r.mu.out = f, bufio.NewWriterSize(f, 1<<20)
	return r, nil
}

// Now is the time of the run, in ns, by the monotonic clock: one clock for all clients.
func (r *Recorder) Now() int64 { return int64(time.Since(r.began)) }

// Add records an operation that has ended, or was given up.
func (r *Recorder) Add(op Op) {
	line, err := json.Marshal(op)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.ops = append(r.mu.ops, op)
	if err == nil {
		_, err = r.mu.out.Write(append(line, '\n'))
	}
	r.mu.err = errors.Join(r.mu.err, err)
}

// Ops returns what was recorded so far. Nobody changes it.
func (r *Recorder) Ops() []Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.ops[:len(r.mu.ops):len(r.mu.ops)]
}

// Close ends the file; it fails when some line could not be written.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.mu.err, r.mu.out.Flush(), r.mu.file.Close())
}

// Load reads a history back. It fails with the error of the file, or names the line that is none.
func Load(path string) ([]Op, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the history: %w", err)
	}
	defer f.Close()
	var ops []Op
	for dec := json.NewDecoder(bufio.NewReader(f)); ; {
		var op Op
		switch err := dec.Decode(&op); {
		case errors.Is(err, io.EOF):
			return ops, nil
		case err != nil:
			return nil, fmt.Errorf("%s: operation %d: %w", path, len(ops)+1, err)
		}
		ops = append(ops, op)
	}
}
