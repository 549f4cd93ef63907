// Package outbox does what outside systems must be told, once each, whoever leads.
//
// A flow queues a [Task] in the Tx that makes it necessary, with [Enqueue], [Ensure] or [Again]. The
// [Dispatcher] of the leader claims what is due, has its [Executor] make the call, and ends the task in
// one Tx with all that follows from it.
//
//	Queued ──claim──▶ Running ──▶ Done
//	   ▲                 │  ├───▶ Queued, later: it may work then (backoff, budget, breaker)
//	   └──── retry ── Failed ◀┘   a person must look first (package exceptions)
//
// What it guarantees:
//
//   - A task's call is made only under a claim that was agreed before. If the process dies between
//     claim and finish, nobody calls for the same key until the claim has ended and [Grace] has passed;
//     then the task runs again with Task.Unknown set, and its executor looks before it calls.
//   - One call at a time for each key, whoever leads.
//   - A leader that was deposed changes nothing: every claim and finish demands the [Fence] of its term.
//   - A key, a kind or a connection that does not get on holds up no other one.
//
// What it must never do: call twice where the first call may have taken effect, unless the executor
// was told so. Start at [Dispatcher.Run].
package outbox
