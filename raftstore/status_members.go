package raftstore

import (
	"context"
	"encoding/binary"
	"errors"
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

// report is what a member says of itself.
type report struct {
	applied uint64
	term    uint64
	http    string
	digests map[uint64]uint64 // by index

	horizon time.Duration // own report only
	heard   time.Time     // when it came; zero for the own one
}

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
	for {
		var asked sync.WaitGroup
		for _, server := range s.servers() {
			if server.ID != s.parts.id {
				asked.Go(func() { s.ask(ctx, server) })
			}
		}
		asked.Wait()
		if s.Status().Digest.Diverged && s.members.sayDiverged() {
			s.log.Error("the digests of two members differ at the same index")
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *Store) ask(ctx context.Context, server raft.Server) {
	ctx, cancel := context.WithTimeout(ctx, askEvery)
	defer cancel()
	answer, _, err := s.peers.Call(ctx, string(server.Address), callStatus, nil)
	if err != nil {
		return // its report grows old, which is what is shown
	}
	r, err := parseReport(answer)
	if err != nil {
		s.log.Warn("a member's report cannot be read", "member", server.ID, "error", err)
		return
	}
	r.heard = time.Now()
	s.members.set(server.ID, r)
}

// report is this node's own.
func (s *Store) report() report {
	r := report{term: s.raft.CurrentTerm(), http: s.cfg.HTTP, digests: map[uint64]uint64{}}
	r.applied = s.machine.applied.Load()
	s.machine.view(func(l *engine.Ledger) bool {
		r.applied = s.machine.applied.Load()
		r.horizon = time.Duration(l.Horizon()) * time.Millisecond
		newest := r.applied / digestEvery * digestEvery
		for i := range uint64(digestsKept) {
			if index := newest - i*digestEvery; index > 0 && index <= newest {
				if value, ok := l.DigestAt(index); ok {
					r.digests[index] = value
				}
			}
		}
		return false
	})
	return r
}

// reportVersion is the version of the message that appendStatus makes.
const reportVersion = 1

// appendStatus encodes this node's report: version, applied, term, HTTP address, digests.
func (s *Store) appendStatus(dst []byte) []byte {
	r := s.report()
	dst = append(dst, reportVersion)
	dst = binary.LittleEndian.AppendUint64(dst, r.applied)
	dst = binary.LittleEndian.AppendUint64(dst, r.term)
	dst = binary.AppendUvarint(dst, uint64(len(r.http)))
	dst = append(dst, r.http...)
	for index, value := range r.digests {
		dst = binary.LittleEndian.AppendUint64(dst, index)
		dst = binary.LittleEndian.AppendUint64(dst, value)
	}
	return dst
}

var errReport = errors.New("not a report")

// parseReport decodes what appendStatus made. It fails with errReport.
func parseReport(p []byte) (report, error) {
	if len(p) < 17 || p[0] != reportVersion {
		return report{}, errReport
	}
	r := report{
		applied: binary.LittleEndian.Uint64(p[1:]),
		term:    binary.LittleEndian.Uint64(p[9:]),
		digests: map[uint64]uint64{},
	}
	length, n := binary.Uvarint(p[17:])
	p = p[17+max(n, 0):]
	if n <= 0 || length > uint64(len(p)) {
		return report{}, errReport
	}
	r.http, p = string(p[:length]), p[length:]
	if len(p)%16 != 0 || len(p)/16 > digestsKept {
		return report{}, errReport
	}
	for ; len(p) > 0; p = p[16:] {
		r.digests[binary.LittleEndian.Uint64(p)] = binary.LittleEndian.Uint64(p[8:])
	}
	return r, nil
}
