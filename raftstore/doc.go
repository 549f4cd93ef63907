// Package raftstore makes the ledger durable and replicated: it owns the one [engine.Ledger] of a
// node and everything between a command and its answer.
//
// # Life of a write
//
// [Store.Submit] validates and encodes the command, and puts it into the batch under construction
// ([batcher]). One goroutine takes a batch whenever fewer than three raft entries are in flight: it
// stamps the time, seals the batch as one raft entry and proposes it. Raft stores it on a majority, the
// state machine ([machine]) applies it, and one closed channel wakes everyone who waits on that batch.
// On a follower the same goroutine sends the batch to the leader instead.
//
// # What it guarantees
//
//   - An answered write is on the disks of a majority and applied on the node that proposed it.
//   - Every submitted command is answered exactly once, also while closing: with its result, with
//     an error that says that it did not happen (it has RetryAfter), or with outcome-unknown.
//   - Nothing is sent twice: neither a proposal nor a forwarded batch is retried here.
//   - The commands of one [Store.SubmitAll] take effect in their order, and a prefix of them: an
//     entry proposed in one term has no effect in another.
//   - A folder takes part under one name and incarnation, and no other folder ever does under the
//     same: who lost his disk comes back as another member.
//   - A linearizable read sees every write that was answered, on any node, before it began.
//   - A hold is free within one second of its deadline while there is a leader, also at idle.
//
// # What it must never do
//
// It never applies from two goroutines, never touches the ledger without machine.mu, or its names
// without machine.names, and never holds the former for more than one entry or, for readers and
// sweeps, 100 µs. It never takes a
// raft future that ended in leadership lost, shutdown or our own deadline for a failure. It never
// goes on after a disk or an agreed entry could not be trusted: Config.Fatal is called, once.
//
// # Where to start
//
// ports.go has the interfaces to the disk, store.go opens and runs everything, batcher.go and
// fsm.go are the write path, read.go the read path, forward.go and peer.go what nodes say to each
// other beside raft. forming.go and join.go say how a node becomes a member, gate.go what keeps raft
// from it until then, membership.go and steward.go how the members change.
package raftstore
