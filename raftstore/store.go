package raftstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Store is one node: its ledger, its disk and its part in the cluster. All methods are safe for
// concurrent use.
type Store struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	parts   parts
	machine *machine
	batcher *batcher
	peers   peerNet
	members members
	clock   clockWatch
	disk    diskWatch
	nodes   *directory
	gate    *gate // nil: the node took part before this start
	forming forming
	changes turn // one change of the members at a time

	running atomic.Pointer[raftRun] // see raft; nil before start
	intake  *intake                 // what every raft of this node is given to talk to the others
	reopens chan string             // one reason to give the node another raft, see runReopen

	fills      []*filler    // what other members give, see runFill; set by start
	stalled    atomic.Int64 // members that stand still, as this node sees it while it leads
	installing atomic.Bool  // a checkpoint of another node's is coming in

	following following
	settings  sync.Mutex // one change of raft's settings at a time
	began     time.Time

	lead    atomic.Pointer[leadership] // nil while another node leads, or none
	led     signal                     // lead changed, or its term was opened
	reads   atomic.Int64               // in flight
	backups atomic.Bool                // one is being taken
	watched atomic.Int64               // goroutines that wait for an answer of raft's
	leads   chan bool                  // raft's word on whether this node leads
	ticks   chan struct{}              // one token: look at the deadlines again

	ctx     context.Context // ends when the store stops serving
	cancel  context.CancelFunc
	closing <-chan struct{} // ctx.Done()
	dead    chan struct{}   // closed when the node must stop
	tasks   sync.WaitGroup  // goroutines that Run or its loops started
	quit    func() quitting // startQuit, the first time; set with raft

	mu struct {
		sync.Mutex
		fault  error // why the node must stop
		ran    chan struct{}
		closed bool
		quits  bool // no raft is started any more
	}
	closeOnce sync.Once
	closeErr  error
}

// Open takes the folder, loads the newest checkpoint, checks that the log fits it, and starts raft,
// which replays the log. Nothing is served before Run. It fails with the faults of c, with
// *LockedError, *ForeignFolderError, *ForeignClusterError, *CorruptError or *LogGapError, each of
// which names the file or folder, or with an error of the disk or the network; then nothing stays
// open.
func Open(c Config) (*Store, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := newStore(c)
	p, err := openParts(c, s)
	if err != nil {
		return nil, err
	}
	if err := s.start(p); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func newStore(c Config) *Store {
	s := &Store{
		cfg: c, log: c.Logger, nodes: newDirectory(c.Peers), began: time.Now(),
		leads: make(chan bool, 16), dead: make(chan struct{}), reopens: make(chan string, 1),
		changes: make(turn, 1),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.closing = s.ctx.Done()
	s.metrics = newMetrics(s)
	s.batcher = newBatcher(c, s.metrics)
	s.machine = &machine{
		batches: s.batcher, metrics: s.metrics, maxPending: maxPending, closing: s.closing, fail: s.fail,
		changed: make(chan struct{}, 1), grown: make(chan struct{}, 1),
		learnt: make(chan struct{}, 1), swept: make(chan struct{}, 1),
		skips: skipsOf(c), knows: c.applyVersion, log: c.Logger,
		leaving: make(chan struct{}, 1), dirty: make(chan struct{}, 1),
		purging: make(chan struct{}, 1),
	}
	s.machine.checkpointAt.Store(c.CheckpointBytes)
	s.disk.space = c.space
	s.machine.ending = s.raftEnding
	s.ticks = s.machine.changed
	s.members.init()
	return s
}

// start wires the parts, which belong to the store from here on, and starts raft.
func (s *Store) start(p parts) error {
	if err := s.guardRaft(&p); err != nil {
		return errors.Join(err, p.close())
	}
	s.parts, s.peers = p, p.peers
	s.machine.events, s.machine.checkpoints, s.machine.bodies = p.events, p.checkpoints, p.bodies
	if err := s.machine.adopt(p.ledger, p.meta); err != nil {
		return err
	}
	s.fills = []*filler{s.eventFill(), s.bodyFill()}
	conf := raftConfig(s.cfg, p.id, s.leads)
	if err := form(s.cfg, conf, &p); err != nil {
		return err
	}
	s.takeIn()
	if err := s.startRaft(s.began); err != nil {
		return err
	}
	s.quit = sync.OnceValue(s.startQuit)
	return s.metrics.register(s.cfg.Registerer)
}

// Run serves until ctx ends or the node must stop, and owns every goroutine of the store meanwhile.
// Afterwards every command is refused; those on their way have been answered, and when ctx has ended
// another node leads, if one could. Call it once, and Close soon after it: raft goes on until then,
// and may lead again without serving. It returns nil after ctx, else the reason for which the node
// must stop; then raft has left the cluster, and what the disk does not let go is left behind.
func (s *Store) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.mu.closed || s.mu.ran != nil {
		s.mu.Unlock()
		return errors.New("the store is closed or has run before")
	}
	ran := make(chan struct{})
	s.mu.ran = ran
	s.mu.Unlock()
	defer close(ran)

	loops, stop := context.WithCancel(ctx)
	defer stop()
	s.peers.Serve(s.handle)
	s.tasks.Go(s.runBatches)
	for _, loop := range []func(context.Context){
		s.runTerms, s.runTicks, s.runCheckpoints, s.runDetector, s.runMembers, s.runDisk,
		s.runReopen, s.runStandstill, s.runFill, s.runVersions, s.runFormation, s.runSteward,
		s.runRetire, s.runPurge, s.runBodies,
	} {
		s.tasks.Go(func() { loop(loops) })
	}
	select {
	case <-ctx.Done():
	case <-s.closing:
	case <-s.dead:
	}
	s.batcher.close()
	s.drain()
	if ctx.Err() != nil && s.fault() == nil {
		s.handOver()
	}
	s.cancel()
	stop()
	if s.fault() != nil {
		s.quit()
	}
	if !s.await(s.tasks.Wait) {
		return errors.Join(s.fault(), errHangs)
	}
	return s.fault()
}

// rememberCluster writes the cluster's id, once it is known, to the folder.
func (s *Store) rememberCluster() {
	id := s.machine.clusterID()
	if err := s.parts.identity.SetClusterID(hex.EncodeToString(id[:])); err != nil {
		s.fail(fmt.Errorf("remember the cluster's id: %w", err))
	}
}
