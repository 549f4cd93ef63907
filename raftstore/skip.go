package raftstore

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/hashicorp/raft"

	"holdfast/engine"
)

// SkipEntry names one agreed entry that is to have no effect: its index, and the checksum that it was
// sealed with, so that no other entry can be meant. It is given on every node of a cluster whose nodes
// all stop at that entry, and may be forgotten once each of them has a checkpoint behind it.
type SkipEntry struct{ Index, Checksum uint64 }

// String is the form that ParseSkipEntry reads: the index, a colon and 16 hexadecimal digits.
func (s SkipEntry) String() string { return fmt.Sprintf("%d:%016x", s.Index, s.Checksum) }

// ParseSkipEntry reads INDEX:CHECKSUM. It fails when text is anything else, also with an index of 0.
func ParseSkipEntry(text string) (SkipEntry, error) {
	index, checksum, ok := strings.Cut(text, ":")
	s := SkipEntry{}
	var err, err2 error
	s.Index, err = strconv.ParseUint(index, 10, 64)
	s.Checksum, err2 = strconv.ParseUint(checksum, 16, 64)
	if !ok || err != nil || err2 != nil || s.Index == 0 || s.String() != text {
		return SkipEntry{}, fmt.Errorf("%q must be INDEX:CHECKSUM as the log of a node that stopped "+
			"has it, such as 4711:0123456789abcdef", text)
	}
	return s, nil
}

// ApplyPanicError says that applying an agreed entry panicked. The entry went half way, so the node
// stops; nothing that was answered is touched by that. Every node that applies the entry ends the same
// way.
type ApplyPanicError struct {
	Entry   SkipEntry
	Op, Of  int    // the command that was applied, from 1, of how many; Op is 0 outside of any
	Command string // its kind; may be empty
	Value   any    // what was panicked with
}

// Error names the entry and the command, and says how to go on without it.
func (e *ApplyPanicError) Error() string {
	place := "outside of its commands"
	if e.Op > 0 {
		place = fmt.Sprintf("at command %d of %d", e.Op, e.Of)
		if e.Command != "" {
			place += " (" + e.Command + ")"
		}
	}
	return fmt.Sprintf("applying entry %d panicked %s: %v; to go on without this entry, which then has "+
		"no effect anywhere, start with --skip-entry %v; give it on every node",
		e.Entry.Index, place, e.Value, e.Entry)
}

// SkipMismatchError says that the entry at an index which was to be skipped is another one. Nothing
// was skipped and nothing applied.
type SkipMismatchError struct{ Told, Found SkipEntry }

// Error names both.
func (e *SkipMismatchError) Error() string {
	return fmt.Sprintf("--skip-entry %v names another entry than the log has: that is %v; "+
		"nothing was skipped", e.Told, e.Found)
}

// panicked is the error of an entry whose application panicked with value; ledger may be nil.
func panicked(log *slog.Logger, ledger *engine.Ledger, at SkipEntry, value any, count int) error {
	if version, ok := value.(*engine.VersionError); ok {
		return fmt.Errorf("entry %d: %w", at.Index, version)
	}
	e := &ApplyPanicError{Entry: at, Of: count, Value: value}
	if ledger != nil {
		op, command := ledger.Place()
		e.Op, e.Command = op+1, command
	}
	log.Error("apply panicked", "index", at.Index, "skip_entry", at.String(), "command", e.Op,
		"commands", count, "kind", e.Command, "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
	return e
}

// passOver skips l if it is an entry that this node was told to skip, and reports whether it is. It
// fails with *SkipMismatchError when another entry stands at that index; the ledger is as it was.
func (m *machine) passOver(l *raft.Log, entry engine.Entry, b *batch) (bool, error) {
	told, ok := m.skips[l.Index]
	if !ok {
		return false, nil
	}
	found := SkipEntry{Index: l.Index, Checksum: entry.Checksum}
	if told != found {
		return false, &SkipMismatchError{Told: told, Found: found}
	}
	m.mu.Lock()
	m.mu.ledger.SkipTo(l.Index - 1)
	m.mu.ledger.SkipEntry(l.Index, entry)
	m.applied.Store(l.Index)
	m.mu.Unlock()
	m.log.Warn("entry skipped, as told", "skip_entry", told.String(), "commands", entry.Count)
	if b != nil { // it was told before this process proposed it
		m.batches.settle(b, outcome{err: &NoLeaderError{Why: "the entry was skipped", After: retrySoon}})
	}
	return true, nil
}

// skipsOf is what a machine is told to skip, by index.
func skipsOf(c Config) map[uint64]SkipEntry {
	skips := map[uint64]SkipEntry{}
	for _, s := range c.SkipEntries {
		skips[s.Index] = s
	}
	return skips
}

func (c Config) skipFaults() []error {
	var faults []error
	seen := map[uint64]bool{}
	for _, s := range c.SkipEntries {
		if s.Index == 0 || seen[s.Index] {
			faults = append(faults, fmt.Errorf("skip entry %v: index 0, or named twice", s))
		}
		seen[s.Index] = true
	}
	return faults
}
