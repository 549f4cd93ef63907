package engine

// EventType says what happened to stock or to a reservation.
type EventType uint8

// The types of event. Their numbers are in the event files and never change.
const (
	EventStockSet EventType = iota + 1
	EventStockAdjusted
	EventStockMoved
	EventReserved
	EventCommitted
	EventReleased
	EventExpired
	EventShipped
	EventReturned
	EventTransferred
	EventShort     // units of an order have no stock
	EventAllocated // short units got stock
	EventExtended
	EventMirrored
	EventDefined
	EventDeleted
	eventEnd
)

var eventTypes = texts[EventType]{"",
	"stock.set", "stock.adjusted", "stock.moved", "reservation.held", "reservation.committed",
	"reservation.released", "reservation.expired", "reservation.shipped", "reservation.returned",
	"reservation.transferred", "reservation.short", "reservation.allocated",
	"reservation.extended", "stock.mirrored", "name.defined", "name.deleted",
}

// String returns the stable wire name, such as "reservation.held".
func (t EventType) String() string { return eventTypes.text(t) }

// Event is one thing that happened, at one SKU and location where it concerns stock. Location 0 is
// none: the event concerns the reservation or the SKU as a whole, and Balance is zero.
type Event struct {
	Seq      uint64 // dense, from 1
	Index    uint64
	At       int64 // ledger time, ms since 1970
	Type     EventType
	SKU      uint32 // numbers: Ledger.NameOf gives the names, also of what was deleted since
	Location uint32
	Channel  uint32 // who asked; 0 is none
	Qty      int64  // units that changed state; for stock.set and stock.adjusted the change of on hand
	Balance         // after the event
	Prev     uint64 // sequence of the previous event of this SKU at this location; 0 is none
	Cause    string // the reservation's id, or the source of a stock change
	Note     string // reason, tracking, disposition; in the words of the command
}
