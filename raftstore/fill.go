package raftstore

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// fillPiece is how much one call fetches.
	fillPiece = 1 << 20
	// fillPause lies between two calls: 20 MiB a second at most, so that the members that give have
	// their disks and networks for the ledger.
	fillPause = 50 * time.Millisecond
	// fillTimeout bounds one call.
	fillTimeout = 10 * time.Second
)

// filler is one kind of thing that a node lacks after an install and fetches from other members, behind
// everything else. One goroutine uses it, see Store.runFill.
type filler struct {
	name string // for the log
	call byte   // what members are asked
	// next says what to ask for; ok is false when nothing is missing. It fails with an error of the
	// disk.
	next func() (ask []byte, ok bool, err error)
	// take is given what a member answered to next's last question. It fails when that was of no use;
	// then another member is asked.
	take func(answer []byte) error
	// nobody is told that every member was asked and none has it. It fails with an error of the disk.
	nobody func() error
	// complete reports whether nothing is missing; any goroutine asks it.
	complete func() bool

	from  raft.ServerID // who gave the last piece
	began bool          // the log was told that this is under way
}

// complete reports whether this node has everything that it keeps beside the ledger.
func (s *Store) complete() bool {
	for _, f := range s.fills {
		if !f.complete() {
			return false
		}
	}
	return true
}

// runFill fetches what is missing, until ctx ends. What no member gives now is asked for again in a
// second; a restart goes on where it was.
func (s *Store) runFill(ctx context.Context) {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for {
		for _, f := range s.fills {
			if err := s.fill(ctx, f); err != nil && ctx.Err() == nil {
				s.log.Warn("fetching stopped for now", "what", f.name, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// fill fetches piece after piece until nothing is missing, or nobody gives it. It fails with an error
// of the disk.
func (s *Store) fill(ctx context.Context, f *filler) error {
	for ctx.Err() == nil {
		ask, ok, err := f.next()
		if err != nil {
			return err
		}
		if !ok {
			if f.began {
				f.began = false
				s.log.Info("all is fetched", "what", f.name)
			}
			return nil
		}
		if !f.began {
			f.began = true
			s.log.Info("fetching from other members", "what", f.name)
		}
		if more, err := s.fetch(ctx, f, ask); err != nil || !more {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(fillPause):
		}
	}
	return nil
}

// fetch asks members for one piece, first the one that gave the last, and reports whether one gave
// it. It fails with an error of the disk.
func (s *Store) fetch(ctx context.Context, f *filler, ask []byte) (bool, error) {
	others := slices.DeleteFunc(s.servers(), func(m raft.Server) bool { return m.ID == s.parts.id })
	if at := slices.IndexFunc(others, func(m raft.Server) bool { return m.ID == f.from }); at > 0 {
		others[0], others[at] = others[at], others[0]
	}
	without := 0
	for _, m := range others {
		within, cancel := context.WithTimeout(ctx, fillTimeout)
		answer, _, err := s.peers.Call(within, string(m.Address), f.call, ask)
		cancel()
		if err != nil {
			continue
		}
		if len(answer) == 0 {
			without++
			continue
		}
		if err := f.take(answer); err != nil {
			s.log.Warn("a piece was of no use", "what", f.name, "member", m.ID, "error", err)
			if m.ID == f.from { // the next try begins with another
				f.from = others[(slices.Index(others, m)+1)%len(others)].ID
			}
			continue
		}
		f.from = m.ID
		return true, nil
	}
	if without > 0 && without == len(others) {
		return false, f.nobody()
	}
	return false, nil
}

// eventFill fetches event segments.
func (s *Store) eventFill() *filler {
	events := s.machine.events
	var gap EventGap
	return &filler{
		name: "events", call: callEvents,
		next: func() (ask []byte, ok bool, err error) {
			for {
				gap, ok, err = events.Gap(s.machine.eventsMax())
				if err != nil || !ok || gap.Have < gap.Bytes {
					break
				}
				// It was here before the install: it needs only to be looked at.
				var bad *CorruptError
				if err := events.Fill(gap, nil); err != nil && !errors.As(err, &bad) {
					return nil, false, err
				}
			}
			ask = binary.LittleEndian.AppendUint64(nil, gap.Segment)
			return binary.LittleEndian.AppendUint64(ask, uint64(gap.Have)), ok, err
		},
		take:     func(answer []byte) error { return events.Fill(gap, answer) },
		nobody:   events.GiveUp,
		complete: events.Complete,
	}
}

// handleEvents is the answer to callEvents: bytes of an event segment from an offset on, none when
// they are not here.
func (s *Store) handleEvents(body []byte) []byte {
	if len(body) != 16 {
		return nil
	}
	p, err := s.machine.events.Piece(uint64Of(body), int64(uint64Of(body[8:])), fillPiece)
	if err != nil && !errors.Is(err, ErrEventsGone) {
		s.log.Warn("event segment for another member", "error", err)
	}
	return p
}
