package raftstore

import (
	"bytes"
	"context"
	"errors"

	"holdfast/engine"
)

// Record is a record as it is at one index. Its body is the caller's.
type Record struct {
	Table    uint8
	Key      string
	Version  uint64 // index of the entry that wrote it
	State    uint8
	Value    int64
	Expires  int64 // ms since 1970; 0 is never
	Archived bool  // it has left memory: conditions do not see it
	Body     []byte
}

const (
	// maxRecordsPage bounds one call of Records.
	maxRecordsPage = 1000
	// recordsSlice is how many records are looked up under one hold of the lock: some 30 µs.
	recordsSlice = 200
	// recordTries is how often a body is looked for anew when the record was written meanwhile.
	recordTries = 4
)

// Record returns the record under a key as this node has it at minIndex or later; ok is false when there
// is none. One that was archived is found too. It fails as Read does, or with *OverloadedError while its
// body has not come yet after an install, or cannot be read.
func (s *Store) Record(ctx context.Context, table uint8, key string, minIndex uint64) (
	r Record, ok bool, err error) {
	if err := s.reach(ctx, minIndex); err != nil {
		return r, false, err
	}
	return s.record(table, key)
}

// record is Record for the ledger as it is.
func (s *Store) record(table uint8, key string) (r Record, ok bool, err error) {
	row := rowKey(engine.BodyOfRecord, engine.RecordKey(table, key))
	for range recordTries {
		var head engine.RecordHead
		archived := int64(0)
		index, _, err := s.machine.look(func(l *engine.Ledger) bool {
			head, ok = l.Record(table, key)
			archived = l.Archived()
			return false
		})
		if err != nil {
			return r, false, s.asRead(err)
		}
		if !ok {
			return s.archivedRecord(row, index, archived > 0)
		}
		p, err := s.machine.bodies.Get(row, head.Version)
		if err == nil {
			r, _, err = openRecord(row, head.Version, p)
			return r, err == nil, s.recordFault(row, head.Version, err)
		}
		if !errors.Is(err, ErrNoBody) || !s.bodiesComplete() {
			return r, false, s.recordFault(row, head.Version, err)
		}
		// The record was written, and that version let go of, between the two looks.
	}
	return r, false, s.recordFault(row, 0, ErrNoBody)
}

// archivedRecord looks for what memory does not know at an index. While bodies are missing, those that
// are here may be of what was dropped since, so nothing is known. any says whether a record was ever
// archived. It fails as Record does.
func (s *Store) archivedRecord(row []byte, index uint64, any bool) (r Record, ok bool, err error) {
	if !any {
		return r, false, nil
	}
	if !s.bodiesComplete() {
		return r, false, bodiesBusy()
	}
	p, version, err := s.machine.bodies.Newest(row, index)
	if errors.Is(err, ErrNoBody) {
		return r, false, nil
	}
	if err == nil {
		r, r.Archived, err = openRecord(row, version, p)
	}
	if err != nil || !r.Archived {
		return Record{}, false, s.recordFault(row, version, err)
	}
	return r, true, nil
}

// recordFault is *OverloadedError for a body that cannot be had; nil stays nil. One that is damaged is
// said in the log; a full disk, which is said already, is not.
func (s *Store) recordFault(row []byte, version uint64, err error) error {
	if err == nil {
		return nil
	}
	full := errors.Is(err, ErrDiskFull)
	onItsWay := errors.Is(err, ErrNoBody) && s.machine.bodies.State().Missing != 0
	if !full && !onItsWay {
		s.log.Error("a body cannot be read", "record", string(row[2:]), "table", row[1],
			"version", version, "error", err)
	}
	return bodiesBusy()
}

var errNoRecord = errors.New("what is kept is no record")

// openRecord makes a record of its body, which it does not share; archive says whether the body outlives
// the record. It fails with errNoRecord.
func openRecord(row []byte, version uint64, p []byte) (r Record, archive bool, err error) {
	b, ok := engine.ReadRecordBody(p)
	if !ok {
		return Record{}, false, errNoRecord
	}
	return Record{Table: row[1], Key: string(row[2:]), Version: version, State: b.State,
		Value: b.Value, Expires: b.Expires, Body: bytes.Clone(b.Body)}, b.Archive, nil
}

// Records returns at most limit records of a table as this node has them, in the order of their keys:
// those that begin with prefix and come after after; more says that there are others. Limit is cut to
// 1,000. A record that is there during the whole call is found, as it was at some moment of it; those of
// one page are not of one moment. Archived ones are left out, but walked over: a table in which much is
// archived is no index of what is live. It fails as Record does.
func (s *Store) Records(ctx context.Context, table uint8, prefix, after string, limit int) (
	page []Record, more bool, err error) {
	limit = max(1, min(limit, maxRecordsPage))
	begin := rowKey(engine.BodyOfRecord, engine.RecordKey(table, prefix))
	from := rowKey(engine.BodyOfRecord, engine.RecordKey(table, after))
	for {
		if ctx.Err() != nil {
			return nil, false, s.asRead(context.Cause(ctx))
		}
		index := s.machine.applied.Load()
		if !s.bodiesComplete() {
			return nil, false, bodiesBusy()
		}
		rows, next, err := s.machine.bodies.List(begin, from, index, limit+1-len(page))
		if err != nil {
			return nil, false, s.recordFault(begin, index, err)
		}
		if page, err = s.liveRecords(page, rows); err != nil {
			return nil, false, err
		}
		switch {
		case len(page) > limit:
			return page[:limit], true, nil
		case next == nil:
			return page, false, nil
		}
		from = next
	}
}

// liveRecords appends the records of rows that memory knows, as it knows them. It fails as Record does.
func (s *Store) liveRecords(page []Record, rows []BodyRow) ([]Record, error) {
	versions := make([]uint64, len(rows)) // 0: it is not in memory
	for from := 0; from < len(rows); from += recordsSlice {
		_, _, err := s.machine.look(func(l *engine.Ledger) bool {
			for i := from; i < min(from+recordsSlice, len(rows)); i++ {
				head, _ := l.Record(rows[i].Key[1], string(rows[i].Key[2:]))
				versions[i] = head.Version
			}
			return false
		})
		if err != nil {
			return nil, s.asRead(err)
		}
	}
	for i, row := range rows {
		switch versions[i] {
		case 0:
		case row.Version:
			r, _, err := openRecord(row.Key, row.Version, row.Value)
			if err != nil {
				return nil, s.recordFault(row.Key, row.Version, err)
			}
			page = append(page, r)
		default: // written since
			r, ok, err := s.record(row.Key[1], string(row.Key[2:]))
			if err != nil {
				return nil, err
			}
			if ok && !r.Archived {
				page = append(page, r)
			}
		}
	}
	return page, nil
}
