package routing

import (
	"context"
	"encoding/json"
	"fmt"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// shelf is the stock of an order's SKUs as it was read: what rules are tried on without the
// ledger's lock.
type shelf struct {
	available map[[2]string]int64 // by location and SKU
	kits      map[string][]engine.KitPart
	known     map[string]bool
	fba       map[string]bool   // the locations where a kit has units of its own
	about     map[string][]byte // attributes, by SKU
}

// readShelf reads the stock of the lines and of what their kits are made of. It fails with the
// store's error. Between two SKUs the ledger may move on: a decision is a guess either way.
func readShelf(ctx context.Context, reader records.Reader, lines []Line) (*shelf, uint64, error) {
	s := &shelf{available: map[[2]string]int64{}, kits: map[string][]engine.KitPart{},
		known: map[string]bool{}, fba: map[string]bool{}, about: map[string][]byte{}}
	todo := make([]string, 0, len(lines))
	for _, l := range lines {
		todo = append(todo, l.SKU)
	}
	index, err := reader.Ledger(ctx, func(l *engine.Ledger) (more bool) {
		if len(todo) == 0 {
			return false
		}
		sku := todo[0]
		todo = append(todo[1:], s.take(l, sku)...)
		return len(todo) > 0
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read the stock to decide on: %w", err)
	}
	return s, index, nil
}

// take copies the stock of one SKU and returns the SKUs that it is made of.
func (s *shelf) take(l *engine.Ledger, name string) (parts []string) {
	if s.known[name] {
		return nil
	}
	sku, ok := l.SKU(name)
	if !ok {
		return nil
	}
	s.known[name], s.about[name] = true, sku.Attributes
	rows, _ := l.Stock(name)
	for i := range rows {
		s.available[[2]string{rows[i].Location, name}] = rows[i].Available()
		if d, _ := l.Location(rows[i].Location); d.Kind == engine.FBA {
			s.fba[rows[i].Location] = true
		}
	}
	s.kits[name] = sku.Kit
	for _, part := range sku.Kit {
		parts = append(parts, part.SKU)
	}
	return parts
}

// tags are those of a SKU's definition, which the edge keeps in its attributes.
func (s *shelf) tags(sku string) []string {
	var about struct {
		Tags []string `json:"tags"`
	}
	if len(s.about[sku]) == 0 || json.Unmarshal(s.about[sku], &about) != nil {
		return nil
	}
	return about.Tags
}

// Covers reports whether a location alone has every unit of the lines. A SKU that is not known, and
// a quantity that no line can have, are covered by nothing.
func (s *shelf) Covers(location string, lines []Line) bool {
	need := make(map[string]int64, len(lines))
	for _, l := range lines {
		if !s.known[l.SKU] || l.Qty < 1 || l.Qty > engine.MaxQty {
			return false
		}
		kit := s.kits[l.SKU]
		if s.fba[location] {
			kit = nil // at Amazon a kit lies packed, with a number of its own
		}
		if len(kit) == 0 {
			need[l.SKU] += l.Qty
		}
		for _, part := range kit {
			need[part.SKU] += l.Qty * part.Qty // both at most 10⁹: no overflow in one line
		}
	}
	for sku, qty := range need {
		if qty < 0 || s.available[[2]string{location, sku}] < qty {
			return false
		}
	}
	return true
}

// ledgerNames are the names of a ledger as it is now, used under its lock only.
type ledgerNames struct{ ledger *engine.Ledger }

func (n ledgerNames) Channel(id string) bool {
	_, ok := n.ledger.Channel(id)
	return ok
}

func (n ledgerNames) Location(id string) (fba, ok bool) {
	l, ok := n.ledger.Location(id)
	return ok && l.Kind == engine.FBA, ok
}
