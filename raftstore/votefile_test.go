package raftstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// votedLog makes a log of 30 entries in batches of 10, of term 5, with a vote, and closes it.
func votedLog(t *testing.T) (c LogConfig, votes string) {
	t.Helper()
	c = testLogConfig(t, t.TempDir())
	l := openTestLog(t, c)
	require.NoError(t, l.SetUint64([]byte(keyTerm), 5))
	require.NoError(t, l.SetUint64([]byte(keyVotedIn), 5))
	require.NoError(t, l.Set([]byte(keyCandidate), []byte("n2")))
	for i := uint64(1); i <= 30; i += 10 {
		storeRange(t, l, i, i+9, 5)
	}
	require.NoError(t, l.Close())
	return c, filepath.Join(c.Dir, voteFileName)
}

// refusesLog opens a log that must be refused, with an error that names file.
func refusesLog(t *testing.T, c LogConfig, file, why string) {
	t.Helper()
	l, err := OpenRaftLog(c)
	if err == nil {
		require.NoError(t, l.Close())
	}
	var corrupt *CorruptError
	var lost *LogLostError
	switch {
	case errors.As(err, &corrupt):
		require.Equal(t, file, corrupt.File, "%v", err)
	case errors.As(err, &lost):
		require.Equal(t, file, lost.File, "%v", err)
	default:
		t.Fatalf("want a refusal that names %s, got %v", file, err)
	}
	require.ErrorContains(t, err, why)
}

func TestVotesSurviveTheLossOfEitherSlot(t *testing.T) {
	t.Parallel()
	for slot := range int64(2) {
		c, votes := votedLog(t)
		flipByte(t, votes, slot*voteSlotBytes+30)
		l := openTestLog(t, c)
		term, err := l.GetUint64([]byte(keyTerm))
		require.NoError(t, err)
		require.EqualValues(t, 5, term)
		require.NoError(t, l.Close())
		newest, half, err := readVotes(votes)
		require.NoError(t, err)
		require.NoError(t, half, "the start has written it again")
		require.Equal(t, voteState{term: 5, votedIn: 5, candidate: "n2", mark: 30}, newest.voteState)
	}
}

func TestDamagedVotesAreRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]func(t *testing.T, path string){
		"both slots": func(t *testing.T, path string) {
			flipByte(t, path, 30)
			flipByte(t, path, voteSlotBytes+30)
		},
		"missing":  func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"too long": func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 9000)) },
		"too short": func(t *testing.T, path string) {
			require.NoError(t, os.Truncate(path, voteFileLength-1))
		},
		"one slot twice": func(t *testing.T, path string) {
			p, err := os.ReadFile(path)
			require.NoError(t, err)
			copy(p[voteSlotBytes:], p[:voteSlotBytes])
			require.NoError(t, os.WriteFile(path, p, 0o600))
		},
		"of another time": func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, CreateVotes(path))
		},
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, votes := votedLog(t)
			spoil(t, votes)
			refusesLog(t, c, votes, "")
		})
	}
}

// TestALogBehindItsVotesIsRefused puts the list back as it was before the last change of a key, of
// two, and the files as they were before the last batch.
func TestALogBehindItsVotesIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("vote", func(t *testing.T) {
		t.Parallel()
		c, votes := votedLog(t)
		older := copyTree(t, c.Dir)
		l := openTestLog(t, c)
		require.NoError(t, l.SetUint64([]byte(keyVotedIn), 6))
		require.NoError(t, l.Close())
		putBack(t, older, c.Dir, segmentsFile)
		refusesLog(t, c, votes, "voted in term 6")
	})
	t.Run("term", func(t *testing.T) {
		t.Parallel()
		c, votes := votedLog(t)
		older := copyTree(t, c.Dir)
		l := openTestLog(t, c)
		require.NoError(t, l.SetUint64([]byte(keyTerm), 6))
		require.NoError(t, l.Close())
		putBack(t, older, c.Dir, segmentsFile)
		refusesLog(t, c, votes, "in term 6")
	})
	t.Run("entries", func(t *testing.T) {
		t.Parallel()
		c, votes := votedLog(t)
		older := copyTree(t, c.Dir)
		l := openTestLog(t, c)
		storeRange(t, l, 31, 40, 5)
		require.NoError(t, l.Close())
		putBack(t, older, c.Dir, segmentName(1, 0))
		refusesLog(t, c, votes, "entry 40 was durable, and the log ends at 30")
	})
	t.Run("votes", func(t *testing.T) {
		t.Parallel()
		c, votes := votedLog(t)
		older := copyTree(t, c.Dir)
		l := openTestLog(t, c)
		require.NoError(t, l.SetUint64([]byte(keyVotedIn), 6))
		require.NoError(t, l.Set([]byte(keyCandidate), []byte("n3")))
		require.NoError(t, l.Close())
		putBack(t, older, c.Dir, voteFileName)
		refusesLog(t, c, votes, `vote 5 for "n2", the log 5 and 6 for "n3"`)
	})
}

func putBack(t *testing.T, from, to, name string) {
	t.Helper()
	p, err := os.ReadFile(filepath.Join(from, name))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(to, name), p, 0o600))
}

// TestVotesMayBeOneKeyBehind stands for a crash between the two places: what was never answered holds.
func TestVotesMayBeOneKeyBehind(t *testing.T) {
	t.Parallel()
	for key, value := range map[string][]byte{
		keyTerm: uint64Bytes(9), keyVotedIn: uint64Bytes(9), keyCandidate: []byte("n9"),
	} {
		c, votes := votedLog(t)
		list, err := openMetaFile(c.Dir, false)
		require.NoError(t, err)
		require.NoError(t, list.SetStable([]byte(key), value))
		l := openTestLog(t, c)
		got, err := l.Get([]byte(key))
		require.NoError(t, err)
		assert.Equal(t, value, got)
		require.NoError(t, l.Close())
		newest, _, err := readVotes(votes)
		require.NoError(t, err)
		want := voteState{term: 5, votedIn: 5, candidate: "n2", mark: 30}
		want.take(key, value)
		assert.Equal(t, want, newest.voteState)
	}
}

// TestAVoteNeedsNoSpace looks at what a full disk would be asked for: two files of whole blocks take
// turns, so nothing new.
func TestAVoteNeedsNoSpace(t *testing.T) {
	t.Parallel()
	c, votes := votedLog(t)
	l := openTestLog(t, c)
	path := filepath.Join(c.Dir, segmentsFile)
	var before, between, after os.FileInfo
	for i, info := range []*os.FileInfo{&before, &between, &after} {
		require.NoError(t, l.SetUint64([]byte(keyTerm), uint64(10+i)))
		var err error
		*info, err = os.Stat(path)
		require.NoError(t, err)
		require.EqualValues(t, segmentsBlock, (*info).Size())
		list, err := readSegmentList(c.Dir)
		require.NoError(t, err)
		require.EqualValues(t, 10+i, list.votes().term)
	}
	require.True(t, os.SameFile(before, after))
	require.False(t, os.SameFile(before, between))
	require.EqualValues(t, voteFileLength, sizeOf(votes))
}

// TestSegmentsIsWrittenBeforeVotes fails the second of the two writes. A start takes what the first
// has: the other way round it could not be told from a vote that was forgotten.
func TestSegmentsIsWrittenBeforeVotes(t *testing.T) {
	t.Parallel()
	c, _ := votedLog(t)
	l, err := OpenRaftLog(c)
	require.NoError(t, err)
	l.inner.(walLog).votes.file.Close() // so that nothing of it is written
	require.Error(t, l.SetUint64([]byte(keyTerm), 6))
	require.Error(t, l.SetUint64([]byte(keyTerm), 7), "it has failed")
	_ = l.Close()
	l = openTestLog(t, c)
	term, err := l.GetUint64([]byte(keyTerm))
	require.NoError(t, err)
	require.EqualValues(t, 6, term)
}

// TestTheMarkFollowsTheLog looks at the mark as the log grows, loses its end and is emptied, and
// then opens what a crash at that moment leaves.
func TestTheMarkFollowsTheLog(t *testing.T) {
	t.Parallel()
	c := testLogConfig(t, t.TempDir())
	l := openTestLog(t, c)
	mark := func(want uint64, what string) {
		t.Helper()
		newest, _, err := readVotes(filepath.Join(c.Dir, voteFileName))
		require.NoError(t, err)
		require.Equal(t, want, newest.mark, what)
		crashed := c
		crashed.Dir = copyTree(t, c.Dir)
		again, err := OpenRaftLog(crashed)
		require.NoError(t, err, what)
		require.NoError(t, again.Close())
	}
	mark(0, "empty")
	storeRange(t, l, 1, 10, 1)
	mark(10, "the first batch of a file")
	storeRange(t, l, 11, 20, 1)
	mark(10, "the next is not worth a sync")
	require.NoError(t, l.Mark())
	mark(20, "a checkpoint")
	require.NoError(t, l.DeleteRange(1, 5))
	mark(20, "a prefix")
	require.NoError(t, l.DeleteRange(16, 20))
	mark(15, "a suffix")
	storeRange(t, l, 16, 18, 2)
	mark(18, "raft-wal has begun a new file")
	require.NoError(t, l.DeleteRange(1, 18))
	mark(0, "all")
	storeRange(t, l, 100, 110, 3)
	mark(110, "begun anew")
	storeRange(t, l, 111, 120, 3)
	require.NoError(t, l.Close())
	mark(120, "a stop in order")

	for l = openTestLog(t, c); ; { // until the file changes
		last, err := l.LastIndex()
		require.NoError(t, err)
		storeRange(t, l, last+1, last+50, 3)
		newest, _, err := readVotes(filepath.Join(c.Dir, voteFileName))
		require.NoError(t, err)
		if newest.mark != 120 {
			require.Equal(t, last+50, newest.mark)
			break
		}
	}
}

// TestTheMarkGoesDownFirst fails the write of VOTE at a truncation: the entries must still be there.
func TestTheMarkGoesDownFirst(t *testing.T) {
	t.Parallel()
	c, _ := votedLog(t)
	disk := errors.New("input/output error")
	var fatal []error
	c.Fatal = func(_ string, err error) { fatal = append(fatal, err) }
	for _, call := range []func(l *RaftLog) error{
		func(l *RaftLog) error { return l.DeleteRange(21, 30) },
		func(l *RaftLog) error { return l.SetUint64([]byte(keyTerm), 6) },
		func(l *RaftLog) error {
			storeRange(t, l, 31, 31, 5)
			return l.Mark()
		},
	} {
		fatal = nil
		copied := c
		copied.Dir = copyTree(t, c.Dir)
		l, err := OpenRaftLog(copied)
		require.NoError(t, err)
		l.inner.(walLog).votes.sync = func(*os.File) error { return disk }
		require.ErrorIs(t, call(l), disk)
		require.Len(t, fatal, 1)
		last, err := l.LastIndex()
		require.NoError(t, err)
		require.GreaterOrEqual(t, last, uint64(30))
		require.ErrorIs(t, l.StoreLog(logEntry(32, 5)), disk)
		require.NoError(t, l.Close())
	}
}

// TestALostLogFolderIsNoticed deletes the folder of a log whose VOTE stands beside it.
func TestALostLogFolderIsNoticed(t *testing.T) {
	t.Parallel()
	c := testLogConfig(t, filepath.Join(t.TempDir(), "log"))
	c.Votes = filepath.Join(filepath.Dir(c.Dir), voteFileName)
	require.NoError(t, os.Mkdir(c.Dir, 0o700))
	require.NoError(t, openTestLog(t, c).Close()) // an empty one knows nothing yet
	require.NoError(t, os.RemoveAll(c.Dir))
	require.NoError(t, os.Mkdir(c.Dir, 0o700))
	l := openTestLog(t, c)
	require.NoError(t, l.SetUint64([]byte(keyTerm), 1))
	require.NoError(t, l.Close())
	require.NoError(t, os.RemoveAll(c.Dir))
	require.NoError(t, os.Mkdir(c.Dir, 0o700))
	refusesLog(t, c, filepath.Join(c.Dir, segmentsFile), "missing")
	require.ErrorIs(t, CreateVotes(c.Votes), fs.ErrExist)
}
