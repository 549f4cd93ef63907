// Package judge decides whether what clients saw can be the work of one ledger that loses nothing,
// sells nothing twice and does everything once. It believes the history of the clients, the events
// that every node shows at the end, and nothing else.
//
// Two ways that know nothing of each other are taken. The events are a total order: every answer
// and every read, stale ones too, must be what that order says at its index, and the indexes must
// follow real time. And every group of SKUs is given to a linearizability checker, which knows no
// events and no index.
package judge
