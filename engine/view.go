package engine

// The shapes in which the ledger shows its state. They are copies: the caller owns them.

// Reservation is a reservation as it is at one index.
type Reservation struct {
	ID       string
	Seq      uint64 // dense number of the reservation in log order: the cursor of listings
	Channel  string
	State    State
	Mode     Mode
	Mirror   bool  // a foreign allocation
	Deadline int64 // ms since 1970; 0 when nothing is held or the hold has no deadline
	Lines    []ReservationLine
}

// ReservationLine is one line: Qty = Held + Committed + Short + Shipped + Released + Expired, and
// Returned ≤ Shipped.
type ReservationLine struct {
	Line      int64 // from 1
	Ref       string
	SKU       string
	Qty       int64
	Wanted    int64 // what was asked; differs from Qty only after a partial reserve
	Held      int64
	Committed int64
	Short     int64
	Shipped   int64
	Released  int64
	Expired   int64
	Returned  int64
	// Allocations are in the order in which they were made; for a kit they name its components.
	Allocations []Allocation
}

// Allocation is the units of one SKU that a line has at one location.
type Allocation struct {
	SKU       string
	Location  string
	Held      int64
	Committed int64
	Shipped   int64
}

// SKU is a SKU's definition.
type SKU struct {
	Name       string
	Number     uint32 // the cursor of listings
	Kit        []KitPart
	Attributes []byte
}

// KitPart is one component of a kit by its plain name.
type KitPart struct {
	SKU string
	Qty int64
}

// Location is a location's definition.
type Location struct {
	Name       string
	Number     uint32
	Kind       LocationKind
	Master     string
	Shortfall  ShortfallPolicy
	Attributes []byte
}

// Channel is a channel's definition.
type Channel struct {
	Name       string
	Number     uint32
	Kind       ChannelKind
	Publish    PublishMode
	Split      bool
	Priority   int64
	Locations  []string
	Rules      Rules
	Attributes []byte
}

// LocationStock is the balance of a SKU at one location. LastEvent is the sequence of the newest
// event of that SKU there, from which the history is walked back; 0 is none.
type LocationStock struct {
	Location string
	Balance
	Moved     int64 // running sum of ship, return, adjust and move
	LastEvent uint64
}

// Explanation says why a channel may sell as many units of a SKU as it may: the terms add up to
// Sellable.
type Explanation struct {
	Sellable int64
	Terms    []Term
	Holds    []ExplainedHold // at most 100, the newest first
}

// Term is one addend of an explanation.
type Term struct {
	Term     string // "available", "buffer", "split", "shortfall"
	Location string
	Rule     string
	Value    int64
}

// ExplainedHold is a reservation that has units of the explained SKU.
type ExplainedHold struct {
	Reservation string
	Channel     string
	Location    string
	Held        int64
	Committed   int64
}

// ReservationFilter picks reservations; an empty field picks all.
type ReservationFilter struct {
	SKU     string
	Channel string
	State   State
}

// Violation is one broken invariant.
type Violation struct {
	Invariant string // "I1" to "I8", or "structure"
	Detail    string // the row, and the values that disagree
}
