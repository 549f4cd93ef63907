package raftstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"holdfast/engine"
)

// checkLog reads the raft log to its end, and holds it against VOTE and the newest good checkpoint.
func (c *folderCheck) checkLog(ctx context.Context) error {
	dir, path := filepath.Join(c.dir, logFolder), filepath.Join(c.dir, voteFileName)
	p := PartReport{Name: "log", Path: dir, stops: true}
	votes := PartReport{Name: "votes", Path: path, stops: true, Bytes: sizeOf(path)}
	// VOTE first: it is written last, so that a log that is read after it is not behind it.
	slot, half, voteErr := readVotes(path)
	if errors.Is(voteErr, os.ErrNotExist) {
		voteErr = damaged(path, "it is missing")
	}
	if half != nil {
		// A start goes on with the other slot, and writes this one anew.
		voteErr, votes.stops = damaged(path, "one of its slots has %v", half), false
	}
	list, err := readSegmentList(dir)
	if err == nil {
		err = list.strays(dir)
	}
	w := logWalk{dir: dir, live: c.report.InUse != "", verify: func(p []byte) error {
		_, err := engine.OpenEntry(p)
		return err
	}}
	if err == nil {
		w.found, err = w.walkLog(ctx, &list)
	}
	found := &w.found
	p.Bytes = found.bytes + sizeOf(filepath.Join(dir, segmentsFile))
	p.Detail = fmt.Sprintf("%d files, entries %d to %d, term %d",
		found.files, found.have.first, found.have.last, found.lastTerm())
	if found.cut {
		p.Detail += ", and a batch that was never acknowledged"
	}
	if err == nil {
		err = c.fitLog(&list, found, dir)
	}
	if c.untouched() {
		err, voteErr, p.Detail = nil, nil, "there is none yet"
	} else if voteErr == nil && err == nil {
		_, voteErr = checkVotes(dir, &list, path, slot.voteState, found)
	} else if half != nil && err == nil {
		_, lost := checkVotes(dir, &list, path, slot.voteState, found)
		votes.stops = lost != nil
	}
	if err := c.note(p, err); err != nil {
		return err
	}
	votes.Detail = fmt.Sprintf("term %d, vote in term %d for %q, log durable to entry %d",
		slot.term, slot.votedIn, slot.candidate, slot.mark)
	return c.note(votes, voteErr)
}

// untouched reports whether the node died before it opened its log for the first time.
func (c *folderCheck) untouched() bool {
	if c.newest != nil || len(c.current.Checkpoints) > 0 || c.identity.LetIn {
		return false
	}
	_, noVotes := os.Lstat(filepath.Join(c.dir, voteFileName))
	used, err := holdsSegments(filepath.Join(c.dir, logFolder))
	return errors.Is(noVotes, os.ErrNotExist) && !used && err == nil
}

// fitLog holds a log that was read against the newest good checkpoint, as a start does. It returns
// *LogGapError.
func (c *folderCheck) fitLog(list *segmentList, found *foundLog, dir string) error {
	s := LogState{First: found.have.first, Last: found.have.last,
		Term: func(index uint64) (uint64, error) { return found.term(index), nil }}
	if p := list.Stable[string(emptiedAtKey)]; len(p) == 8 {
		s.EmptiedAt = uint64Of(p)
	}
	var meta CheckpointMeta
	if c.newest != nil {
		meta = c.newest.meta()
	} else if len(c.current.Checkpoints) > 0 {
		return nil // none is good: it is not the log that does not fit
	}
	_, err := FitLog(s, meta, c.newest != nil, dir)
	return err
}

// checkEvents reads the event files up to where the newest good checkpoint vouches for them. What
// stands behind it is written again when the log is replayed.
func (c *folderCheck) checkEvents(context.Context) error {
	dir := filepath.Join(c.dir, eventFolder)
	p := PartReport{Name: "events", Path: dir, stops: true}
	var mark EventMark
	if c.newest != nil {
		mark = c.newest.meta().Events
	}
	if mark.Offset == 0 {
		p.Detail = "none that a checkpoint vouches for"
		return c.note(p, nil)
	}
	segments, missing, err := listSegments(dir)
	if err != nil {
		return c.note(p, err)
	}
	chain := segmentChain{dir: dir, mark: mark}
	err = chain.check(segments)
	p.Path = chain.path
	p.Bytes, p.stops = chain.bytes, chain.stops
	if c.newest.Installed {
		p.stops = false // a start fetches what is not as it must be from other members
	}
	p.Detail = fmt.Sprintf("%d files, events %d to %d", chain.files, chain.first, mark.Seq)
	if missing != nil {
		p.Detail += "; older ones were still being fetched from other members"
	}
	if err == nil {
		p.Path = dir
	}
	return c.note(p, err)
}

// segmentChain is a walk through the event files up to a mark.
type segmentChain struct {
	dir  string
	mark EventMark

	path  string // of the file that is wrong
	stops bool   // a start notices it; it reads only the newest file
	files int
	first uint64
	bytes int64
}

// check returns *CorruptError, which names the file, or an error of the file system.
func (e *segmentChain) check(segments []*segment) error {
	e.stops, e.path = true, segmentPath(e.dir, e.mark.Segment)
	var before *segment
	for _, s := range segments {
		if s.number > e.mark.Segment {
			break
		}
		e.path = s.path
		switch {
		case s.fault != nil:
			return s.fault
		case before == nil:
			e.first = s.from.first
		case s.number != before.number+1:
			e.path = segmentPath(e.dir, before.number+1)
			return damaged(e.path, "it is missing")
		case s.prevBytes != before.size:
			e.path = before.path
			return damaged(e.path, "it has %d bytes, want %d", before.size, s.prevBytes)
		}
		before = s
	}
	if before == nil || before.number != e.mark.Segment {
		e.path = segmentPath(e.dir, e.mark.Segment)
		return damaged(e.path, "it is missing")
	}
	if before.size < e.mark.Offset {
		return damaged(before.path, "it has %d bytes, the checkpoint has seen %d",
			before.size, e.mark.Offset)
	}
	return e.contents(segments)
}

// contents reads the files, the newest first: that is the one that a start reads.
func (e *segmentChain) contents(segments []*segment) error {
	at := 0
	for segments[at].number != e.mark.Segment {
		at++
	}
	end, last, sum := e.mark.Offset, e.mark.Seq, e.mark.Checksum
	for ; at >= 0; at-- {
		s := segments[at]
		e.path = s.path
		found, err := scanSegment(s, end, engineEvents)
		switch {
		case err != nil:
			return err
		case found.last != last || found.sum != sum:
			return damaged(s.path, "it ends with event %d and checksum %016x, want %d and %016x",
				found.last, found.sum, last, sum)
		}
		e.stops = false
		e.files++
		e.bytes += end
		end, last, sum = s.prevBytes, s.first-1, s.prevSum
	}
	return nil
}
