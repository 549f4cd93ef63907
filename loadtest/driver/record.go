package driver

import (
	"time"

	"holdfast/loadtest/schedule"
)

// Outcome is what is known of a call's effect.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused" // a business no, remembered
	Never   Outcome = "never"   // it did not happen: unreachable, 429, 503, or a fault of ours
	Unknown Outcome = "unknown" // no answer, or 504
)

// Record is one call on the wire and its answer. Times are ns since the run began.
type Record struct {
	Key         string          `json:"key,omitempty"`
	Op          string          `json:"op"`
	Phase       int             `json:"phase"`
	Try         int             `json:"try,omitempty"`
	Duplicate   bool            `json:"duplicate,omitempty"`
	Abandoned   bool            `json:"abandoned,omitempty"`
	Reservation string          `json:"reservation,omitempty"`
	Mode        string          `json:"mode,omitempty"`
	Lines       []schedule.Line `json:"lines,omitempty"` // of the reservation, also for its verbs
	SKU         string          `json:"sku,omitempty"`   // of a read or a drop
	Qty         int64           `json:"qty,omitempty"`   // units that a drop sets

	Target string        `json:"target"`
	Due    time.Duration `json:"due"`
	Sent   time.Duration `json:"sent"`
	End    time.Duration `json:"end"`

	Outcome   Outcome    `json:"outcome"`
	Status    int        `json:"status,omitempty"`
	Code      string     `json:"code,omitempty"`
	Index     uint64     `json:"index,omitempty"`
	Replayed  bool       `json:"replayed,omitempty"`
	AnswerID  string     `json:"answer_id,omitempty"` // the reservation that the answer names
	Answer    []LineSeen `json:"answer,omitempty"`
	ExpiresAt time.Time  `json:"expires_at,omitzero"`
	Stock     *StockSeen `json:"stock,omitempty"`
	Parts     []Part     `json:"parts,omitempty"` // of a batch
}

// Part is one reserve of a batch.
type Part struct {
	Reservation string          `json:"reservation"`
	Lines       []schedule.Line `json:"lines"`
	Status      int             `json:"status,omitempty"`
	Code        string          `json:"code,omitempty"`
}

// LineSeen is a line of a reservation as the server shows it.
type LineSeen struct {
	Line      int    `json:"line"`
	SKU       string `json:"sku"`
	Qty       int64  `json:"qty"`
	Held      int64  `json:"held"`
	Committed int64  `json:"committed"`
	Short     int64  `json:"short"`
	Shipped   int64  `json:"shipped"`
	Released  int64  `json:"released"`
	Expired   int64  `json:"expired"`
	Returned  int64  `json:"returned"`
}

// StockSeen is the stock of a SKU as the server shows it.
type StockSeen struct {
	OnHand    int64 `json:"on_hand"`
	Held      int64 `json:"held"`
	Committed int64 `json:"committed"`
	Available int64 `json:"available"`
}

// Mark is a moment for the charts: a fault, or its end.
type Mark struct {
	At   time.Duration `json:"at"`
	What string        `json:"what"`
	Err  string        `json:"err,omitempty"`
}
