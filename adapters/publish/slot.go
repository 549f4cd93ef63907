package publish

import (
	"context"
	"time"
)

// Slot is the one number that an outside system keeps of what a channel may sell. Its record is
// written by the publisher; it comes and goes by [Make] and [Retire].
type Slot struct {
	ID         string    `json:"id"` // CONNECTION "/" the system's own key
	Channel    string    `json:"channel"`
	Also       []string  `json:"also,omitempty"` // other channels that this number sells on
	Connection string    `json:"connection"`
	SKU        string    `json:"sku"`
	Location   string    `json:"location,omitempty"` // ours; empty where one slot stands for all
	Item       int64     `json:"item,omitempty"`     // Shopify inventory item
	Place      string    `json:"place,omitempty"`    // their location
	SellerSKU  string    `json:"seller_sku,omitempty"`
	Row        string    `json:"row,omitempty"`     // key of the mapping that makes it one of SKU
	Acked      int64     `json:"acked"`             // the value that the last push left there
	AckedAt    time.Time `json:"acked_at"`          //
	Index      uint64    `json:"index,omitempty"`   // of the ledger that the last push was computed from
	Tally      int64     `json:"tally"`             // of the slot's tally, when Acked was true
	Lease      int64     `json:"lease"`             // the most units that it could still sell unseen
	LeaseTally int64     `json:"lease_tally"`       // of the slot's tally, when Lease was true
	Sequence   uint64    `json:"sequence"`          // of the newest push, acknowledged or not
	Sent       *Push     `json:"sent,omitempty"`    // in flight, or of unknown outcome
	Seen       *Seen     `json:"seen,omitempty"`    // what was read there last
	Blocked    string    `json:"blocked,omitempty"` // why nothing is sent
	Known      bool      `json:"known"`             // its value was read or set at least once
	// Doubt is since when something there is not as we think: nothing rises until it was read.
	Doubt time.Time `json:"doubt,omitzero"`
	Hold  string    `json:"hold,omitempty"`  // dedicated mode: the reservation that is its standing hold
	Drift *Drift    `json:"drift,omitempty"` // the last difference that we did not cause
	Bulk  *Bulk     `json:"bulk,omitempty"`  // a document that was not seen done has a number of it
}

// Push is one change of one slot.
type Push struct {
	Sequence uint64    `json:"sequence"`
	Delta    int64     `json:"delta,omitempty"`    // by so many, whatever is there
	Set      bool      `json:"set,omitempty"`      // to Quantity, if From is there
	Activate bool      `json:"activate,omitempty"` // the level is not active there: activate it before
	Quantity int64     `json:"quantity"`           // what it should then be
	From     int64     `json:"from"`               // what we think is there
	Index    uint64    `json:"index"`              // of the ledger that it was computed from
	At       time.Time `json:"at"`                 // first sent
	Until    time.Time `json:"until"`              // the call has ended by then
	Term     uint64    `json:"term"`               // of the leader that sent it
	Key      string    `json:"key"`                // idempotency key: slot and sequence
	Tally    int64     `json:"tally"`              // of the slot, when From was computed
	Unknown  bool      `json:"unknown,omitempty"`  // the call has ended, and its outcome is not known
}

// Seen is what a slot was read to be.
type Seen struct {
	Available int64     `json:"available"`
	Committed int64     `json:"committed"`
	OnHand    int64     `json:"on_hand"`
	UpdatedAt time.Time `json:"updated_at"` // theirs
	ReadAt    time.Time `json:"read_at"`
	Active    bool      `json:"active"`
	Tracked   bool      `json:"tracked"`
}

// Drift is a difference that neither a sale nor a push of ours explains.
type Drift struct {
	Ours     int64     `json:"ours"`   // what we expected
	Theirs   int64     `json:"theirs"` // what was there
	Cause    string    `json:"cause"`  // edit, unknown-push, inactive, untracked, missing
	Repair   string    `json:"repair"` // adjusted, push, none
	At       time.Time `json:"at"`
	Repaired time.Time `json:"repaired,omitzero"` // when it was adjusted, or the push acknowledged
}

// Pusher changes and reads the slots of one connection. Its errors say by behaviour what they are:
// Retryable() bool, RetryAfter() time.Duration, Unknown() bool (it may have happened), Stale() bool
// (From was not there, and nothing happened), Unsent() bool (there was no turn for it yet, and it is no
// try), Code() string. One that says nothing of itself is taken for unknown.
type Pusher interface {
	// Push sends up to PushBatch changes, each of another slot. The answers are in the same order; one
	// that is nil was applied. The error is of the call as a whole, and then of each of its changes.
	Push(ctx context.Context, slots []Slot, pushes []Push) ([]error, error)
	// Read reads slots. The answers are in the same order; nil: there is no such slot there.
	Read(ctx context.Context, slots []Slot) ([]*Seen, error)
	// PushBatch is the most changes of one call.
	PushBatch() int
}

// Watermarks say up to which moment every sale of a connection is in the ledger.
type Watermarks interface {
	// Watermark is zero while nothing is proven.
	Watermark(connection string) time.Time
}

// Style is how a system takes a number.
type Style uint8

// The styles.
const (
	// Delta: falls are differences, which commute with sales that we have not seen; rises are set only
	// if what we expect is there. The push of the same key again has no second effect.
	Delta Style = iota + 1
	// Overwrite: every push is a number that is then there, whatever was sold meanwhile.
	Overwrite
)

// Expected is what we believe that a slot shows: the last acknowledged value and what the channel did
// itself since, as its tally says.
func (s *Slot) Expected(tally int64) int64 { return s.Acked + tally - s.Tally }

// Claims is the most units that the channel could still sell, or has sold unseen, while watermark is
// the moment up to which all its sales are in the ledger and style is how it takes numbers.
func (s *Slot) Claims(style Style, tally int64, watermark time.Time) int64 {
	if s.Sent == nil && s.Known && s.proven(style, watermark) {
		return max(0, s.Expected(tally))
	}
	return max(0, s.Lease+tally-s.LeaseTally, s.Expected(tally))
}

// proven reports whether the last push is seen to be in effect, and every sale before that moment is
// in the ledger.
func (s *Slot) proven(style Style, watermark time.Time) bool {
	if style == Overwrite {
		return s.Seen != nil && !s.Seen.ReadAt.Before(s.AckedAt) && watermark.After(s.Seen.ReadAt)
	}
	return watermark.After(s.AckedAt)
}
