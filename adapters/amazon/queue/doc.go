// Package queue reads a standard queue of Amazon SQS: at least once, in no order.
//
// # What it guarantees
//
//   - A message is deleted only after its handler has returned nil, which it does after the commit
//     of what the message says. A process that dies before has done nothing, or the same again: the
//     message comes back when its time in hand is over.
//   - While a handler works, the message stays in hand, however long it takes.
//   - A message that can never be handled is handed to Bad with its body, and deleted once that has
//     been kept. It holds up no other.
//   - No more messages are in hand than are worked on; the others stay in the queue, for whoever is
//     the leader next.
//
// # What it must never do
//
// Delete a message whose handling is of unknown outcome. Keep an order: there is none.
package queue
