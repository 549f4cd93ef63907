package raftstore

import (
	"context"
	"time"

	"holdfast/engine"
)

const (
	// tickAgain is how long to wait after a tick that ended nothing and left nothing over: the ledger
	// may round a deadline down, and a deadline must not turn into a busy loop. Ten of them stay
	// within the second in which a hold has to be free. While ledger time catches up after a gap,
	// every tick leaves something over, so that nothing waits then.
	tickAgain = 100 * time.Millisecond
	// tickNever is the timer's setting when nothing has a deadline.
	tickNever = time.Hour
)

// runTicks proposes a tick whenever a hold may be due or an entry left work over, while this node
// leads, and nothing otherwise. A tick may find nothing due: the ledger looks at a bounded number of
// holds for its next deadline, and gives an earlier moment when there are more. It ends with ctx.
func (s *Store) runTicks(ctx context.Context) {
	timer := time.NewTimer(tickNever)
	defer timer.Stop()
	for {
		timer.Reset(s.untilTick())
		select {
		case <-ctx.Done():
			return
		case <-s.ticks:
			continue
		case <-timer.C:
		}
		if s.untilTick() > 0 {
			continue
		}
		before := s.machine.expired.Load()
		err := s.tick(ctx)
		if err != nil || (s.machine.expired.Load() == before && !s.machine.unfinished.Load()) {
			timer.Reset(tickAgain)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
		}
	}
}

// untilTick is how long nothing is due; 0 or less when a tick must be proposed.
func (s *Store) untilTick() time.Duration {
	l := s.lead.Load()
	if l == nil || !l.opened.Load() {
		return tickNever
	}
	if s.machine.unfinished.Load() {
		return 0
	}
	next := s.machine.nextDeadline.Load()
	if next == 0 {
		return tickNever
	}
	return min(time.Duration(next-l.clock.read())*time.Millisecond, tickNever)
}

// tick proposes a tick and waits until it is applied. It returns the batch's error.
func (s *Store) tick(ctx context.Context) error {
	c := s.machine.encode(engine.Op{Command: &engine.Tick{}})
	b, _, err := s.batcher.add(c)
	c.release()
	if err != nil {
		return err
	}
	return b.wait(ctx)
}

// poke leaves one token in ch, which has room for one.
func (s *Store) poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
