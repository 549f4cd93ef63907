package engine

// Result is what became of one command.
type Result struct {
	Refusal  Refusal
	Replayed bool   // the answer was remembered under the command's key
	Existed  bool   // a reserve found its id known with the same content
	Index    uint64 // where the command took effect, or was refused, first
	// Field names what an Invalid, wrong-state, unknown-… or not-… refusal is about, in the words of
	// the HTTP body: "lines[0].sku". Empty when the command has one candidate.
	Field string
	// At is the place of the op that made an atomic group fail, from 0; -1 otherwise.
	At int
	// Short lists what was missing, SKU by SKU; a remembered refusal keeps 8 rows.
	Short []ShortLine
	// Stock is the balance after a stock change, when its SKU and location are known.
	Stock *StockResult
	// Reservation is what the command named, as it is after it; nil when it is unknown.
	Reservation *Reservation
	// Body is the version of the body of that reservation when it has left memory, and Reservation is
	// nil; else 0.
	Body uint64
	// Ops are the results of a group, one for each op.
	Ops []Result
}

// ShortLine says that more was wanted of a SKU than the channel could sell.
type ShortLine struct {
	SKU      string
	Wanted   int64
	Sellable int64
}

// StockResult is what a stock change did, and the balance after it. For a Move the balance is that
// of the location that the units left.
type StockResult struct {
	Status   StockStatus
	Replayed int64 // movements that a set's source could not have seen
	Balance
}

// Balance is the stock of one SKU at one location.
type Balance struct {
	OnHand    int64
	Held      int64
	Committed int64
}

// Available is on hand less what is held and committed; negative is a shortfall.
func (b Balance) Available() int64 { return b.OnHand - b.Held - b.Committed }
