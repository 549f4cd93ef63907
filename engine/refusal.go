package engine

// Refusal is a business no: a verdict of the log, the same on every node, and remembered under the
// command's key. It is not an error. Nothing of a refused command took effect.
//
// The list is in order of precedence, as far as one order fits all commands; docs/LEDGER.md has that
// of each. Numbers are in remembered answers and never change.
type Refusal uint8

// The refusals.
const (
	Accepted            Refusal = iota // no refusal
	Invalid                            // the command breaks a rule that needs no state; Result.Field says which
	IdempotencyConflict                // the key is known with another command
	IDConflict                         // the reservation id is known with other content
	UnknownChannel
	UnknownReservation
	UnknownLocation
	UnknownSKU
	NotListed        // the location is not one of the channel's
	KitNested        // a kit's component is itself a kit, or the kit
	KitWithoutStock  // a kit has no stock of its own at a merchant location
	LimitReached     // a table, or a reservation's lines, would pass its limit
	QuantityOverflow // a balance would pass MaxBalance
	NotMaster        // another system says how many units are there
	InUse            // what is to be removed or changed still has stock, allocations or users
	AsOfTooOld       // the movements since that moment are no longer kept
	ReservationExpired
	WrongState // the verb cannot act on that many units
	InsufficientStock
	NotAttempted // another op of the same atomic group was refused
	Overloaded   // the entry holds too much work; not remembered, safe to send again
	// IncarnationUsed says that a node was enrolled under that incarnation, or a higher one, already.
	IncarnationUsed
	// ReservationClosed says that the reservation has left memory, and that nothing happened: a Revive
	// must come first. It is not remembered, and who holds the bodies sees to it.
	ReservationClosed
	RecordExists  // a record is there, and the command demands that there is none
	RecordChanged // a record has another version, or state, than the command demands
	RecordUnknown // there is no such record in memory
	refusalEnd
)

var refusals = texts[Refusal]{
	"accepted", "invalid", "idempotency-conflict", "id-conflict", "unknown-channel",
	"unknown-reservation", "unknown-location", "unknown-sku", "not-listed", "kit-nested",
	"kit-without-stock", "limit-reached", "quantity-overflow", "not-master", "in-use",
	"as-of-too-old", "expired", "wrong-state", "insufficient-stock", "not-attempted",
	"overloaded", "incarnation-used", "reservation-closed", "record-exists", "record-changed",
	"record-unknown",
}

// ofRecord reports whether a command was written with a guess of a record that was wrong. That is not
// remembered: its caller reads again, and sends what it then thinks right under the same key.
func (r Refusal) ofRecord() bool {
	return r == RecordExists || r == RecordChanged || r == RecordUnknown
}

// String returns the stable wire name, such as "insufficient-stock".
func (r Refusal) String() string { return refusals.text(r) }

// Refusals lists every refusal in order of precedence, for tables that must cover all of them.
func Refusals() []Refusal {
	var all []Refusal
	for r := Accepted + 1; r < refusalEnd; r++ {
		all = append(all, r)
	}
	return all
}
