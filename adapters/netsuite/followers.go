package netsuite

import (
	"encoding/json"
	"slices"
	"time"
)

// OpenLine is a line of a sales order, a return authorisation or another document as NetSuite has it
// now. It is read before anything is made of the document: its numbers are not in a row, and whatever a
// body leaves out, NetSuite fills in by itself.
type OpenLine struct {
	Line      int64  // orderLine
	Item      string // id
	Type      string // itemType, such as InvtPart; empty: not known
	Location  string // id; empty: the document's
	Quantity  int64
	Remaining int64 // units that nothing was made of yet
	Closed    bool
}

// leaves reports whether a line is of goods that leave: a line of tax, of a charge or of a discount is not
// one of a fulfilment, and NetSuite refuses a body that names it there.
func (l *OpenLine) leaves() bool {
	return slices.Contains([]string{"", "InvtPart", "Assembly", "Kit"}, l.Type)
}

// Match finds the lines of a document again that a bill has written: of each ref, its line there. A line
// is known by its item and its turn among those of that item, so that lines which a person has added do
// no harm. ok is false when one is not there any more.
func (b *Bill) Match(now []OpenLine) (lines map[string]OpenLine, ok bool) {
	lines, ok = make(map[string]OpenLine), true
	items, _ := b.Body["item"].(map[string]any)["items"].([]orderLine)
	used := make(map[int64]bool)
	for i, ref := range b.Refs {
		k := slices.IndexFunc(now, func(l OpenLine) bool {
			return i < len(items) && l.Item == items[i].Item.ID && !used[l.Line]
		})
		if k < 0 {
			ok = ok && ref == ""
			continue
		}
		used[now[k].Line] = true
		if ref != "" {
			lines[ref] = now[k]
		}
	}
	return lines, ok
}

// Units are units of one line of a document.
type Units struct {
	Line     int64
	Location string // id; empty: the line's own
	Qty      int64
}

// Package is what is told of a package that has left, or what of it has left from one location.
type Package struct {
	ExternalID string
	Tracking   string
	At         time.Time
	Units      []Units
}

// transformLine is a line of a body that makes one document of another.
type transformLine struct {
	OrderLine int64        `json:"orderLine"`
	Quantity  *int64       `json:"quantity,omitempty"`
	Location  *id          `json:"location,omitempty"`
	Receive   *bool        `json:"itemReceive,omitempty"`
	Restock   *bool        `json:"restock,omitempty"`
	Rate      *json.Number `json:"rate,omitempty"`
	Amount    *json.Number `json:"amount,omitempty"`
	Closed    *bool        `json:"isClosed,omitempty"`
}

// shipped is the status of a fulfilment that has left: A picked, B packed, C shipped.
const shipped = "C"

// ByLocation parts a package by where its units have left from, in the order in which they are named:
// NetSuite takes one location for a fulfilment. The external id of each part has its location. lines are
// all of the order, closed and fulfilled ones too, so that a package is parted alike before and after one
// of its parts was made. It fails with a Fault: wrong-state when a line is not there, unknown-location when
// one has none.
func (p Package) ByLocation(lines []OpenLine) ([]Package, error) {
	var parts []Package
	for _, u := range p.Units {
		k := slices.IndexFunc(lines, func(l OpenLine) bool { return l.Line == u.Line })
		if k < 0 {
			return nil, refused(codeState, "line %d is not in the sales order", u.Line)
		}
		if u.Location = first(u.Location, lines[k].Location); u.Location == "" {
			return nil, refused(codeNoLocation, "line %d of the sales order has no location", u.Line)
		}
		i := slices.IndexFunc(parts, func(part Package) bool {
			return part.Units[0].Location == u.Location
		})
		if i < 0 {
			i = len(parts)
			parts = append(parts, Package{ExternalID: p.ExternalID + "-l" + u.Location,
				Tracking: p.Tracking, At: p.At})
		}
		parts[i].Units = append(parts[i].Units, u)
	}
	return parts, nil
}

// FulfilmentOf makes the item fulfilment of a sales order of one part of a package. It lists every line
// that is open now, those that are not in it as not to be fulfilled: a line that is left out may be
// fulfilled whole. So the lines are read before each part, and a part is looked for before it is made
// again. It fails with a Fault of the code wrong-state when more has left than is open.
func FulfilmentOf(order int64, now []OpenLine, part Package) (Document, error) {
	units, err := unitsOf(now, part.Units, func(l OpenLine) int64 { return l.Remaining })
	if err != nil {
		return Document{}, err
	}
	body := map[string]any{"shipStatus": id{shipped}, "tranDate": part.At.Format(time.DateOnly),
		"item": map[string]any{"items": fulfilled(now, units, part.Units[0].Location)}}
	if part.Tracking != "" {
		body["package"] = map[string]any{"items": []map[string]any{
			{"packageTrackingNumber": part.Tracking, "packageWeight": json.Number("0.1")}}}
	}
	return Document{Kind: ItemFulfillment, ExternalID: part.ExternalID, Body: body,
		From: &Transformed{Kind: SalesOrder, ID: order, To: ItemFulfillment}}, nil
}

func fulfilled(open []OpenLine, units map[int64]int64, place string) []transformLine {
	var lines []transformLine
	for _, l := range open {
		n := units[l.Line]
		if l.Closed || l.Remaining <= 0 || n == 0 && !l.leaves() {
			continue
		}
		t := transformLine{OrderLine: l.Line, Location: &id{place}, Receive: new(bool)}
		if n > 0 {
			*t.Receive = true
			t.Quantity = &n
		} else if l.Location != "" {
			t.Location = &id{l.Location}
		}
		lines = append(lines, t)
	}
	return lines
}

// Closed is the body that cancels a sales order: every line that is not closed yet is. NetSuite has no
// cancelling of an order whose lines live on in reports. ok is false when there is nothing to close.
func Closed(open []OpenLine) (body map[string]any, ok bool) {
	var lines []map[string]any
	for _, l := range open {
		if !l.Closed {
			lines = append(lines, map[string]any{"line": l.Line, "isClosed": true})
		}
	}
	return map[string]any{"item": map[string]any{"items": lines}}, len(lines) > 0
}

// Coming is a return that is expected, or has come.
type Coming struct {
	ExternalID string
	At         time.Time
	Memo       string
	Units      []Units
}

// ReturnOf makes the return authorisation of a sales order. Lines that do not come back are listed
// as closed: left out, they would be expected whole, and refunded. It fails with a Fault of the code
// wrong-state when a line is not in the order.
func ReturnOf(order int64, lines []OpenLine, c Coming) (Document, error) {
	units, err := unitsOf(lines, c.Units, func(l OpenLine) int64 { return l.Quantity })
	if err != nil {
		return Document{}, err
	}
	var items []transformLine
	for _, l := range lines {
		n := units[l.Line]
		t := transformLine{OrderLine: l.Line, Quantity: &n}
		if n == 0 {
			t.Quantity, t.Closed = nil, yes() // no quantity of nothing is taken
		}
		items = append(items, t)
	}
	return Document{Kind: ReturnAuthorization, ExternalID: c.ExternalID,
		Body: map[string]any{"tranDate": c.At.Format(time.DateOnly), "memo": cut(c.Memo),
			"orderStatus": id{"B"}, "item": map[string]any{"items": items}}, // B: pending receipt
		From: &Transformed{Kind: SalesOrder, ID: order, To: ReturnAuthorization}}, nil
}

// Arrived is units of a return that are here, and whether they can be sold again.
type Arrived struct {
	Coming
	Location string // id
	Restock  bool
}

// ReceiptOf makes the item receipt of a return authorisation. It fails with a Fault of the code
// wrong-state when more has come than is expected.
func ReceiptOf(authorisation int64, lines []OpenLine, a Arrived) (Document, error) {
	units, err := unitsOf(lines, a.Units, func(l OpenLine) int64 { return l.Remaining })
	if err != nil {
		return Document{}, err
	}
	var items []transformLine
	for _, l := range lines {
		n := units[l.Line]
		if l.Closed || l.Remaining <= 0 || n == 0 && !l.leaves() {
			continue
		}
		t := transformLine{OrderLine: l.Line, Receive: new(bool)}
		if n > 0 {
			t.Receive, t.Quantity, t.Restock = yes(), &n, &a.Restock
			if a.Location != "" {
				t.Location = &id{a.Location}
			}
		}
		items = append(items, t)
	}
	return Document{Kind: ItemReceipt, ExternalID: a.ExternalID,
		Body: map[string]any{"tranDate": a.At.Format(time.DateOnly), "memo": cut(a.Memo),
			"item": map[string]any{"items": items}},
		From: &Transformed{Kind: ReturnAuthorization, ID: authorisation, To: ItemReceipt}}, nil
}

func yes() *bool {
	t := true
	return &t
}

// unitsOf adds up the units of each line. It fails when a line is not there, or has fewer than room says.
func unitsOf(lines []OpenLine, all []Units, room func(OpenLine) int64) (map[int64]int64, error) {
	units := make(map[int64]int64)
	for _, u := range all {
		k := slices.IndexFunc(lines, func(l OpenLine) bool { return l.Line == u.Line })
		if units[u.Line] += u.Qty; k < 0 || lines[k].Closed || units[u.Line] > room(lines[k]) {
			return nil, refused(codeState, "line %d does not have %d units for this", u.Line, units[u.Line])
		}
	}
	return units, nil
}
