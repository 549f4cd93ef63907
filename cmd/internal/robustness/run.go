package robustness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"holdfast/cmd/internal/robustness/cluster"
	"holdfast/cmd/internal/robustness/fault"
	"holdfast/cmd/internal/robustness/history"
	"holdfast/cmd/internal/robustness/judge"
	"holdfast/cmd/internal/robustness/load"
	"holdfast/cmd/internal/robustness/volume"
)

// Config says what to run.
type Config struct {
	Binary string // the holdfast command
	Dir    string // where everything goes; must exist
	Seed   uint64
	Nodes  int // default 3
	// Counts is what is done, in an order drawn by the seed; nil: what is drawn until For is over.
	Counts Counts
	For    time.Duration
	// Script takes the place of Counts and For: it does what it likes.
	Script func(context.Context, *fault.World) error
	Load   load.Config // Servers and History are set here
	// Patience is how long the cluster may take to be whole again after a fault, default 1 min.
	Patience time.Duration
	// Plain takes plain folders and no file systems of their own.
	Plain bool
	Serve []string  // flags of every node, beside those that make files and checkpoints small
	Out   io.Writer // what happens, line by line; nil: nowhere
}

// VolumeBytes is the size of each node's file system.
const VolumeBytes = 512 << 20

// smallFiles makes a run of minutes see what a node sees in weeks: files of the log change, and
// checkpoints replace each other.
var smallFiles = []string{"--wal-segment", "1MiB", "--checkpoint-bytes", "512KiB"}

// Result is what a run came to.
type Result struct {
	Seed       uint64
	Took       time.Duration
	Tally      *fault.Tally
	Ops        int
	Accepted   int
	Unknown    int
	Histories  int // judged for linearizability
	Violations []judge.Violation
	Notes      []string // what could not be done
	Dir        string
}

// Run runs one cluster from its formation to the verdict. It fails when the harness itself could
// not go on; what the cluster did wrong is in the result.
func Run(ctx context.Context, cfg Config) (r Result, err error) {
	if cfg.Nodes == 0 {
		cfg.Nodes = 3
	}
	began := time.Now()
	r = Result{Seed: cfg.Seed, Tally: fault.NewTally(), Dir: cfg.Dir}
	cc := cluster.Config{Binary: cfg.Binary, Dir: cfg.Dir, Nodes: cfg.Nodes, Seed: cfg.Seed,
		Serve: append(slices.Clone(smallFiles), cfg.Serve...)}
	if !cfg.Plain {
		if able := volume.Able(cfg.Dir); able != nil {
			r.Notes = append(r.Notes, "no file systems of their own: "+able.Error())
		} else {
			cc.VolumeBytes = VolumeBytes
		}
	}
	c, err := cluster.New(cc)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	rec, err := history.NewRecorder(filepath.Join(cfg.Dir, "history.jsonl"))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, rec.Close()) }()
	s := &session{cfg: cfg, c: c, rec: rec, result: &r, began: began}
	err = s.run(ctx)
	r.Took = time.Since(began)
	return r, err
}

// session is one run on its way.
type session struct {
	cfg    Config
	c      *cluster.Cluster
	rec    *history.Recorder
	result *Result
	began  time.Time
}

func (s *session) log(format string, args ...any) {
	if s.cfg.Out != nil {
		at := time.Since(s.began).Seconds()
		fmt.Fprintf(s.cfg.Out, "%8.2fs  %s\n", at, fmt.Sprintf(format, args...))
	}
}

func (s *session) run(ctx context.Context) error {
	for _, n := range s.c.Nodes {
		if err := n.Start(); err != nil {
			return err
		}
	}
	if err := s.c.Whole(ctx, time.Minute); err != nil {
		return fmt.Errorf("the cluster does not come up: %w", err)
	}
	lc := s.cfg.Load
	lc.History, lc.Seed = s.rec, s.cfg.Seed
	for _, n := range s.c.Nodes {
		lc.Servers = append(lc.Servers, load.Server{Name: n.Name, Ask: n.Ask})
	}
	l := load.New(lc)
	if err := l.Define(ctx); err != nil {
		return fmt.Errorf("define the location and the channel: %w", err)
	}
	l.Start(ctx)
	world := &fault.World{Cluster: s.c, Load: l, Dir: s.cfg.Dir, Log: s.log, Tally: s.result.Tally,
		Chance: rand.New(rand.NewPCG(s.cfg.Seed, 7)), Patience: s.cfg.Patience,
		Broken: func(err error) {
			s.violation("a damaged file is refused well, or harms nobody", err.Error())
		}}
	faultErr := s.inject(ctx, world)
	loadErr := l.Stop()
	var broken *fault.BrokenError
	if errors.As(faultErr, &broken) {
		s.violation("the cluster becomes whole again", faultErr.Error())
	} else if err := errors.Join(faultErr, loadErr); err != nil {
		return err
	}
	return s.judge(ctx)
}

func (s *session) violation(oracle, detail string) {
	s.result.Violations = append(s.result.Violations, judge.Violation{Oracle: oracle, Detail: detail})
	s.log("VIOLATION %s: %s", oracle, detail)
}

// inject does the faults. It stops at the first that left something broken: what comes after it
// would say nothing.
func (s *session) inject(ctx context.Context, w *fault.World) error {
	w.Log("load runs; seed %d", s.cfg.Seed)
	time.Sleep(500 * time.Millisecond) // so that there is something to lose
	if s.cfg.Script != nil {
		return s.cfg.Script(ctx, w)
	}
	order := rand.New(rand.NewPCG(s.cfg.Seed, 5))
	list := shuffled(s.cfg.Counts, order)
	for i := 0; ctx.Err() == nil; i++ {
		var k fault.Kind
		switch {
		case s.cfg.Counts != nil && i == len(list):
			return nil
		case s.cfg.Counts != nil:
			k = list[i]
		case time.Since(s.began) > s.cfg.For:
			return nil
		default:
			k = draw(order)
		}
		if _, skipped := w.Tally.Skipped[k]; skipped {
			continue
		}
		var skip *fault.SkipError
		err := w.Do(ctx, k)
		if errors.As(err, &skip) {
			w.Tally.Skipped[k] = skip.Why
			w.Log("skipped: %v", err)
			continue
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// judge reads everything back and holds it against the history.
func (s *session) judge(ctx context.Context) error {
	ops := s.rec.Ops()
	r := s.result
	r.Ops = len(ops)
	for _, op := range ops {
		switch op.Outcome {
		case history.Done:
			r.Accepted++
		case history.Unknown:
			r.Unknown++
		}
	}
	if err := s.c.Fallen(); err != nil {
		s.violation("no node ends by itself", err.Error())
	}
	// The last short holds are due within three seconds; then a node must have ended them by itself.
	time.Sleep(4500 * time.Millisecond)
	readAt := time.Now().UnixMilli()
	limit := settleFor
	if s.cfg.Patience > 0 {
		limit = s.cfg.Patience
	}
	views, err := collect(ctx, s.c, limit)
	if err != nil {
		s.violation("every node can be read at the end, at one index", err.Error())
	}
	if len(views) > 0 {
		s.keep(views)
		for _, v := range judge.Judge(judge.Evidence{Ops: ops, Nodes: views, ReadAt: readAt}) {
			s.violation(v.Oracle, v.String())
		}
	}
	linear := judge.Linearizable(ops, s.cfg.Dir)
	r.Histories = linear.Histories
	for _, v := range linear.Violations {
		s.violation(v.Oracle, v.Detail)
	}
	return nil
}

// keep writes the events of each node beside the history, so that a verdict can be had again.
func (s *session) keep(views []judge.NodeView) {
	for _, v := range views {
		text, err := json.Marshal(v)
		if err == nil {
			err = os.WriteFile(filepath.Join(s.cfg.Dir, v.Name+".view.json"), text, 0o600)
		}
		if err != nil {
			s.log("the view of %s is not kept: %v", v.Name, err)
		}
	}
}
