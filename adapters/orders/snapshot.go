package orders

import "time"

// Snapshot is what an order's home says of it now: whole, never a difference. An adapter makes it
// of whatever the home sends; [Book.Receive] finds out what changed.
type Snapshot struct {
	Home      External
	Of        string // the id of our order, when the document is one that we made of it
	Channel   string // empty: the account's
	Externals []External
	Name      string
	CreatedAt time.Time
	// UpdatedAt orders the snapshots: an older one changes nothing. Among those of one second the
	// one that has come further counts, see Snapshot.progress.
	UpdatedAt   time.Time
	ShipBy      time.Time
	Currency    string
	Total       string
	Money       *Money // nil: not known
	Tags        []string
	ShipTo      Place
	FulfilledBy string
	Test        bool
	Pending     bool // not confirmed by the home: it has stock here, and nobody else is told
	RecordOnly  bool // to be known, and no more: no stock, no tasks
	Cancelled   *Cancellation
	Lines       []SnapshotLine
	Shipments   []Shipment // that the home knows, Key filled; those taken back are left out
	Refunds     []Refund
	Restocks    []Restock // units that the home put back, or did not, by a refund or a cancellation
	Returns     []Return
}

// Cancellation says that all that has not shipped is off.
type Cancellation struct {
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Restock bool      `json:"restock"` // the home says that the units are there again
}

// Restock is a stock effect of a refund.
type Restock struct {
	Refund   string
	Ref      string // line
	Qty      int64
	Kind     string // no_restock, cancel, return: of units not fulfilled, or fulfilled
	Location string // ours
	Return   string // the return that it is part of: then its units are counted there and not here
}

// The kinds of a restock.
const (
	NoRestock     = "no_restock" // of units that had shipped, or not: the line's numbers tell
	CancelRestock = "cancel"     // of units that had not shipped
	ReturnRestock = "return"     // of units that had
)

// SnapshotLine is one line as the home has it now.
type SnapshotLine struct {
	Ref          string
	Qty          int64  // now: less what was removed or refunded
	Ordered      int64  // ever; 0: not known
	ToShip       *int64 // still to leave; nil: Qty less what the home's own shipments have
	VariantID    int64  // Shopify; 0: none
	ItemID       int64  // Shopify inventory item; 0: not known
	SellerSKU    string
	Marketplace  string
	SKU          string // theirs
	Title, Price string
	NotStock     string // why it needs no stock: gift-card, no-variant, untracked, not-shipped
	Location     string // ours, to which the home has pinned it
	Backorder    bool   // the home sells it without stock: short is no exception
	PointOfSale  bool   // it has left the shop already
}

// progress is a number that only grows in the life of an order: it says which of two snapshots of
// the same second is the later one. It adds up what homes never take back.
func (s *Snapshot) progress() (n int64) {
	for i := range s.Lines {
		l := &s.Lines[i]
		n += 2*max(l.Ordered, l.Qty) - l.Qty
	}
	for i := range s.Restocks {
		n += s.Restocks[i].Qty
	}
	for i := range s.Shipments {
		n += 1 + units(s.Shipments[i].Lines)
		if s.Shipments[i].Tracking != "" {
			n++
		}
	}
	for i := range s.Returns {
		n++
		if s.Returns[i].State != ReturnRequested {
			n++
		}
	}
	n += int64(len(s.Refunds))
	if s.Cancelled != nil {
		n++
	}
	return n
}

// after reports whether s is later than what the order has applied.
func (s *Snapshot) after(o *Order) bool {
	switch s.UpdatedAt.Compare(o.UpdatedAt) {
	case 1:
		return true
	case 0:
		return s.progress() > o.Progress
	}
	return false
}

func units(lines []ShipmentLine) (n int64) {
	for _, l := range lines {
		n += l.Qty
	}
	return n
}
