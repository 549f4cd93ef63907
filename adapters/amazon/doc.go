// Package amazon is the way to a seller account of Amazon's and back, one connection for each
// account and region: messages of a queue and sweeps come in as snapshots of orders, tasks go out
// as calls of the Selling Partner API.
//
// It is thin. It translates, paces and pushes; what an order means for stock is decided by package
// orders, how Amazon is spoken to by package spapi, how a queue is read by package queue.
//
// # What it guarantees
//
//   - A message is deleted only when what it says is in the log, or can never be of use. What
//     cannot be understood becomes an exception with its body.
//   - A message never makes anything of an order that a sweep does not find as well: messages are
//     fast, and prove nothing. Only a whole sweep by the time of creation moves the watermark.
//   - An order is promised when Amazon first tells of it, by SKU and quantity, whatever else it
//     does not tell yet; nobody else hears of it before Amazon has confirmed it.
//   - A cancelled order gives back what is promised here, whatever quantities it is told with.
//   - What Amazon fulfils from its own warehouses is recorded and takes nothing from the ledger,
//     and what it fulfils for other channels of ours is no order of ours.
//   - A quantity is sent only for a listing that Amazon says the seller fulfils, by a patch or a feed
//     that merges, and is read again when it must be in effect.
//   - What Amazon has in its warehouses is taken over whole, from one marketplace of each pool.
//
// # What it must never do
//
// Ask for a buyer's data that no flow needs. Move a watermark by our own clock. Let the trouble of
// one region slow another: each connection has its own client, limits and queue.
//
// # Where to start
//
// slots.go says which numbers there are, guard.go which may be sent, pusher.go and feed.go send them,
// levels.go takes over Amazon's own. reading.go makes a snapshot of an order, sweep.go finds them, message.go is told of them,
// adapter.go is what is offered to the other packages.
package amazon
