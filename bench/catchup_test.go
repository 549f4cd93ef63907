package bench

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
	"holdfast/raftstore"
)

// What the others go on doing while one node catches up: reserves at a fixed rate, far below what
// the nodes can do, so that waiting is what they do to each other and not what the load does.
const (
	catchUpRate    = 2000 // reserves a second, one a command
	catchUpSenders = 64
	catchUpHolds   = 300_000          // what an install carries, and what is done meanwhile
	catchUpQuiet   = 10 * time.Second // of each phase before
	catchUpSettle  = 5 * time.Second  // for checkpoints and the disk, before a phase
)

var (
	catchUpDir = flag.String("catchup.dir", "",
		"folder for the files of the node that returns: a disk of its own")
	catchUpApart = flag.Bool("catchup.apart", false,
		"the node that returns is a process of its own, behind the others (nice 19)")
	catchUpSlow = flag.Bool("catchup.slow", false,
		"print when reserves took more than 5 ms, and what the nodes say")
)

// BenchmarkCatchUp keeps one of three nodes away for longer than the log reaches and lets it back
// under load. It reports how long a reserve took the others from the moment at which it was due:
// with all three, with two, and while the third is sent a checkpoint, and of each the worst second.
// An op is one such return.
//
// What a real cluster does not share, the three share here: two cores, one heap with its collector,
// and one disk with one journal, on which each sync waits for what the others have written. The
// flags take that away from the node that returns.
func BenchmarkCatchUp(b *testing.B) {
	for b.Loop() {
		catchUp(b)
	}
}

func catchUp(b *testing.B) {
	nodes := startAll(b, 3)
	leader := leaderOf(b, nodes)
	if leader == nodes[0] { // which is to go away
		require.NoError(b, leader.store.TransferLeadership(b.Context(), nodes[1].conf.Node))
		leader = leaderOf(b, nodes)
	}
	w := &world{channel: "web"}
	for i := range 10_000 {
		w.skus = append(w.skus, engine.Name(fmt.Sprintf("SKU-%07d", i)))
	}
	define(b, leader.store, w.skus)
	p := &pacedLoad{world: w, store: leader.store}
	p.fill(b, catchUpHolds)
	settle(b, nodes...)

	all := p.during(b, catchUpQuiet, nil)
	away, stays := nodes[0], nodes[1]
	if stays == leader {
		stays = nodes[2]
	}
	away.stop(b)
	two := p.during(b, catchUpQuiet, nil)
	for range 3 { // the log is cut behind the older of two checkpoints
		p.fill(b, 40*entryOps)
		require.NoError(b, leader.store.Checkpoint(b.Context()))
	}
	settle(b, leader, stays)
	began := time.Now()
	var took time.Duration
	started := false
	back := p.during(b, 0, func() bool {
		if !started {
			started = true
			away.comeBack(b)
		}
		if took == 0 && caughtUp(leader, away.conf.Node) {
			took = time.Since(began)
		}
		return took != 0
	})
	b.ReportMetric(all.p99, "ms-p99-three")
	b.ReportMetric(two.p99, "ms-p99-two")
	b.ReportMetric(back.p99, "ms-p99-back")
	b.ReportMetric(two.worst, "ms-worst-s-two")
	b.ReportMetric(back.worst, "ms-worst-s-back")
	b.ReportMetric(back.p99/two.p99, "back/two")
	b.ReportMetric(took.Seconds(), "s-to-healthy")
	away.left(b)
	leader.stop(b)
	stays.stop(b)
}

// settle has the nodes write a checkpoint one after the other, so that none begins one in the phase
// that follows, and leaves the disk alone for a while.
func settle(b *testing.B, nodes ...*benchNode) {
	for _, n := range nodes {
		require.NoError(b, n.store.Checkpoint(b.Context()))
	}
	time.Sleep(catchUpSettle)
}

// caughtUp reports whether node has all that it must have, and its vote, as the leader knows it. What
// the leader knows is up to a second old.
func caughtUp(leader *benchNode, node string) bool {
	return slices.ContainsFunc(leader.store.Status().Members, func(m raftstore.Member) bool {
		return m.ID == node && m.Healthy && m.Voter && m.Lag < catchUpRate
	})
}

// benchNode is a node that can be stopped and started again.
type benchNode struct {
	conf  raftstore.Config
	store *raftstore.Store
	ran   chan error
	said  words

	child *exec.Cmd      // it runs in a process of its own
	ends  io.WriteCloser // ends that
}

func startAll(b *testing.B, count int) (nodes []*benchNode) {
	var peers []raftstore.Peer
	for i := range count {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(b, err)
		n := &benchNode{conf: raftstore.Config{
			Node: fmt.Sprintf("n%d", i+1), Dir: b.TempDir(), Raft: ln.Addr().String(),
			CheckpointBytes: 4 << 20, // so that the log is short
		}}
		if i == 0 && *catchUpDir != "" {
			n.conf.Dir, err = os.MkdirTemp(*catchUpDir, "catchup-")
			require.NoError(b, err)
			b.Cleanup(func() { require.NoError(b, os.RemoveAll(n.conf.Dir)) })
		}
		n.conf.Logger = slog.New(slog.NewTextHandler(&n.said, nil)).With("node", n.conf.Node)
		require.NoError(b, ln.Close())
		peers = append(peers, raftstore.Peer{Node: n.conf.Node, Addr: n.conf.Raft})
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		n.conf.Peers = peers
		n.start(b)
	}
	return nodes
}

func (n *benchNode) start(b *testing.B) {
	var err error
	n.store, err = raftstore.Open(n.conf)
	require.NoError(b, err)
	n.ran = make(chan error, 1)
	s, ran := n.store, n.ran
	go func() { ran <- s.Run(b.Context()) }()
}

func (n *benchNode) stop(b *testing.B) {
	require.NoError(b, n.store.Close())
	<-n.ran
	n.store = nil
}

// comeBack starts a node again that was away, where catchUpApart says.
func (n *benchNode) comeBack(b *testing.B) {
	if !*catchUpApart {
		n.start(b)
		return
	}
	text, err := json.Marshal(childNode{n.conf.Node, n.conf.Dir, n.conf.Raft, n.conf.Peers,
		n.conf.CheckpointBytes})
	require.NoError(b, err)
	n.child = exec.Command("nice", "-n", "19", os.Args[0], "-test.run", "^TestCatchUpChild$")
	n.child.Env = append(os.Environ(), childEnv+"="+string(text))
	n.child.Stderr = &n.said
	n.ends, err = n.child.StdinPipe()
	require.NoError(b, err)
	require.NoError(b, n.child.Start())
}

// left ends a node that came back, which must have been sent a checkpoint.
func (n *benchNode) left(b *testing.B) {
	if n.child != nil {
		require.NoError(b, n.ends.Close())
		require.NoError(b, n.child.Wait())
	} else {
		n.stop(b)
	}
	require.Contains(b, n.said.String(), "a checkpoint is being installed")
}

// words is what nodes log.
type words struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write also prints p if catchUpSlow says so.
func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if *catchUpSlow {
		os.Stderr.Write(p)
	}
	return w.text.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// childEnv holds the childNode that a process of its own is to be.
const childEnv = "HOLDFAST_BENCH_NODE"

type childNode struct {
	Node, Dir, Raft string
	Peers           []raftstore.Peer
	CheckpointBytes int64
}

// TestCatchUpChild is the node that returns, for BenchmarkCatchUp, until its input ends.
func TestCatchUpChild(t *testing.T) {
	text := os.Getenv(childEnv)
	if text == "" {
		t.Skip("it is no process of a benchmark's")
	}
	var c childNode
	require.NoError(t, json.Unmarshal([]byte(text), &c))
	s, err := raftstore.Open(raftstore.Config{Node: c.Node, Dir: c.Dir, Raft: c.Raft,
		Peers: c.Peers, CheckpointBytes: c.CheckpointBytes,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)).With("node", c.Node)})
	require.NoError(t, err)
	ran := make(chan error, 1)
	go func() { ran <- s.Run(t.Context()) }()
	_, err = io.Copy(io.Discard, os.Stdin)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	<-ran
}

func leaderOf(b *testing.B, nodes []*benchNode) (leader *benchNode) {
	require.Eventually(b, func() bool {
		ready := 0
		for _, n := range nodes {
			if serves(n.store, n.conf.Node) {
				leader = n
			}
			if healthy(n) {
				ready++
			}
		}
		return leader != nil && ready == len(nodes)
	}, 20*time.Second, 10*time.Millisecond)
	return leader
}

// healthy reports whether a node has all that it must have, and its vote.
func healthy(n *benchNode) bool {
	return slices.ContainsFunc(n.store.Status().Members, func(m raftstore.Member) bool {
		return m.ID == n.conf.Node && m.Healthy && m.Voter
	})
}

// pacedLoad sends reserves at a fixed rate.
type pacedLoad struct {
	world *world
	store *raftstore.Store
	next  int // number of the next order
}

// fill makes holds at full speed.
func (p *pacedLoad) fill(b *testing.B, holds int) {
	for end := p.next + holds; p.next < end; p.next += entryOps {
		var ops []engine.Op
		for i := range entryOps {
			ops = append(ops, p.world.reserve(p.next+i))
		}
		submit(b, p.store, ops)
	}
}

// sample is one reserve: when it was due since the phase began, and when it was answered after that.
type sample struct{ due, took time.Duration }

// phase is what a phase was like for those who sent, in ms.
type phase struct {
	p99   float64
	worst float64 // the p99 of its worst second
}

// during sends for d, or until done.
func (p *pacedLoad) during(b *testing.B, d time.Duration, done func() bool) phase {
	stop := make(chan struct{})
	took := make([][]sample, catchUpSenders)
	began := time.Now()
	var wg sync.WaitGroup
	for c := range catchUpSenders {
		wg.Go(func() {
			for i := c; ; i += catchUpSenders {
				due := time.Duration(i) * time.Second / catchUpRate
				select {
				case <-stop:
					return
				case <-time.After(due - time.Since(began)):
				}
				r, err := p.store.Submit(b.Context(), p.world.reserve(p.next+i))
				if err != nil || r.Refusal != engine.Accepted {
					b.Errorf("reserve: %v, %v", r.Refusal, err)
				}
				took[c] = append(took[c], sample{due, time.Since(began) - due})
			}
		})
	}
	if done == nil {
		time.Sleep(d)
	} else {
		require.Eventually(b, done, time.Minute, 5*time.Millisecond)
	}
	close(stop)
	wg.Wait()
	all := slices.Concat(took...)
	p.next += 2*len(all) + catchUpSenders*catchUpSenders
	if *catchUpSlow {
		printSlow(began, all)
	}
	return phaseOf(all)
}

func phaseOf(all []sample) phase {
	seconds := map[time.Duration][]time.Duration{}
	var took []time.Duration
	for _, s := range all {
		at := s.due.Truncate(time.Second)
		seconds[at] = append(seconds[at], s.took)
		took = append(took, s.took)
	}
	f := phase{p99: quantile(took, 0.99)}
	for _, of := range seconds {
		if len(of) >= catchUpRate/2 { // else the phase ended in it
			f.worst = max(f.worst, quantile(of, 0.99))
		}
	}
	return f
}

// quantile sorts took and returns its quantile q in ms.
func quantile(took []time.Duration, q float64) float64 {
	slices.Sort(took)
	return float64(took[min(len(took)-1, int(q*float64(len(took))))].Microseconds()) / 1000
}

// printSlow prints when reserves took more than 5 ms.
func printSlow(began time.Time, all []sample) {
	slices.SortFunc(all, func(a, b sample) int { return cmp.Compare(a.due, b.due) })
	slow := slices.DeleteFunc(slices.Clone(all), func(s sample) bool {
		return s.took < 5*time.Millisecond
	})
	const clock = "04:05.000"
	fmt.Fprintf(os.Stderr, "a phase from %s with %d reserves, %d of them slow\n",
		began.Format(clock), len(all), len(slow))
	for len(slow) > 0 {
		first, end, worst, n := slow[0], time.Duration(0), time.Duration(0), 0
		for len(slow) > 0 && (n == 0 || slow[0].due <= end) {
			end, worst = max(end, slow[0].due+slow[0].took), max(worst, slow[0].took)
			slow, n = slow[1:], n+1
		}
		fmt.Fprintf(os.Stderr, "slow from %s to %s: %d, the slowest %v\n",
			began.Add(first.due).Format(clock), began.Add(end).Format(clock), n, worst)
	}
}
