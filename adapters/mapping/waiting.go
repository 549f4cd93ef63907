package mapping

import (
	"strings"

	"holdfast/adapters/records"
)

// wait is the body of a record of the table Waiting: a key may hold hashes, so it says what it is of.
type wait struct {
	Ref   Ref    `json:"ref"`
	Order string `json:"order"`
}

func waitKey(f Ref, order string) string { return f.Key() + "/" + order }

// Wait adds to the Tx that stores an order that it waits for mappings; the same Ref twice counts once.
// The Tx becomes a Conflict if one of them is mapped by then, so that none waits for what is there
// already: build it again after [Table.Find].
func Wait(tx *records.Tx, order string, refs ...Ref) {
	known := map[string]bool{}
	for _, f := range refs {
		key := waitKey(f, order)
		if known[key] {
			continue
		}
		known[key] = true
		for _, row := range f.keys() {
			tx.Look(records.Mappings, row, 0)
		}
		tx.Put(records.Record{Table: records.Waiting, Key: key, Body: tx.Encode(wait{f, order})})
	}
}

// Unwait adds to a Tx of an order that it no longer waits, because it is resolved or off. An order that
// does not is asked once more by [Releaser], which then forgets it.
func Unwait(tx *records.Tx, order string, refs ...Ref) {
	known := map[string]bool{}
	for _, f := range refs {
		key := waitKey(f, order)
		if !known[key] {
			known[key] = true
			tx.Drop(records.Waiting, key, 0)
		}
	}
}

// waitsFor is how the keys begin of all that a row releases: of a row for all marketplaces, what
// waits in any of them.
func (r *Row) waitsFor() string {
	prefix := r.Ref().Key()
	if r.SellerSKU != "" && r.Marketplace == "" {
		return prefix // ends with the slash in front of the marketplace
	}
	return prefix + "/"
}

// pastRef is a place in the table Waiting behind all that waits for a Ref.
func pastRef(f Ref) string { return f.Key() + "0" } // '0' comes after '/'

// waitOf reads a record of the table Waiting; ok is false for what is none.
func waitOf(r records.Record) (wait, bool) {
	w, err := records.Decode[wait](r)
	return w, err == nil && strings.HasSuffix(r.Key, "/"+w.Order)
}
