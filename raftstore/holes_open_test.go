package raftstore

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hole is a fault of raft's, or of a cluster as such, that one place of ours mends: without that place
// the test must fail.
type hole struct {
	name string
	file string // where the mend is
	mend string // stands there once
	open string // what stands there without the mend
	test string // fails then
}

// holes are those that can be opened by one change. docs/GUARANTEES.md lists them for people.
var holes = []hole{
	{"raft#695: a heartbeat is handled beside the main loop", "transport.go",
		"SetHeartbeatHandler(func(raft.RPC)) {}",
		"SetHeartbeatHandler(beside func(raft.RPC)) { t.inner.SetHeartbeatHandler(beside) }",
		"TestHeartbeatsTakeTheOrdinaryPath"},
	{"raft#612: a pipeline parks for ever", "transport.go",
		"AppendEntriesPipeline(raft.ServerID,\n\traft.ServerAddress) (raft.AppendPipeline, error) {\n" +
			"\treturn nil, raft.ErrPipelineReplicationNotSupported",
		"AppendEntriesPipeline(id raft.ServerID,\n\tat raft.ServerAddress) (raft.AppendPipeline, error) {\n" +
			"\treturn t.inner.AppendEntriesPipeline(id, at)",
		"TestNoPipeline"},
	{"raft#503: a leader whose disk hangs goes on leading", "raftlog.go",
		"_ = l.fail(what, fmt.Errorf(\"the disk has not answered for %v\", took))", "_ = took",
		"TestALeaderWhoseDiskHangsIsFollowed"},
	{"VerifyLeader counts answers from before it was asked", "read.go",
		"minIndex uint64) error {\n\tb, err := s.batcher.join(false)",
		"minIndex uint64) error {\n\tif s.raft().VerifyLeader().Error() == nil {\n\t\treturn nil\n\t}\n" +
			"\tb, err := s.batcher.join(false)",
		"TestAnAnswerFromThePastDoesNotMakeAReadLinearizable"},
	{"RestoreCommittedLogs hangs the start", "formation.go",
		"r.RestoreCommittedLogs = false", "r.RestoreCommittedLogs = true",
		"TestALongLogDoesNotHangTheStart"},
	{"raft installs a checkpoint that is older than its log", "install_guard.go",
		"if err := s.store.refuseInstall(s.index, s.term); err != nil {",
		"if err := error(nil); err != nil {",
		"TestAnInstallThatIsNotNeededIsRefused"},
	{"raft#697: a log that goes another way outlives an install", "install_guard.go",
		"s.store.askReopen(\"a checkpoint was installed\")", "_ = s.store",
		"TestADivergentTailHealsAfterAnInstall"},
	{"a voter whose folder was wiped votes again", "gate.go",
		"return !id.LetIn || id.SinceTerm > 0 && term <= id.SinceTerm", "return term > 1<<62",
		"TestWipedVoterDoesNotLoseAWrite"},
	{"a folder of which only IDENTITY is left votes again", "store_parts.go",
		"if err := folder.keptVotes(); err != nil {",
		"if err := folder.keptVotes(); err != nil && c.Node == \"\" {",
		"TestAFolderOfWhichOnlyIdentityIsLeftIsRefused"},
	{"raft#498: a future that raft forgets never ends", "future.go",
		"field.Set(reflect.ValueOf(gone))", "_ = gone",
		"TestAForgottenFutureEndsWithRaft"},
	{"a node joins whose build knows less than the cluster does", "join.go",
		"q.ApplyVersion < now {", "q.ApplyVersion < now && q.Node == \"\" {",
		"TestANodeOfAnOlderBuildIsNotLetIn"},
}

// TestEveryHoleIsMended opens one hole after the other in a copy of its file and wants its test to fail.
// Each takes a build, so it is done with HOLDFAST_HOLES=1; without, it looks that the mends stand where
// they are taken out, and that the tests are there.
func TestEveryHoleIsMended(t *testing.T) {
	t.Parallel()
	var tests strings.Builder
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		tests.Write(text)
	}
	for _, h := range holes {
		text, err := os.ReadFile(h.file)
		require.NoError(t, err)
		assert.Equal(t, 1, strings.Count(string(text), h.mend), "%s: the mend in %s", h.name, h.file)
		assert.Contains(t, tests.String(), "\nfunc "+h.test+"(", h.name)
		if os.Getenv("HOLDFAST_HOLES") != "" && !t.Failed() {
			h.fails(t, strings.Replace(string(text), h.mend, h.open, 1))
		}
	}
}

// fails runs the test of h with other text in its file.
func (h hole) fails(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	other, overlay := filepath.Join(dir, h.file), filepath.Join(dir, "overlay")
	require.NoError(t, os.WriteFile(other, []byte(text), 0o600))
	here, err := filepath.Abs(h.file)
	require.NoError(t, err)
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{here: other}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, list, 0o600))
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-timeout=2m",
		"-overlay="+overlay, "-run=^"+h.test+"$", ".")
	out, err := cmd.CombinedOutput()
	assert.Error(t, err, "%s: %s passes without its mend", h.name, h.test)
	failed := strings.Contains(string(out), "--- FAIL: "+h.test) ||
		strings.Contains(string(out), "panic: ")
	if assert.True(t, failed, "%s: %s did not fail\n%s", h.name, h.test, out) {
		t.Logf("%s: %s fails without its mend", h.name, h.test)
	}
}
