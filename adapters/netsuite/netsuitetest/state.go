package netsuitetest

import (
	"fmt"
	"time"
)

// State is what the account holds. It is read at one moment.
type State struct {
	At           time.Time          `json:"at"`
	Account      string             `json:"account"`
	Levels       []LevelState       `json:"levels"`
	Items        []ItemInfo         `json:"items"`
	Places       []PlaceState       `json:"locations"`
	Transactions []TransactionState `json:"transactions,omitempty"`

	Concurrency int `json:"concurrency"`
	Highest     int `json:"highest_concurrency"` // requests that were under way at a time
}

// LevelState is the stock of an item at a location. Numbers are decimals.
type LevelState struct {
	SKU         string `json:"sku"`
	Item        int64  `json:"item"`
	Location    string `json:"location"`
	LocationID  int64  `json:"location_id"`
	OnHand      string `json:"on_hand"`
	Committed   string `json:"committed"`
	Available   string `json:"available"`
	BackOrdered string `json:"backordered"`
	InTransit   string `json:"in_transit"`
}

// ItemInfo is an item.
type ItemInfo struct {
	ID         int64  `json:"id"`
	SKU        string `json:"sku"`
	ExternalID string `json:"external_id,omitempty"`
	Type       string `json:"type"`
	UPC        string `json:"upc,omitempty"`
}

// PlaceState is a location.
type PlaceState struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// TransactionState is a transaction.
type TransactionState struct {
	ID         int64       `json:"id"`
	Type       string      `json:"type"`
	Number     string      `json:"number"`
	ExternalID string      `json:"external_id,omitempty"`
	Status     string      `json:"status,omitempty"`
	By         string      `json:"by"` // api or staff
	From       int64       `json:"created_from,omitempty"`
	Date       string      `json:"date"`
	Total      string      `json:"total,omitempty"`
	Reference  string      `json:"reference,omitempty"`
	Lines      []LineState `json:"lines"`
}

// LineState is a line of a transaction. Numbers are decimals.
type LineState struct {
	Line        int64  `json:"line"`
	SKU         string `json:"sku"`
	Location    string `json:"location,omitempty"`
	Qty         string `json:"qty"`
	Amount      string `json:"amount,omitempty"`
	Closed      bool   `json:"closed,omitempty"`
	Committed   string `json:"committed,omitempty"`
	BackOrdered string `json:"backordered,omitempty"`
	Shipped     string `json:"shipped,omitempty"`
	Billed      string `json:"billed,omitempty"`
	Received    string `json:"received,omitempty"`
	OrderLine   int64  `json:"order_line,omitempty"`
}

// State reads the account.
func (s *Server) State() State {
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	out := State{At: a.now(), Account: a.cfg.Account}
	out.Concurrency, _, out.Highest = s.limit.read()
	for _, b := range a.order {
		out.Levels = append(out.Levels, a.levelState(b))
	}
	for _, t := range typesOf("item") {
		for _, r := range a.byType[t.name] {
			out.Items = append(out.Items, ItemInfo{r.id, r.text("itemId"), r.external, t.code,
				r.text("upcCode")})
		}
	}
	for _, r := range a.byType["location"] {
		out.Places = append(out.Places, PlaceState{r.id, r.text("name")})
	}
	for _, t := range typesOf(transactionFamily) {
		for _, r := range a.byType[t.name] {
			out.Transactions = append(out.Transactions, a.transactionState(r))
		}
	}
	return out
}

// Level reads the stock of an item at a location, by their names.
func (s *Server) Level(sku, location string) (LevelState, bool) {
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	item, at := a.itemBySKU(sku), a.byName("location", location)
	if item == nil || at == nil {
		return LevelState{}, false
	}
	return a.levelState(a.bucket(item.id, at.id)), true
}

// Find reads a transaction by internal id, document number or external id. The error says that there is
// none.
func (s *Server) Find(name string) (TransactionState, error) {
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	r, err := a.transaction(name)
	if err != nil {
		return TransactionState{}, fmt.Errorf("simulated NetSuite: %w", err)
	}
	return a.transactionState(r), nil
}

func (a *account) levelState(b *bucket) LevelState {
	return LevelState{SKU: a.records["item"][b.item].name(), Item: b.item,
		Location: a.records["location"][b.location].name(), LocationID: b.location,
		OnHand: b.onHand.String(), Committed: b.committed.String(), Available: b.available().String(),
		BackOrdered: b.backordered.String(), InTransit: b.inTransit.String()}
}

func (a *account) transactionState(r *record) TransactionState {
	out := TransactionState{ID: r.id, Type: r.typ.name, Number: r.text("tranId"),
		ExternalID: r.external, Status: r.status, By: r.by, Date: r.text("tranDate"),
		Reference: r.text("otherRefNum")}
	if r.source != nil {
		out.From = r.source.id
	}
	if r.typ.fields["total"] != nil {
		out.Total = r.total.String()
	}
	for _, sub := range []string{"item", "inventory"} {
		for _, l := range r.lines[sub] {
			out.Lines = append(out.Lines, a.lineState(r, l))
		}
	}
	return out
}

func (a *account) lineState(r *record, l *line) LineState {
	out := LineState{Line: l.no, Qty: l.num("quantity").String(), Closed: l.flag("isClosed"),
		OrderLine: int64(l.num("orderLine") / one)}
	if l.has("adjustQtyBy") {
		out.Qty = l.num("adjustQtyBy").String()
	}
	if item := a.item(l.values); item != nil {
		out.SKU = item.text("itemId")
	}
	if at := a.get("location", l.ref("location")); at != nil {
		out.Location = at.text("name")
	}
	if l.has("amount") {
		out.Amount = l.num("amount").String()
	}
	if r.is("salesOrder", "returnAuthorization", "transferOrder") {
		out.Committed, out.BackOrdered = l.committed.String(), l.backordered.String()
		out.Shipped, out.Billed, out.Received = l.shipped.String(), l.billed.String(), l.received.String()
	}
	return out
}

// ListID is the internal id of a record of a list (customer, currency, subsidiary, location) by its
// name, or of the first where the name is ""; "" where there is none.
func (s *Server) ListID(typ, name string) string {
	s.account.mu.Lock()
	defer s.account.mu.Unlock()
	for _, r := range s.account.byType[typ] {
		if name == "" || r.name() == name || r.text("symbol") == name {
			return fmt.Sprint(r.id)
		}
	}
	return ""
}
