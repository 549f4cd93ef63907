package raftstore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/raft"

	"holdfast/engine"
)

// parts is what a store stands on: the real ones, or their twins in memory.
type parts struct {
	id          raft.ServerID
	log         Log
	checkpoints Checkpoints
	events      EventLog
	bodies      Bodies
	transport   serialTransport
	peers       peerNet
	ledger      *engine.Ledger // as the newest checkpoint has it
	meta        CheckpointMeta // of that checkpoint; zero when there is none
	identity    identityKeeper
	closers     []func() error // in the order in which the parts were opened
}

// close closes what is open, the last first. It returns all errors, joined.
func (p *parts) close() error {
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i]())
	}
	p.closers = nil
	return errors.Join(errs...)
}

// load takes the newest checkpoint, or an empty ledger. It fails as Checkpoints.Load.
func (p *parts) load() (has bool, err error) {
	p.ledger, p.meta, err = p.checkpoints.Load()
	if errors.Is(err, ErrNoCheckpoint) {
		p.ledger, p.meta = engine.New(engine.Options{}), CheckpointMeta{}
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("load the checkpoint: %w", err)
	}
	return true, nil
}

// openParts opens the real ones. It fails as Open does, with nothing left open.
func openParts(c Config, s *Store) (p parts, err error) {
	defer func() {
		if err != nil && c.Listener != nil {
			c.Listener.Close()
		}
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	guard, err := openGuard(c)
	if err != nil {
		return p, err
	}
	if s.disk.space == nil {
		s.disk.space = diskSpaceOf
	}
	space, err := p.openDisk(c, s)
	if err != nil {
		return p, err
	}
	marks := c.marks(space, p.meta.SizeBytes, p.bodies.Size())
	keepBallast(c.Dir, c.Ballast, space, marks.warn, c.Logger)
	ln := c.Listener
	if ln == nil {
		if ln, err = net.Listen("tcp", c.Raft); err != nil {
			return p, fmt.Errorf("peer port: %w", err)
		}
	}
	advertise := c.Advertise
	for _, peer := range c.Peers {
		if peer.Node == c.Node && advertise == "" {
			advertise = peer.Addr
		}
	}
	port := openPeerPort(guard.listener(ln), advertise, c.Node, s.introduce(p.identity), c.Logger)
	p.transport = newTCPTransport(port, c) // closes the port too
	p.peers = newTCPPeers(port)
	p.closers = append(p.closers, p.transport.Close, p.peers.Close)
	return p, nil
}

// openDisk opens what is in the data folder; space is what the disk had before.
func (p *parts) openDisk(c Config, s *Store) (space DiskSpace, err error) {
	folder, err := OpenFolder(c.Dir, c.Node)
	if err != nil {
		return space, err
	}
	p.id, p.identity = folder.RaftID(), folder
	p.closers = append(p.closers, folder.Close)
	if err := folder.keptVotes(); err != nil {
		return space, err
	}
	if space, err = s.disk.space(c.Dir); err != nil {
		return space, err
	}
	owner := func() Owner {
		i := folder.Identity()
		return Owner{ClusterID: i.ClusterID, Incarnation: i.Incarnation}
	}
	checkpoints, err := OpenCheckpoints(CheckpointConfig{
		Dir: folder.CheckpointDir(), Owner: owner, Logger: c.Logger, Spare: space.spare(),
	})
	if err != nil {
		return space, err
	}
	p.checkpoints = checkpoints
	p.closers = append(p.closers, checkpoints.Close)
	has, err := p.load()
	if err != nil {
		return space, err
	}
	if id := p.ledger.Limits().ClusterID; id != ([16]byte{}) {
		if err := folder.SetClusterID(hex.EncodeToString(id[:])); err != nil {
			return space, err
		}
	}
	log, err := OpenRaftLog(LogConfig{
		Dir: folder.LogDir(), Votes: folder.VotePath(), SegmentBytes: int(c.segmentOn(space)),
		Floor: checkpoints.Floor, Logger: c.Logger,
		Fatal:  func(what string, err error) { s.fail(fmt.Errorf("%s: %w", what, err)) },
		Stored: func(took time.Duration) { s.metrics.logStore.Observe(took.Seconds()) },
	})
	if err != nil {
		return space, err
	}
	p.log = log
	p.closers = append(p.closers, log.Close)
	if err := AlignLog(log, p.meta, has, folder.LogDir()); err != nil {
		return space, err
	}
	events, err := OpenEventLog(EventLogConfig{Dir: folder.EventDir(), Logger: c.Logger,
		SegmentBytes: space.fileBytes(eventSegmentBytes, 1<<20)})
	if err != nil {
		return space, err
	}
	p.events = events
	p.closers = append(p.closers, events.Close)
	bodies, err := OpenBodies(BodyConfig{Dir: folder.BodyDir(), Logger: c.Logger,
		Spare: space.spare()})
	if err != nil {
		return space, err
	}
	p.bodies = bodies
	p.closers = append(p.closers, bodies.Close)
	return space, nil
}
