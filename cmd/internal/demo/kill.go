package demo

import (
	"context"
	"fmt"
	"time"

	"holdfast/cmd/internal/client"
)

// killer ends the leader in the middle of the event and starts it again from its folder.
type killer struct {
	nodes *trio
	ask   []*client.Client
	books *Books
	say   func(format string, args ...any)

	Victim, Heir string
	Election     time.Duration // from the kill until another node says that it leads
	Down         time.Duration // from the kill until the victim accepts requests again
}

// The kill comes when this part of the orders is through, the restart at the other: between them
// the cluster works with two nodes.
const (
	killAt    = 0.45
	restartAt = 0.70
)

// run waits for the moments by through, which gives the part of the orders that is through, and
// kills and restarts. It fails when no new leader comes or the victim does not start again.
func (k *killer) run(ctx context.Context, through func() float64) error {
	if err := until(ctx, func() bool { return through() >= killAt }); err != nil {
		return err
	}
	victim, err := k.nodes.leader(ctx, k.ask, -1)
	if err != nil {
		return err
	}
	k.Victim = k.nodes.specs[victim].Name
	k.books.markKill()
	began := time.Now()
	k.nodes.kill(victim)
	k.say("killed the leader, %s", k.Victim)
	heir, err := k.nodes.leader(ctx, k.ask, victim)
	if err != nil {
		return fmt.Errorf("after the kill of %s: %w", k.Victim, err)
	}
	k.Heir, k.Election = k.nodes.specs[heir].Name, time.Since(began)
	k.say("%s leads after %s", k.Heir, k.Election.Round(time.Millisecond))
	if err := until(ctx, func() bool { return through() >= restartAt }); err != nil {
		return err
	}
	if err := k.nodes.startOne(ctx, victim); err != nil {
		return err
	}
	k.Down = time.Since(began)
	k.say("%s is back from its folder after %s", k.Victim, k.Down.Round(time.Millisecond))
	return nil
}

// until waits for a condition, or returns the context's error.
func until(ctx context.Context, is func() bool) error {
	for !is() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}
