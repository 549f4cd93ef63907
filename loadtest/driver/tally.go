package driver

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The histograms count µs, to ten minutes: no call waits longer, and three digits hold a percentile
// to 0.1%.
const (
	highestMicros = int64(10 * time.Minute / time.Microsecond)
	digits        = 3
)

// Hist is a histogram of latencies in µs that can be written, read and merged.
type Hist struct{ *hdrhistogram.Histogram }

// NewHist makes an empty one.
func NewHist() Hist { return Hist{hdrhistogram.New(1, highestMicros, digits)} }

// MarshalJSON writes the compressed form V2 of HdrHistogram. It fails as that does.
func (h Hist) MarshalJSON() ([]byte, error) {
	b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("encode a histogram: %w", err)
	}
	return json.Marshal(b)
}

// UnmarshalJSON reads what MarshalJSON wrote. It fails when it is something else.
func (h *Hist) UnmarshalJSON(text []byte) error {
	var b []byte
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	got, err := hdrhistogram.Decode(b)
	if err != nil {
		return fmt.Errorf("decode a histogram: %w", err)
	}
	h.Histogram = got
	return nil
}

func (h Hist) add(d time.Duration) {
	// A value outside cannot be: record bounds it.
	_ = h.RecordValue(min(highestMicros, max(1, int64(d/time.Microsecond))))
}

// Cell counts the calls of one operation in one phase.
type Cell struct {
	Phase   string         `json:"phase"`
	Op      string         `json:"op"`
	Counts  map[string]int `json:"counts"`  // by outcome
	Classes map[string]int `json:"classes"` // by status and code, of what was not done
	Latency Hist           `json:"latency"` // from the moment due, of all that were answered
	Late    Hist           `json:"late"`    // from the moment due to the sending
}

// Slice is what happened in one interval, by the moment due.
type Slice struct {
	Sent    int  `json:"sent"`
	Done    int  `json:"done"`
	Refused int  `json:"refused"`
	Errors  int  `json:"errors"`
	Unsent  int  `json:"unsent"`
	Latency Hist `json:"latency"`
}

// maxSlices bounds the intervals of a run, whatever it takes.
const maxSlices = 300

// Tally counts a run. Safe for concurrent use.
type Tally struct {
	every time.Duration

	mu struct {
		sync.Mutex
		cells  map[[2]string]*Cell
		slices []*Slice
		recent Hist // since the last progress line
		sent   int
		errors int
		unsent int
	}
}

func newTally(whole time.Duration) *Tally {
	t := &Tally{every: max(time.Second, whole/maxSlices)}
	t.mu.cells = map[[2]string]*Cell{}
	t.mu.recent = NewHist()
	return t
}

func (t *Tally) cellLocked(phase, op string) *Cell {
	k := [2]string{phase, op}
	c := t.mu.cells[k]
	if c == nil {
		c = &Cell{Phase: phase, Op: op, Counts: map[string]int{}, Classes: map[string]int{},
			Latency: NewHist(), Late: NewHist()}
		t.mu.cells[k] = c
	}
	return c
}

func (t *Tally) sliceLocked(due time.Duration) *Slice {
	i := int(due / t.every)
	for len(t.mu.slices) <= i {
		t.mu.slices = append(t.mu.slices, &Slice{Latency: NewHist()})
	}
	return t.mu.slices[i]
}

// add counts a call that ended, from the moment that it was due.
func (t *Tally) add(phase string, r *Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, s := t.cellLocked(phase, r.Op), t.sliceLocked(r.Due)
	t.mu.sent++
	s.Sent++
	c.Counts[string(r.Outcome)]++
	switch r.Outcome {
	case Done:
		s.Done++
	case Refused:
		s.Refused++
	default:
		s.Errors++
		t.mu.errors++
	}
	if r.Outcome != Done {
		c.Classes[fmt.Sprintf("%d %s", r.Status, r.Code)]++
	}
	took := r.End - r.Due
	c.Latency.add(took)
	s.Latency.add(took)
	t.mu.recent.add(took)
	c.Late.add(r.Sent - r.Due)
}

// unsent counts a call that was due and never left.
func (t *Tally) unsent(phase string, j job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.unsent++
	t.cellLocked(phase, j.call.Op).Counts["unsent"]++
	t.sliceLocked(j.due).Unsent++
}
