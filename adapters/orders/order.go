package orders

import (
	"slices"
	"time"

	"holdfast/adapters/routing"
)

// Order is a sale known to a channel. Its id is also that of its reservation.
type Order struct {
	ID          string           `json:"id"` // KIND ":" CONNECTION ":" the home's id
	Channel     string           `json:"channel"`
	Home        External         `json:"home"` // where it was born
	Externals   []External       `json:"externals"`
	State       State            `json:"state"`
	Waits       []string         `json:"waits,omitempty"` // mappings that it waits for, and the like
	Holds       []string         `json:"holds,omitempty"` // why its home must not ship it yet
	Reservation string           `json:"reservation,omitempty"`
	Route       routing.Decision `json:"route"`
	Name        string           `json:"name,omitempty"` // for people: #1001
	CreatedAt   time.Time        `json:"created_at"`
	UpdatedAt   time.Time        `json:"updated_at"` // the home's time of what is applied last
	Progress    int64            `json:"progress"`   // tells snapshots of one second apart
	ShipBy      time.Time        `json:"ship_by,omitzero"`
	CancelledAt time.Time        `json:"cancelled_at,omitzero"`
	Cancel      *Cancellation    `json:"cancel,omitempty"` // the home's, or one that was asked for
	Keep        string           `json:"keep,omitempty"`   // why cancelled units stay promised
	Currency    string           `json:"currency,omitempty"`
	Total       string           `json:"total,omitempty"` // a decimal, as the home wrote it
	Money       *Money           `json:"money,omitempty"` // what the total is made of; nil: not known
	Tags        []string         `json:"tags,omitempty"`
	ShipTo      Place            `json:"ship_to"`
	FulfilledBy string           `json:"fulfilled_by,omitempty"` // merchant, amazon
	Short       bool             `json:"short,omitempty"`        // a person knows that stock is missing
	Pending     bool             `json:"pending,omitempty"`      // not confirmed by its home
	Announced   bool             `json:"announced,omitempty"`    // others were told of it
	Quiet       bool             `json:"quiet,omitempty"`        // off before others were told
	Guessed     bool             `json:"guessed,omitempty"`      // its home may have it elsewhere
	Lines       []Line           `json:"lines"`
	Shipments   []Shipment       `json:"shipments"`
	Refunds     []Refund         `json:"refunds"`
	Returns     []Return         `json:"returns"`
	Timeline    []Moment         `json:"timeline"` // newest last, at most MaxTimeline

	Index uint64 `json:"-"` // of its last change, as far as whoever has it knows
}

// External is an order's id in one system.
type External struct {
	System string `json:"system"` // connection id
	Kind   string `json:"kind"`   // order, name, document, …
	ID     string `json:"id"`
}

// Place is as much of where an order goes as routing needs; nothing of the buyer.
type Place struct {
	Country    string `json:"country,omitempty"`
	Region     string `json:"region,omitempty"`
	PostalCode string `json:"postal_code,omitempty"`
}

// State is the first that is true of: cancelled, shipped, partial, waiting, open.
type State string

// The states of an order.
const (
	Cancelled State = "cancelled" // nothing is to ship, and nothing has
	Shipped   State = "shipped"   // all that were to ship have
	Partial   State = "partial"   // some have shipped
	Waiting   State = "waiting"   // something must be mended before all lines have stock
	OpenState State = "open"      // units are promised
)

// The State bytes of the records, so that a listing need not open a body.
var stateBytes = map[State]uint8{Waiting: 1, OpenState: 2, Partial: 3, Shipped: 4, Cancelled: 5}

// Line is one line of an order, by the home's id of it.
type Line struct {
	Ref       string `json:"ref"`
	SKU       string `json:"sku,omitempty"`       // ours; empty while unmapped or untracked
	Theirs    string `json:"theirs,omitempty"`    // the home's SKU
	Title     string `json:"title,omitempty"`     //
	Price     string `json:"price,omitempty"`     // of one unit
	Qty       int64  `json:"qty"`                 // what the home wants now
	Untracked string `json:"untracked,omitempty"` // why it is not stock
	Unmapped  string `json:"unmapped,omitempty"`  // the mapping that it waits for
	Lines     []int  `json:"lines,omitempty"`     // numbers of its lines in the reservation
	Shipped   int64  `json:"shipped,omitempty"`
	Cancelled int64  `json:"cancelled,omitempty"` // ordered once, and not to ship
	Returned  int64  `json:"returned,omitempty"`  // units that came back, in whatever state
	// Substitutes are units of other SKUs that leave in place of as many of this one.
	Substitutes []Replacement `json:"substitutes,omitempty"`
	Lost        int64         `json:"lost,omitempty"` // of those gone, that we have seen to

	Ordered   int64    `json:"ordered"`             // ever
	ToShip    int64    `json:"to_ship"`             // still to leave, as the home has it
	HomeSent  int64    `json:"home_sent,omitempty"` // that have left, as the home has it
	Gone      int64    `json:"gone,omitempty"`      // cancelled and not put back
	Location  string   `json:"location,omitempty"`  // to which the home has pinned it
	Backorder bool     `json:"backorder,omitempty"`
	Counted   []Placed `json:"counted,omitempty"` // what its home took out for it
	Shown     bool     `json:"shown,omitempty"`   // the first counts have it in them
	Item      Item     `json:"item,omitzero"`
}

// Placed is units at a location.
type Placed struct {
	Location string `json:"location"`
	Qty      int64  `json:"qty"`
}

// Item is what the home calls the thing that a line sells.
type Item struct {
	VariantID   int64  `json:"variant_id,omitempty"`
	ItemID      int64  `json:"item_id,omitempty"`
	SellerSKU   string `json:"seller_sku,omitempty"`
	Marketplace string `json:"marketplace,omitempty"`
}

// Shipment is one package. The first report of it ships; a later one attaches.
type Shipment struct {
	Key      string         `json:"key"` // of the package, as who reported it first calls it
	By       string         `json:"by"`  // system that reported it first
	IDs      []External     `json:"ids,omitempty"`
	Parts    []Part         `json:"parts,omitempty"` // of those IDs that are not all of it
	Carrier  string         `json:"carrier,omitempty"`
	Service  string         `json:"service,omitempty"`
	Tracking string         `json:"tracking,omitempty"`
	URL      string         `json:"url,omitempty"`
	Location string         `json:"location,omitempty"`
	At       time.Time      `json:"at"`
	Off      bool           `json:"off,omitempty"` // taken back: it has not left after all
	Lines    []ShipmentLine `json:"lines"`
}

// Part is what one of a package's IDs has of it, where a system keeps one package as several.
type Part struct {
	ID    External       `json:"id"`
	Lines []ShipmentLine `json:"lines"`
}

// ShipmentLine is units of one line, by its Ref. Done of them have reached the ledger, or had
// before the order was known here.
type ShipmentLine struct {
	Ref  string `json:"ref"`
	Qty  int64  `json:"qty"`
	Done int64  `json:"done,omitempty"`
}

// Refund is money that went back; its stock, if any, is in the return or the cancellation.
type Refund struct {
	ID     string         `json:"id"`
	By     string         `json:"by"`
	At     time.Time      `json:"at"`
	Amount string         `json:"amount,omitempty"`
	IDs    []External     `json:"ids,omitempty"` // what other systems call it
	Lines  []ShipmentLine `json:"lines,omitempty"`
}

// Return is units that come back, or have.
type Return struct {
	ID          string         `json:"id"`
	Of          string         `json:"of,omitempty"` // the same reporter's id of the return that it is a part of
	By          string         `json:"by"`
	At          time.Time      `json:"at"`
	State       string         `json:"state"`                 // requested, received, closed, declined
	Disposition string         `json:"disposition,omitempty"` // sellable, damaged, lost
	IDs         []External     `json:"ids,omitempty"`         // what other systems call it
	Counted     bool           `json:"counted,omitempty"`     // its units are on hand again
	Location    string         `json:"location,omitempty"`
	Lines       []ShipmentLine `json:"lines"`
}

// The states of a return. Units have come back only when it is received.
const (
	ReturnRequested = "requested"
	ReturnReceived  = "received"
	ReturnClosed    = "closed"
	ReturnDeclined  = "declined"
)

// Moment is one step of an order's timeline.
type Moment struct {
	At   time.Time `json:"at"`
	What string    `json:"what"` // an Event, or another word for what was done
	By   string    `json:"by,omitempty"`
	More string    `json:"more,omitempty"`
}

// MaxTimeline bounds an order's timeline; the oldest go, the first stays.
const MaxTimeline = 200

// note adds a moment to the timeline.
func (o *Order) note(m Moment) {
	if len(o.Timeline) >= MaxTimeline {
		o.Timeline = append(o.Timeline[:1], o.Timeline[2:]...)
	}
	o.Timeline = append(o.Timeline, m)
}

// line returns the line of a ref, or nil.
func (o *Order) line(ref string) *Line {
	for i := range o.Lines {
		if o.Lines[i].Ref == ref {
			return &o.Lines[i]
		}
	}
	return nil
}

// knows reports whether the order has an id in a system.
func (o *Order) knows(system string) bool {
	for _, e := range o.Externals {
		if e.System == system {
			return true
		}
	}
	return false
}

// toShip is how many units of a line are still to leave: what the home says, less the packages that
// others have reported and the home does not know yet.
func (o *Order) toShip(l *Line) int64 {
	return max(0, l.ToShip-max(0, o.sent(l.Ref)-l.HomeSent))
}

// sent is how many units of a line have left, whoever reported them.
func (o *Order) sent(ref string) (n int64) {
	for i := range o.Shipments {
		if o.Shipments[i].Off {
			continue
		}
		for _, l := range o.Shipments[i].Lines {
			if l.Ref == ref {
				n += l.Qty
			}
		}
	}
	return n
}

// backBy is the most units of a line that one system has in those of its returns that count.
func (o *Order) backBy(ref string, counts func(*Return) bool) (most int64) {
	for i := range o.Returns {
		sum := int64(0)
		for k := range o.Returns {
			r := &o.Returns[k]
			if !r.of(o.Returns[i].By) || !counts(r) {
				continue
			}
			for _, l := range r.Lines {
				if l.Ref == ref {
					sum += l.Qty
				}
			}
		}
		most = max(most, sum)
	}
	return most
}

// of reports whether a system has the return: it has reported it, or what it reported was found to
// be the same one.
func (r *Return) of(system string) bool {
	return r.By == system || slices.ContainsFunc(r.IDs, func(e External) bool {
		return e.System == system
	})
}

// settle makes what follows from the rest of the document.
func (o *Order) settle() {
	var sent, left int64
	for i := range o.Lines {
		l := &o.Lines[i]
		sent += o.sent(l.Ref)
		left += o.toShip(l)
	}
	switch {
	case sent == 0 && left == 0 && o.Keep == "" && len(o.Lines) > 0:
		o.State = Cancelled
	case sent > 0 && left == 0:
		o.State = Shipped
	case sent > 0:
		o.State = Partial
	case len(o.Waits) > 0:
		o.State = Waiting
	default:
		o.State = OpenState
	}
}

// closed reports whether nothing of the order waits for anything.
func (o *Order) closed() bool {
	return (o.State == Cancelled || o.State == Shipped) && len(o.Waits) == 0
}
