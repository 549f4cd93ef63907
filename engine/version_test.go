package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

func raiseTo(version int64) *engine.Configure {
	return &engine.Configure{Limits: engine.Limits{ApplyVersion: version}}
}

// applyNext applies an entry of one command behind what l has.
func applyNext(l *engine.Ledger, c engine.Command) {
	var b engine.EntryBuilder
	b.Add(engine.Op{Command: c})
	e, err := engine.OpenEntry(b.Seal(0, 0))
	if err != nil {
		panic(err)
	}
	l.Apply(l.Index()+1, e, &engine.Output{})
}

func TestTheApplyVersionOnlyRises(t *testing.T) {
	t.Parallel()
	l := engine.New(engine.Options{})
	require.EqualValues(t, 1, l.Limits().ApplyVersion, "every build begins a log alike")
	l.Know(3)
	before := l.Digest()
	applyNext(l, raiseTo(3))
	require.EqualValues(t, 3, l.Limits().ApplyVersion)
	require.NotEqual(t, before, l.Digest())
	applyNext(l, raiseTo(2))
	require.EqualValues(t, 3, l.Limits().ApplyVersion, "a leader who knew less undoes nothing")
}

func TestAVersionAboveThisBuildIsNeverGuessedAt(t *testing.T) {
	t.Parallel()
	l := engine.New(engine.Options{})
	require.PanicsWithError(t, "the ledger is of apply version 2, and this build knows none above 1",
		func() { applyNext(l, raiseTo(2)) })
	require.EqualValues(t, 1, l.Limits().ApplyVersion)

	later := engine.New(engine.Options{})
	later.Know(2)
	applyNext(later, raiseTo(2))
	_, err := load(save(later))
	var version *engine.VersionError
	require.ErrorAs(t, err, &version)
	require.EqualValues(t, 2, version.Version)

	err = engine.Validate(&engine.Configure{Limits: engine.Limits{ApplyVersion: 2}})
	require.ErrorContains(t, err, "apply_version")
}

func TestASkippedEntryIsPartOfTheState(t *testing.T) {
	t.Parallel()
	skipped := func(index, checksum uint64) *engine.Ledger {
		l := engine.New(engine.Options{})
		l.SkipEntry(index, engine.Entry{Checksum: checksum})
		require.Equal(t, index, l.Index())
		require.Zero(t, l.Now(), "not even the time moves")
		return l
	}
	l, same := skipped(7, 11), skipped(7, 11)
	require.Equal(t, l.Digest(), same.Digest())
	passed := engine.New(engine.Options{})
	passed.SkipTo(7)
	for _, other := range []*engine.Ledger{passed, skipped(7, 12), skipped(8, 11)} {
		require.NotEqual(t, l.Digest(), other.Digest())
	}
	loaded, err := load(save(l))
	require.NoError(t, err)
	require.Equal(t, l.Digest(), loaded.Digest())
	loaded.SkipEntry(1024, engine.Entry{Checksum: 1})
	require.NotEqual(t, l.Digest(), loaded.Digest())
	kept, ok := loaded.DigestAt(1024)
	require.True(t, ok)
	require.Equal(t, loaded.Digest(), kept)
}

func TestAForgottenClusterChangesNothingElse(t *testing.T) {
	t.Parallel()
	l := engine.New(engine.Options{})
	configure := &engine.Configure{Limits: engine.Limits{ClusterID: [16]byte{1}, EventsMax: 5000}}
	applyNext(l, configure)
	before := l.Digest()
	applyNext(l, &engine.Enrol{Node: "n1", Incarnation: 3})
	require.NotEqual(t, before, l.Digest())
	l.ForgetCluster()
	require.Equal(t, before, l.Digest())
	require.Empty(t, l.Enrolments())
	require.Zero(t, l.Limits().ClusterID)
	loaded, err := load(save(l))
	require.NoError(t, err)
	require.Zero(t, loaded.Limits().ClusterID)
	require.EqualValues(t, 5000, loaded.Limits().EventsMax)
	require.Equal(t, before, loaded.Digest())
}

func TestAPanicSaysAtWhichOp(t *testing.T) {
	t.Parallel()
	var b engine.EntryBuilder
	b.Add(engine.Op{Command: &engine.Tick{}})
	b.Add(engine.Op{Command: &engine.DefineSKU{SKU: "A"}})
	b.Append([]byte{5, 1, 0}, 1, false) // a set whose body ends early
	b.Add(engine.Op{Command: &engine.Tick{}})
	e, err := engine.OpenEntry(b.Seal(1000, 1000))
	require.NoError(t, err)
	l := engine.New(engine.Options{})
	require.Panics(t, func() { l.Apply(1, e, &engine.Output{}) })
	op, command := l.Place()
	require.Equal(t, 2, op)
	require.Equal(t, "set", command)
}

// TestWhatIsEncodedReadsBack holds the checker to every kind of command, and to what is not one.
func TestWhatIsEncodedReadsBack(t *testing.T) {
	t.Parallel()
	l := engine.New(engine.Options{})
	var c engine.OpChecker
	for i, ops := range goldenOps(t) {
		plain, _ := (*engine.Ledger)(nil).AppendOps(nil, nil, ops)
		numbered, _ := l.AppendOps(nil, nil, ops)
		require.NoError(t, c.Check(plain, len(ops)))
		require.NoError(t, c.Check(numbered, len(ops)))
		for _, n := range []int{len(ops) - 1, len(ops) + 1} {
			var entry *engine.EntryError
			require.ErrorAs(t, c.Check(plain, n), &entry)
		}
		for cut := range plain {
			require.Error(t, c.Check(plain[:cut], len(ops)), "cut at %d", cut)
		}
		var b engine.EntryBuilder
		b.Append(plain, len(ops), false)
		require.NoError(t, b.Whole())
		b.Append(plain[:len(plain)-1], len(ops), false)
		require.Error(t, b.Whole())
		b.Reset()
		for _, op := range ops {
			b.Add(op)
		}
		e, err := engine.OpenEntry(b.Seal(1000, 1000))
		require.NoError(t, err)
		l.Apply(uint64(i+1), e, &engine.Output{})
	}
	require.Error(t, c.Check([]byte{0x7f, 0}, 1), "a kind that is not there")
}
