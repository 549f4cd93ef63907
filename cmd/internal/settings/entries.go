package settings

import (
	"fmt"
	"strings"

	"holdfast/raftstore"
)

// parseEntries reads INDEX:CHECKSUM,…. Empty text is no entries and no error.
func parseEntries(text string) ([]raftstore.SkipEntry, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var all []raftstore.SkipEntry
	seen := map[uint64]bool{}
	for part := range strings.SplitSeq(text, ",") {
		e, err := raftstore.ParseSkipEntry(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if seen[e.Index] {
			return nil, fmt.Errorf("%q is there twice", part)
		}
		seen[e.Index] = true
		all = append(all, e)
	}
	return all, nil
}
