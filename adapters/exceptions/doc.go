// Package exceptions keeps what a person must look at, and tells that person.
//
// A flow that cannot go on says so with [Raise], in the Tx that stores what it could do; the flow that
// later succeeds says [Clear]. There is one exception for each cause, named by its trace: the hundredth
// order with the same unmapped SKU is a try of the first one's exception, not a new one. That count
// commutes, so that a storm of one cause never makes transactions wait for each other.
//
// [Desk] is what a person does with them: look, retry, edit and retry, resolve, one by one or many. [Bell]
// tells them: it runs on the leader, groups what opened, and never holds up a flow.
//
// What it must never do: lose an open exception (it is a record of the Tx that needed it), or write
// a secret into one (payloads are what the flow gave, bounded by MaxPayload).
package exceptions
