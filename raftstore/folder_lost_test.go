package raftstore

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAFolderOfWhichOnlyIdentityIsLeftIsRefused loses everything of a node but IDENTITY, as a recovery
// does that dies half way, or somebody who means to make room. Its log is as empty as that of a node
// that never took part, and still it must not take part again under its old id.
func TestAFolderOfWhichOnlyIdentityIsLeftIsRefused(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string][]string{
		"everything":                {voteFileName, logFolder, checkpointFolder, eventFolder, bodyFolder},
		"all but the checkpoints":   {voteFileName, logFolder, eventFolder, bodyFolder},
		"all but what holds no log": {voteFileName, logFolder},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := realNodes(t, 1, nil)
			leading(t, n)
			define(t, n[0].Store, 5)
			dir := n[0].conf.Dir
			n[0].kill(t)
			for _, part := range lost {
				require.NoError(t, os.RemoveAll(filepath.Join(dir, part)))
			}
			_, err := Open(n[0].conf)
			var corrupt *CorruptError
			require.ErrorAs(t, err, &corrupt)
			assert.Equal(t, filepath.Join(dir, voteFileName), corrupt.File)
			assert.ErrorContains(t, err, "n1.1 took part")

			report, err := VerifyFolder(t.Context(), dir)
			require.NoError(t, err)
			assert.False(t, report.Good)
			assert.False(t, report.Starts)
		})
	}
}
