// Package fieldmap fills the fields of outside documents that each merchant has of its own.
//
// A [Map] belongs to a connection and a kind of document. Each of its fields is a constant, a path into
// the order, a look-up in a table, or an expression of the Common Expression Language. A map that would
// not work is refused when it is saved; one that is saved costs a bounded amount of work for each order.
// The tables translate ways of shipping, carriers and tenders; a name that is not in one is an error of
// its own, so that there is one exception for a name and not one for an order.
//
// Begin at [Compile].
package fieldmap
