package raftstore

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// clockAlarm is how far a clock may be off the median before this node says so, and clockCalm
	// where it stops: a clock that NTP keeps is off by milliseconds, and one at the edge must not
	// fill the log.
	clockAlarm, clockCalm = 2 * time.Second, time.Second
	// clockTrip is the longest way to another clock and back that counts. Half of it is how wrong the
	// reading may be; a longer one is of a process that was paused in between.
	clockTrip = 200 * time.Millisecond
	// clockKept is for how long a reading of another clock may stand in for a new one at the start of
	// a term: what two quartzes drift apart in that time is below 0.1 s.
	clockKept = 10 * time.Minute
	// clockPart and clockGrace bound what the start of a term waits for, as parts of a heartbeat: for
	// a majority, and for the others once there is one. The barrier of the term is on its way
	// meanwhile.
	clockPart, clockGrace = 10, 50
)

// clockReading is what this node knows of a wall clock: its lead over the monotonic clock here, so
// that it can be read at any later time. at is the monotonic time of the reading; 0 is none.
type clockReading struct{ lead, at time.Duration }

// clockAt reads another node's clock, which said micros between the monotonic times sent and came.
// It returns old when the way took too long, or the node does not tell.
func clockAt(micros int64, sent, came time.Duration, old clockReading) clockReading {
	if micros == 0 || came-sent > clockTrip {
		return old
	}
	wall := time.Duration(micros) * time.Microsecond
	return clockReading{lead: wall - (sent+came)/2, at: max(came, 1)}
}

// mono is the monotonic time since this node began.
func (s *Store) mono() time.Duration { return time.Since(s.began) }

// ownClock reads this node's wall clock. A pause of the process between the two clocks would count
// as an error of one of them, so it reads again.
func (s *Store) ownClock() clockReading {
	var r clockReading
	for range 3 {
		before := s.mono()
		wall := s.cfg.Now().UnixNano()
		r = clockReading{lead: time.Duration(wall) - before, at: before + 1}
		if s.mono()-before <= clockTrip/2 {
			break
		}
	}
	return r
}

// medianOf is the median of the clocks of a majority of voters, ok false when there are fewer. Of
// two in the middle it is the one that is behind: time that is set too early makes holds longer,
// time that is set too late ends them before they are due.
func medianOf(leads []time.Duration, voters int) (lead time.Duration, ok bool) {
	if len(leads) < voters/2+1 {
		return 0, false
	}
	slices.Sort(leads)
	return leads[(len(leads)-1)/2], true
}

// median is the lead of the median of the voters' clocks over the monotonic one, by readings since a
// monotonic time; ok is false when there is no majority of them.
func (s *Store) median(since time.Duration) (lead time.Duration, ok bool) {
	var leads []time.Duration
	voters := 0
	for _, server := range s.servers() {
		if server.Suffrage != raft.Voter {
			continue
		}
		voters++
		r := s.clockOf(server.ID)
		if r.at > 0 && r.at >= since {
			leads = append(leads, r.lead)
		}
	}
	return medianOf(leads, voters)
}

// clockOf is the newest reading of a member's clock.
func (s *Store) clockOf(id raft.ServerID) clockReading {
	if id == s.parts.id {
		return s.ownClock()
	}
	return s.members.get(id).clock
}

// askClocks asks the other voters for their clocks. It returns when all have answered, a little
// after a majority has, or after a tenth of a heartbeat.
func (s *Store) askClocks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Heartbeat/clockPart)
	defer cancel()
	var others []raft.Server
	voters := 0
	for _, server := range s.servers() {
		if server.Suffrage == raft.Voter {
			voters++
			if server.ID != s.parts.id {
				others = append(others, server)
			}
		}
	}
	answers := make(chan bool, len(others))
	for _, server := range others {
		s.tasks.Go(func() { answers <- s.ask(ctx, server) })
	}
	var enough <-chan time.Time
	heard := 1 // our own
	for range others {
		select {
		case ok := <-answers:
			if ok {
				heard++
			}
		case <-enough:
			return
		case <-ctx.Done():
			return
		}
		if enough == nil && heard >= voters/2+1 {
			enough = time.After(s.cfg.Heartbeat / clockGrace)
		}
	}
}

// startClock sets the clock of a term that begins, once askClocks is done: by the median of what
// came now, else of what was heard before, else by this node's clock alone.
func (s *Store) startClock(l *leadership) {
	<-l.asked
	lead, ok := s.median(l.began)
	if !ok {
		if lead, ok = s.median(max(l.began-clockKept, 1)); ok {
			s.log.Warn("the term's time is by clocks that were heard before it began")
		}
	}
	if !ok {
		s.log.Warn("the term's time is by this node's clock alone: no majority said theirs")
		lead = s.ownClock().lead
	}
	l.clock.begin(s.machine.now(), lead+s.mono())
}

// clockWatch is how far clocks are off the median, by the last look.
type clockWatch struct {
	own    atomic.Int64 // ns that this node's clock is ahead of it
	ledger atomic.Int64 // ns that the ledger's time is, while this node leads
	said   atomic.Bool  // the alarm is on
}

// watchClock compares this node's clock with the median of what was heard lately, and has the
// ledger's time go towards that. Without a majority nothing changes.
func (s *Store) watchClock() {
	lead, ok := s.median(max(s.mono()-silentAfter, 1))
	if !ok {
		return
	}
	own, ledger := s.ownClock().lead-lead, time.Duration(0)
	if l := s.lead.Load(); l != nil && l.opened.Load() {
		target := lead + s.mono()
		l.clock.aim(target)
		ledger = l.clock.since1970() - target
	}
	s.clock.own.Store(int64(own))
	s.clock.ledger.Store(int64(ledger))
	worst := max(own.Abs(), ledger.Abs())
	switch said := s.clock.said.Load(); {
	case !said && worst > clockAlarm:
		s.clock.said.Store(true)
		s.log.Warn("a clock is off the median of the voters' clocks", "node_seconds", own.Seconds(),
			"ledger_seconds", ledger.Seconds())
	case said && worst < clockCalm:
		s.clock.said.Store(false)
		s.log.Info("the clocks agree again")
	}
}

// clockCheck is the line of a node's clock. It is never a reason not to serve: time is the leader's,
// who takes it from a majority.
func (s *Store) clockCheck() ReadyCheck {
	check := ReadyCheck{Name: "clock", OK: true}
	if !s.clock.said.Load() {
		return check
	}
	own, ledger := time.Duration(s.clock.own.Load()), time.Duration(s.clock.ledger.Load())
	what, off := "this node's clock", own
	if own.Abs() < ledger.Abs() {
		what, off = "the ledger's time", ledger
	}
	side := "ahead of"
	if off < 0 {
		side = "behind"
	}
	check.Detail = fmt.Sprintf("ALARM: %s is %.1f s %s the median of the voters' clocks", what,
		off.Abs().Seconds(), side)
	return check
}

// clockOffsets returns how far a member's clock is ahead of the median, 0 when either is not known.
func (s *Store) clockOffsets() func(raft.ServerID) time.Duration {
	lead, ok := s.median(max(s.mono()-silentAfter, 1))
	return func(id raft.ServerID) time.Duration {
		r := s.clockOf(id)
		if !ok || r.at == 0 {
			return 0
		}
		return (r.lead - lead).Round(time.Millisecond)
	}
}
