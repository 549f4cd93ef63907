package raftstore

// Broken on purpose. A checker that never fails proves nothing, so this package can be built with
// one of six faults, each behind a build tag of its own and a pair of files of that name, at the
// one place where the right thing is done:
//
// 	bug_skip_fsync    the raft log is not synced
// 	bug_answer_early  a write is answered before a majority has it
// 	bug_local_keys    answers are remembered only by the node that proposed
// 	bug_local_clock   holds end by each node's own clock
// 	bug_stale_read    a linearizable read asks nobody
// 	bug_no_clamp      compaction does not keep the log behind the older checkpoint
//
// The robustness command builds each (-bugs) and must catch it every time. A build without these
// tags has nothing of them: the pairs are constants and functions that give back what they are
// given.
