package history

// Kind is what a client asked for.
type Kind string

// The kinds of operation.
const (
	Reserve Kind = "reserve"
	Commit  Kind = "commit"
	Release Kind = "release"
	Ship    Kind = "ship"
	Return  Kind = "return"
	Adjust  Kind = "adjust"
	// ReadStock and ReadReservation change nothing.
	ReadStock       Kind = "read-stock"
	ReadReservation Kind = "read-reservation"
	// Again is an earlier operation (Op.Of) sent once more under its own key.
	Again Kind = "again"
)

// Reads reports whether the kind changes nothing.
func (k Kind) Reads() bool { return k == ReadStock || k == ReadReservation }

// Outcome is what is known of an operation's effect.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused" // a verdict of the ledger: no effect, and remembered
	Unknown Outcome = "unknown" // it may have had its effect, or have it still
	Never   Outcome = "never"   // every answer said that nothing happened, or nobody could be reached
)

// Op is one operation of one client. All tries under one key are one operation, from the first call
// to the last answer.
type Op struct {
	ID     string `json:"id"` // also its idempotency key
	Kind   Kind   `json:"kind"`
	Client int    `json:"client"`
	Group  string `json:"group,omitempty"` // SKUs that are judged together; empty: by the events alone
	Stale  bool   `json:"stale,omitempty"`
	Of     string `json:"of,omitempty"`

	Call   int64  `json:"call"`   // ns since the run began
	Return int64  `json:"return"` // the same; of an unknown outcome, when the client gave up
	Tries  int    `json:"tries"`
	Node   string `json:"node"` // that gave the last answer

	Reservation string `json:"reservation,omitempty"`
	Lines       []Ask  `json:"lines,omitempty"`
	SKU         string `json:"sku,omitempty"`
	Qty         int64  `json:"qty,omitempty"` // units of an adjust; of a reserve the time to live, ms

	Outcome  Outcome  `json:"outcome"`
	Status   int      `json:"status,omitempty"`
	Code     string   `json:"code,omitempty"`
	Index    uint64   `json:"index,omitempty"`
	Replayed bool     `json:"replayed,omitempty"`
	Deadline int64    `json:"deadline,omitempty"` // ms since 1970, of a hold
	Stock    *Balance `json:"stock,omitempty"`
	State    []Line   `json:"state,omitempty"` // the reservation's lines after it
	// Doubt says that some try under the key got no answer, or one that leaves open whether it
	// happened.
	Doubt bool `json:"doubt,omitempty"`
}

// Ask is one line of a reserve.
type Ask struct {
	SKU string `json:"sku"`
	Qty int64  `json:"qty"`
}

// Balance is the stock of a SKU at the one location.
type Balance struct {
	OnHand    int64 `json:"on_hand"`
	Held      int64 `json:"held"`
	Committed int64 `json:"committed"`
}

// Line is the state of one line of a reservation.
type Line struct {
	SKU       string `json:"sku"`
	Held      int64  `json:"held"`
	Committed int64  `json:"committed"`
	Shipped   int64  `json:"shipped"`
	Released  int64  `json:"released"`
	Expired   int64  `json:"expired"`
	Returned  int64  `json:"returned"`
}
