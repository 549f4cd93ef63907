package raftstore

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"holdfast/engine"
)

const (
	// askEvery is how often each member is asked how it is.
	askEvery = time.Second
	// silentAfter is how long a member may be silent before it is unhealthy.
	silentAfter = 3 * time.Second
	// digestEvery and digestsKept are the ledger's: a digest at each multiple, and how many are
	// kept.
	digestEvery, digestsKept = 1024, 64
)

// report is what a member says of itself, as JSON: a node of another version leaves out what it does
// not know of, and passes over what it does not understand.
type report struct {
	Applied uint64     `json:"applied"`
	Term    uint64     `json:"term"`
	HTTP    string     `json:"http"`
	Digests digestMap  `json:"digests"`
	Disk    *diskState `json:"disk,omitempty"`
	Clock   int64      `json:"clock_us"` // its wall clock, µs since 1970; 0: it does not tell
	// Complete says that nothing has to be fetched any more after an install.
	Complete bool `json:"complete"`
	// Installing says that a checkpoint comes in, which explains that nothing is applied.
	Installing bool `json:"installing,omitempty"`
	// ApplyVersion is the newest that its build knows.
	ApplyVersion int64 `json:"apply_version"`

	Node        string `json:"node"`
	Incarnation uint64 `json:"incarnation"`
	Folder      string `json:"folder"` // random id of its data folder
	LetIn       bool   `json:"let_in"` // it takes part
	Raft        string `json:"raft"`   // where it says that it is reached

	horizon time.Duration // own report only
	heard   time.Time     // when it came; zero for the own one
	clock   clockReading  // what Clock comes to here
}

// digestMap has the digest of the ledger at each index.
type digestMap map[uint64]hexUint64

// members keeps the newest report of each other member. Safe for concurrent use.
type members struct {
	mu struct {
		sync.Mutex
		reports  map[raft.ServerID]report
		diverged bool // was said already
	}
}

func (m *members) init() { m.mu.reports = map[raft.ServerID]report{} }

func (m *members) get(id raft.ServerID) report {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.reports[id]
}

func (m *members) set(id raft.ServerID, r report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.reports[id] = r
}

// heardOf is the newest report of another member; ok is false when it is silent.
func (s *Store) heardOf(id raft.ServerID) (r report, ok bool) {
	r = s.members.get(id)
	return r, r.takesPart(id, time.Now())
}

// sayDiverged returns true the first time it is called.
func (m *members) sayDiverged() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	said := m.mu.diverged
	m.mu.diverged = true
	return !said
}

// runMembers asks every other member how it is, once a second, until ctx ends.
func (s *Store) runMembers(ctx context.Context) {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	seen := map[raft.ServerID]*standstill{}
	for {
		var asked sync.WaitGroup
		for _, server := range s.servers() {
			if server.ID != s.parts.id {
				asked.Go(func() { _ = s.ask(ctx, server) })
			}
		}
		asked.Wait()
		s.watchClock()
		s.lookAtMembers(seen)
		if s.Status().Digest.Diverged && s.members.sayDiverged() {
			s.log.Error("the digests of two members differ at the same index")
		}
		s.checkDigests()
		s.heedEnrolment()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// ask asks one member how it is, and reports whether it said so.
func (s *Store) ask(ctx context.Context, server raft.Server) bool {
	ctx, cancel := context.WithTimeout(ctx, askEvery)
	defer cancel()
	sent := s.mono()
	answer, _, err := s.peers.Call(ctx, string(server.Address), callStatus, nil)
	came := s.mono()
	if err != nil {
		s.heedReplaced(err)
		return false // its report grows old, which is what is shown
	}
	r, err := parseReport(answer)
	if err != nil {
		s.log.Warn("a member's report cannot be read", "member", server.ID, "error", err)
		return false
	}
	r.heard = time.Now()
	r.clock = clockAt(r.Clock, sent, came, s.members.get(server.ID).clock)
	s.members.set(server.ID, r)
	return true
}

// report is this node's own.
func (s *Store) report() report {
	r := report{Term: s.raft().CurrentTerm(), HTTP: s.cfg.HTTP, Digests: digestMap{},
		Clock: s.cfg.Now().UnixMicro(), Disk: s.disk.state.Load(),
		ApplyVersion: s.cfg.applyVersion}
	r.Installing, r.Complete = s.installing.Load(), s.complete()
	r.Applied = s.machine.applied.Load()
	s.introduceIn(&r)
	s.machine.view(func(l *engine.Ledger) bool {
		r.Applied = s.machine.applied.Load()
		r.horizon = time.Duration(l.Horizon()) * time.Millisecond
		newest := r.Applied / digestEvery * digestEvery
		for i := range uint64(digestsKept) {
			if index := newest - i*digestEvery; index > 0 && index <= newest {
				if value, ok := l.DigestAt(index); ok {
					r.Digests[index] = hexUint64(value)
				}
			}
		}
		return false
	})
	return r
}

// handleStatus is the answer to callStatus.
func (s *Store) handleStatus() []byte {
	answer, err := json.Marshal(s.report())
	if err != nil {
		s.log.Error("own report", "error", err) // an empty answer is no report
	}
	return answer
}

// maxReport bounds a member's report: 64 digests take some 3 KiB.
const maxReport = 64 << 10

// parseReport decodes a member's report. It fails when it is none, or over maxReport.
func parseReport(p []byte) (report, error) {
	r := report{}
	if len(p) > maxReport {
		return r, fmt.Errorf("report of %d bytes", len(p))
	}
	if err := json.Unmarshal(p, &r); err != nil {
		return report{}, fmt.Errorf("report: %w", err)
	}
	return r, nil
}
