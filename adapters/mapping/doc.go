// Package mapping says which SKU of ours is which variant, listing or item outside.
//
// # What it guarantees
//
//   - M1 one variant, one inventory item, one seller SKU of an account and one item of an ERP each are
//     one SKU of ours. [Table] refuses what would break that, whoever writes at the same time.
//   - M2 a SKU has one variant of a shop and one item of an ERP; it may have several seller SKUs of an
//     Amazon account, because the same goods are listed there once for each way of fulfilling them.
//   - M3 [Index] answers from memory and never waits; a miss is only a miss once [Table.Find] has asked
//     the records too.
//   - M4 an order that waits for a mapping is released after the row appeared, at least once, whatever
//     dies in between.
//
// # What it must never do
//
// Guess: a suggestion of the audit changes nothing until somebody has written the row.
//
// # Where to start
//
// row.go is the word of this package, table.go writes it, index.go reads it, audit.go judges it.
package mapping
