// Package flows puts the sync core together on one node: records, connections, mapping, routing,
// orders, publishing, tasks and exceptions over one replicated store, and the adapters on top.
//
// Every node follows the records, so that it can take a webhook in and answer a read. What calls the
// outside runs on the leader alone, fenced by its term: [Core.Lead] is begun anew each time this node
// leads, and nothing of it outlives the term.
//
// Open core.go: it is the only place that knows every part.
package flows
