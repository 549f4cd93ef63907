package node

import (
	"context"

	"holdfast/raftstore"
)

// FolderReport is what Verify found; PartReport is one part of it.
type (
	FolderReport = raftstore.FolderReport
	PartReport   = raftstore.PartReport
)

// Verify proves the data folder dir without starting a node on it, and changes nothing. What is wrong
// stands in the report; the error says that the folder could not be read.
func Verify(ctx context.Context, dir string) (FolderReport, error) {
	return raftstore.VerifyFolder(ctx, dir)
}
