package raftstore

import "context"

// turn lets one change of the members be made at a time. It is no mutex: a change waits for raft for
// up to ProposeTimeout, and whoever waits behind it must be able to give up.
type turn chan struct{}

// take waits for the turn. It fails with *NoLeaderError when ctx ends first; nothing has happened then.
func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &NoLeaderError{Why: "another change of the members is being made", After: retrySoon}
	}
}

// give lets the next one in.
func (t turn) give() { <-t }
