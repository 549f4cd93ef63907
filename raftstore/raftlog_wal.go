package raftstore

import (
	"bytes"
	"errors"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/metadb"
	walfile "github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
)

// openWAL opens raft-wal: one file per segment, one sync per StoreLogs, and a small bbolt file for
// the list of segments and raft's votes. It recovers the tail after a crash by itself: what follows
// the last whole batch was never acknowledged.
//
// One crash it does not recover from, as of v0.4.1: between the write that seals a full segment and
// the change of the list, which comes a moment later in the background, also when Close comes in
// between. Every append then fails for ever. sealWatch notices, mendSeal finishes what was begun,
// and the second try opens.
func openWAL(c LogConfig) (closableLog, error) {
	logger := hclog.New(&hclog.LoggerOptions{
		Level: hclog.Warn, Output: warnWriter{c.Logger}, DisableTime: true,
	})
	for mended := false; ; mended = true {
		meta := &metadb.BoltMetaDB{}
		codec := &walCodec{}
		files := &logFiles{FS: fs.New()}
		watch := &sealWatch{SegmentFiler: walfile.NewFiler(c.Dir, files)}
		w, err := wal.Open(c.Dir, wal.WithSegmentSize(c.SegmentBytes), wal.WithLogger(logger),
			wal.WithMetaStore(meta), wal.WithSegmentFiler(watch), wal.WithCodec(codec))
		if err == nil {
			return walLog{WAL: w, codec: codec, files: files}, nil
		}
		if errors.Is(err, errSealedTail) && !mended {
			c.Logger.Warn("the raft log stopped in the middle of a change of file; mending it",
				"base_index", watch.tail.BaseIndex)
			err = mendSeal(c.Dir, meta, watch.tail)
		} else {
			mended = true
		}
		err = errors.Join(err, watch.closeReaders(), meta.Close())
		if err != nil || mended {
			return nil, err
		}
	}
}

var errSealedTail = errors.New("the newest segment of the raft log is sealed")

// sealWatch is raft-wal's own access to its files, but refuses a tail that cannot be appended to.
type sealWatch struct {
	types.SegmentFiler
	tail    types.SegmentInfo
	readers []io.Closer // wal.Open leaves them open when it fails
}

// RecoverTail fails with errSealedTail for a tail that is sealed, or seems to be.
func (s *sealWatch) RecoverTail(info types.SegmentInfo) (types.SegmentWriter, error) {
	w, err := s.SegmentFiler.RecoverTail(info)
	if err != nil {
		return nil, err
	}
	sealed, _, err := w.Sealed()
	if err == nil && sealed {
		s.tail, err = info, errSealedTail
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Open opens a segment for reading; it returns the errors of raft-wal.
func (s *sealWatch) Open(info types.SegmentInfo) (types.SegmentReader, error) {
	r, err := s.SegmentFiler.Open(info)
	if err == nil {
		s.readers = append(s.readers, r)
	}
	return r, err
}

func (s *sealWatch) closeReaders() error {
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
