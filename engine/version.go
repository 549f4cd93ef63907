package engine

import "fmt"

// ApplyVersion is the newest behaviour of apply that this build has. What apply does with a command
// may change only behind it: the new way for a ledger whose [Limits].ApplyVersion is at least the
// number of the change, the old way for all others, for ever. So one log means the same to every build
// that can read it, and members of different builds agree until all of them can follow.
//
//	1  the behaviour of the first release
const ApplyVersion = 1

// firstApplyVersion is what every ledger begins with, whatever build makes it: builds of different age
// must begin a log in the same state. A cluster's leader raises it.
const firstApplyVersion = 1

// maxApplyVersion bounds what can be written down; it is no promise.
const maxApplyVersion = 1 << 16

// VersionError says that a ledger is of an apply version that this build does not know. It is never
// guessed at: nothing was applied, and only a newer build can go on. Apply panics with it, and
// [Loader] returns it.
type VersionError struct{ Version, Knows int64 }

// Error names both versions.
func (e *VersionError) Error() string {
	return fmt.Sprintf("the ledger is of apply version %d, and this build knows none above %d",
		e.Version, e.Knows)
}

// Know sets up to which apply version l may go, in place of [ApplyVersion]. It is for tests that stand
// in for a later build.
func (l *Ledger) Know(version int64) { l.knows = version }

// raise moves the apply version up; a lower one stays without effect, so that a command of a leader
// who knew less cannot undo it.
func (l *Ledger) raise(version int64) {
	if version <= l.limits.ApplyVersion {
		return
	}
	if version > l.knows {
		panic(&VersionError{Version: version, Knows: l.knows})
	}
	l.limits.ApplyVersion = version
}

// SkipEntry moves the index past an entry that must have no effect because applying it panics: not
// even the time moves. That it was skipped is state from then on. The digest has it, so that a node
// that did apply the entry differs from one that did not at every digest that follows.
func (l *Ledger) SkipEntry(index uint64, e Entry) {
	if index <= l.index {
		panic(fmt.Sprintf("engine: entry %d after entry %d", index, l.index))
	}
	l.keepDigests(index)
	l.index = index
	l.skipped = mixWide(mixWide(l.skipped, index), e.Checksum)
	if index%digestEvery == 0 {
		l.keepDigests(index + 1)
	}
}

// Place is how far Apply is, for the message when it panics: the op, from 0, and the word for its
// kind. Outside of any op, when what is due ends and when answers are forgotten, op is -1.
func (l *Ledger) Place() (op int, command string) {
	if l.work.op < 0 || l.work.opKind >= kindEnd {
		return l.work.op, ""
	}
	return l.work.op, kindWords[l.work.opKind]
}

// kindWords are the words for kinds in messages.
var kindWords = [kindEnd]string{
	kindDefineSKU: "define SKU", kindDefineLocation: "define location",
	kindDefineChannel: "define channel", kindDelete: "delete", kindSet: "set", kindAdjust: "adjust",
	kindMove: "move", kindReserve: "reserve", kindAdd: "add", kindExtend: "extend",
	kindCommit: "commit", kindRelease: "release", kindShip: "ship", kindReturn: "return",
	kindTransfer: "transfer", kindMirror: "mirror", kindTick: "tick", kindConfigure: "configure",
	kindGroup: "group", kindPut: "put", kindDrop: "drop", kindExpect: "expect", kindPurge: "purge",
}
