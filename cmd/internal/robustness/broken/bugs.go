package broken

import (
	"context"
	"time"

	"holdfast/cmd/internal/robustness/fault"
	"holdfast/cmd/internal/robustness/load"
)

// Bug is one mistake, by its build tag.
type Bug struct {
	Tag    string
	What   string
	Mounts bool // it takes file systems of their own to be seen
	Script func(context.Context, *fault.World) error
	Load   load.Config
	Serve  []string
}

// quick is a load that does much in a short time.
var quick = load.Config{Groups: 4, Clients: 3, Ops: 120, Think: 4 * time.Millisecond,
	Try: 400 * time.Millisecond, Patience: 20 * time.Second}

// Bugs lists every mistake.
var Bugs = []Bug{
	{Tag: "bug_skip_fsync", What: "the log is not synced", Mounts: true, Load: quick,
		Script: func(ctx context.Context, w *fault.World) error {
			if err := w.SyncAll(); err != nil { // what is older than some seconds, the kernel has written
				return err
			}
			if err := w.LoadFor(ctx, 1500*time.Millisecond); err != nil {
				return err
			}
			return w.Do(ctx, fault.PowerCut)
		}},
	{Tag: "bug_answer_early", What: "answered before agreement", Load: quick,
		Script: func(ctx context.Context, w *fault.World) error {
			return w.LoseLeader(ctx, 1500*time.Millisecond)
		}},
	{Tag: "bug_local_keys", What: "keys remembered on one node only", Load: quick,
		Script: func(ctx context.Context, w *fault.World) error {
			if err := w.KillLeader(ctx); err != nil {
				return err
			}
			return w.LoadFor(ctx, time.Second)
		}},
	{Tag: "bug_local_clock", What: "holds end by the local clock", Load: quick,
		Script: func(ctx context.Context, w *fault.World) error {
			return w.LoadFor(ctx, 4*time.Second)
		}},
	{Tag: "bug_stale_read", What: "a stale read passes for a linearizable one", Load: quick,
		Script: func(ctx context.Context, w *fault.World) error {
			return w.LoadFor(ctx, 2*time.Second)
		}},
	{Tag: "bug_no_clamp", What: "compaction forgets the older checkpoint", Load: quick,
		Serve: []string{"--checkpoint-bytes", "64KiB", "--wal-segment", "64KiB"},
		Script: func(ctx context.Context, w *fault.World) error {
			return w.DamageNewest(ctx)
		}},
}
