package raftstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	walfs "github.com/hashicorp/raft-wal/fs"
	walfile "github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
)

// walLog is raft-wal with what it lacks: its files are read to their ends before it opens them, and
// term, vote and reach of the log are kept a second time, in VOTE.
type walLog struct {
	*wal.WAL
	codec *walCodec
	files *walFiles
	disk  *logFiles
	votes *voteFile
	found foundLog // as it was when it was opened
}

// openWAL opens the log in c.Dir: one file per segment, one sync per StoreLogs, a list of the files.
// It reads every byte first. What follows the last whole batch of the newest file was never
// acknowledged and is cut off; anything else that is not as it was written refuses to open.
//
// It returns *CorruptError or *LogLostError, each of which names the file, or an error of raft-wal or
// the file system.
func openWAL(c LogConfig) (closableLog, error) {
	votes, meta, err := openLogFiles(c)
	if err != nil {
		return nil, err
	}
	found, err := readLog(c, votes, meta)
	if err != nil {
		return nil, errors.Join(err, votes.close())
	}
	logger := hclog.New(&hclog.LoggerOptions{
		Level: hclog.Warn, Output: warnWriter{c.Logger}, DisableTime: true,
	})
	codec := &walCodec{}
	disk := &logFiles{FS: walfs.New()}
	files := &walFiles{SegmentFiler: walfile.NewFiler(c.Dir, syncedFiles(disk))}
	w, err := wal.Open(c.Dir, wal.WithSegmentSize(c.SegmentBytes), wal.WithLogger(logger),
		wal.WithMetaStore(meta), wal.WithSegmentFiler(files), wal.WithCodec(codec))
	if err != nil {
		return nil, errors.Join(err, files.closeReaders(), votes.close())
	}
	l := walLog{WAL: w, codec: codec, files: files, disk: disk, votes: votes, found: found}
	if have, err := logRange(w); err != nil || have != found.have {
		err = errors.Join(err, damaged(c.Dir, "it has entries %d to %d, raft-wal finds %d to %d",
			found.have.first, found.have.last, have.first, have.last))
		return nil, errors.Join(err, w.Close(), votes.close())
	}
	return l, nil
}

// openLogFiles opens VOTE and SEGMENTS, or makes them for a log that was never used. VOTE comes first,
// so that a log without it has lost it. A crash in between leaves a VOTE that says nothing.
func openLogFiles(c LogConfig) (*voteFile, *metaFile, error) {
	used, err := holdsSegments(c.Dir)
	if err != nil {
		return nil, nil, err
	}
	votes, half, err := openVotes(c.Votes)
	if errors.Is(err, fs.ErrNotExist) {
		if used {
			return nil, nil, damaged(c.Votes, "it is missing, but there is a log in %s", c.Dir)
		}
		if err := CreateVotes(c.Votes); err != nil {
			return nil, nil, fmt.Errorf("make %s: %w", c.Votes, err)
		}
		votes, half, err = openVotes(c.Votes)
	}
	if err != nil {
		return nil, nil, err
	}
	meta, err := openMetaFile(c.Dir, !used && votes.state() == voteState{})
	if err == nil && half != nil {
		c.Logger.Warn("one of two slots is damaged, the other is used", "file", c.Votes, "fault", half)
		err = votes.renew()
	}
	if err != nil {
		return nil, nil, errors.Join(err, votes.close())
	}
	return votes, meta, nil
}

// readLog reads every file of the log, holds it against VOTE, and mends its end. Afterwards VOTE says
// what the log says. It fails as openWAL does.
func readLog(c LogConfig, votes *voteFile, meta *metaFile) (foundLog, error) {
	list := &meta.mu.list // nobody else has it yet
	if err := list.strays(c.Dir); err != nil {
		return foundLog{}, err
	}
	w := logWalk{dir: c.Dir, verify: c.Verify}
	found, err := w.walkLog(context.Background(), list)
	if err != nil {
		return found, err
	}
	kept, err := checkVotes(c.Dir, list, votes.path, votes.state(), &found)
	if err != nil {
		return found, err
	}
	if found.cut {
		c.Logger.Warn("the raft log ends in a batch that was never acknowledged; cutting it off",
			"last_index", found.have.last)
	}
	if err := mendTail(c.Dir, meta, &found); err != nil {
		return found, err
	}
	return found, votes.update(func(s *voteState) {
		kept.mark = found.have.last
		*s = kept
	})
}

// StoreLogs stores entries. With the first ones in a new file it notes in VOTE how far the log
// reaches. It fails as raft-wal or VOTE does.
func (w walLog) StoreLogs(logs []*raft.Log) error {
	w.codec.begin(logs)
	if err := w.WAL.StoreLogs(logs); err != nil || len(logs) == 0 {
		return w.disk.explain(err)
	}
	last := logs[len(logs)-1].Index
	// raft-wal makes the next file in the background: it may be there already, and not be used yet.
	base := w.files.unmarked.Load()
	if base == 0 || last < base || !w.files.unmarked.CompareAndSwap(base, 0) {
		return nil
	}
	return w.votes.update(func(s *voteState) { s.mark = last })
}

// Mark notes in VOTE that the log reaches its last entry; not beside StoreLogs or DeleteRange. It
// fails as raft-wal or VOTE does.
func (w walLog) Mark() error {
	last, err := w.LastIndex()
	if err != nil {
		return err
	}
	return w.votes.update(func(s *voteState) { s.mark = last })
}

// DeleteRange deletes entries at one end. Where that moves the end of the log, the mark in VOTE goes
// first: a crash in between leaves a mark that says less than it could. It fails as raft-wal or VOTE
// does.
func (w walLog) DeleteRange(first, last uint64) error {
	have, err := logRange(w.WAL)
	if err != nil {
		return err
	}
	if last >= have.last && first <= have.last {
		err := w.votes.update(func(s *voteState) {
			if first <= have.first {
				s.mark = 0
			}
			s.mark = min(s.mark, first-1)
		})
		if err != nil {
			return err
		}
	}
	return w.WAL.DeleteRange(first, last)
}

// Set stores a value in both places; SEGMENTS is first. A crash in between leaves it one call ahead
// of VOTE, which the next start knows to be in order; the other way round could not be told from a
// vote that was forgotten. It fails as raft-wal or VOTE does.
func (w walLog) Set(key, value []byte) error {
	if err := w.WAL.Set(key, value); err != nil {
		return err
	}
	return w.votes.update(func(s *voteState) { s.take(string(key), value) })
}

// SetUint64 stores a number; it fails as Set does.
func (w walLog) SetUint64(key []byte, n uint64) error { return w.Set(key, uint64Bytes(n)) }

// Close closes the files; raft has stopped. It fails as raft-wal does.
func (w walLog) Close() error { return errors.Join(w.WAL.Close(), w.votes.close()) }

// walFiles is raft-wal's own access to its files, and knows the newest.
type walFiles struct {
	types.SegmentFiler
	unmarked atomic.Uint64 // first index of a file of which VOTE knows nothing yet; 0 is none
	readers  []io.Closer   // wal.Open leaves them open when it fails
}

// Create makes a file; it returns the errors of raft-wal.
func (s *walFiles) Create(info types.SegmentInfo) (types.SegmentWriter, error) {
	w, err := s.SegmentFiler.Create(info)
	if err == nil {
		s.unmarked.Store(info.BaseIndex)
	}
	return w, err
}

// RecoverTail opens the newest file for writing; it returns the errors of raft-wal. One that has no
// entry yet, since the process died behind Create, is as new as one that was just made.
func (s *walFiles) RecoverTail(info types.SegmentInfo) (types.SegmentWriter, error) {
	w, err := s.SegmentFiler.RecoverTail(info)
	if err == nil {
		s.readers = append(s.readers, w)
		if w.LastIndex() == 0 {
			s.unmarked.Store(info.BaseIndex)
		}
	}
	return w, err
}

// Open opens a file for reading; it returns the errors of raft-wal.
func (s *walFiles) Open(info types.SegmentInfo) (types.SegmentReader, error) {
	r, err := s.SegmentFiler.Open(info)
	if err == nil {
		s.readers = append(s.readers, r)
	}
	return r, err
}

func (s *walFiles) closeReaders() error {
	var err error
	for _, r := range s.readers {
		err = errors.Join(err, r.Close())
	}
	return err
}

// warnWriter passes the lines of a library's own logger on as warnings.
type warnWriter struct{ log *slog.Logger }

// Write logs one line; the error is nil.
func (w warnWriter) Write(line []byte) (int, error) {
	w.log.Warn("raft log files", "line", string(bytes.TrimSpace(line)))
	return len(line), nil
}
