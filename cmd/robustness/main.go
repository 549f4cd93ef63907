package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"holdfast/cmd/internal/robustness"
	"holdfast/cmd/internal/robustness/fault"
)

// The exit statuses.
const (
	exitKept   = 0
	exitBroken = 1
	exitFailed = 2
)

func main() {
	if code, again := robustness.InNamespace(os.Args); again {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "robustness:", err)
	}
	os.Exit(code)
}

// options are the flags.
type options struct {
	seed    uint64
	minutes float64
	nodes   int
	profile string
	binary  string
	dir     string
	plain   bool
	keep    bool
	bugs    bool
	rounds  int
	only    string
	counts  map[fault.Kind]*int
}

func parse(args []string) (o options, err error) {
	fs := flag.NewFlagSet("robustness", flag.ContinueOnError)
	fs.Uint64Var(&o.seed, "seed", 0, "what everything is drawn from; 0 takes one from the clock")
	fs.Float64Var(&o.minutes, "minutes", 2, "how long faults go on when no counts are given")
	fs.IntVar(&o.nodes, "nodes", 3, "nodes of the cluster, 3 to 5")
	fs.StringVar(&o.profile, "profile", "", "full: the long run with a number of each kind of fault")
	fs.StringVar(&o.binary, "binary", "", "the holdfast command; empty builds the one of this tree")
	fs.StringVar(&o.dir, "dir", "", "work folder; empty makes one and deletes it when all was kept")
	fs.BoolVar(&o.plain, "plain", false, "plain folders, although file systems could be mounted")
	fs.BoolVar(&o.keep, "keep", false, "keep the work folder in any case")
	fs.BoolVar(&o.bugs, "bugs", false, "build each broken node and require that it is caught")
	fs.IntVar(&o.rounds, "rounds", 10, "with -bugs: how often each")
	fs.StringVar(&o.only, "only", "", "with -bugs: only this one")
	o.counts = map[fault.Kind]*int{}
	for kind, name := range map[fault.Kind]string{fault.Kill: "kills", fault.Restart: "restarts",
		fault.Pause: "pauses", fault.Transfer: "transfers", fault.Partition: "partitions",
		fault.PowerCut: "cuts", fault.Hang: "hangs", fault.Full: "fulls",
		fault.Mutation: "mutations", fault.Member: "members"} {
		o.counts[kind] = fs.Int(name, 0, "number of "+string(kind))
	}
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	if o.nodes < 3 || o.nodes > 5 {
		return o, fmt.Errorf("-nodes %d: want 3 to 5", o.nodes)
	}
	if o.profile != "" && o.profile != "full" {
		return o, fmt.Errorf("-profile %q: there is only full", o.profile)
	}
	return o, nil
}

// wanted is what is counted; nil when time ends the run.
func (o options) wanted() robustness.Counts {
	if o.profile == "full" {
		return robustness.FullCounts()
	}
	counts, any := robustness.Counts{}, false
	for kind, n := range o.counts {
		counts[kind] = *n
		any = any || *n > 0
	}
	if !any {
		return nil
	}
	return counts
}

func run(ctx context.Context, args []string) (code int, err error) {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return exitKept, nil
	}
	if err != nil {
		return exitFailed, err
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "holdfast-robustness-"); err != nil {
			return exitFailed, err
		}
	} else if err := os.MkdirAll(o.dir, 0o750); err != nil {
		return exitFailed, err
	}
	fmt.Printf("seed %d, evidence in %s\n", o.seed, o.dir)
	if o.bugs {
		return runBugs(ctx, o)
	}
	if o.binary == "" {
		o.binary = filepath.Join(o.dir, "holdfast")
		if err := robustness.Build(ctx, o.binary, ""); err != nil {
			return exitFailed, err
		}
	}
	r, err := robustness.Run(ctx, robustness.Config{Binary: o.binary, Dir: o.dir, Seed: o.seed,
		Nodes: o.nodes, Counts: o.wanted(), For: time.Duration(o.minutes * float64(time.Minute)),
		Plain: o.plain, Out: os.Stdout})
	r.Print(os.Stdout)
	switch {
	case err != nil:
		return exitFailed, fmt.Errorf("%w; seed %d, evidence in %s", err, o.seed, o.dir)
	case len(r.Violations) > 0:
		return exitBroken, fmt.Errorf("%d rules were broken; seed %d, evidence in %s",
			len(r.Violations), o.seed, o.dir)
	case !o.keep:
		return exitKept, os.RemoveAll(o.dir)
	}
	return exitKept, nil
}

func runBugs(ctx context.Context, o options) (code int, err error) {
	all, err := robustness.Bugs(ctx, o.dir, o.seed, o.rounds, o.only, os.Stdout)
	robustness.PrintCaught(os.Stdout, all)
	if err != nil {
		return exitFailed, err
	}
	for _, c := range all {
		if c.Missed() {
			return exitBroken, fmt.Errorf("%s was not caught every time, or a good build was; "+
				"evidence in %s", c.Bug.Tag, o.dir)
		}
	}
	if o.keep {
		return exitKept, nil
	}
	return exitKept, os.RemoveAll(o.dir)
}
