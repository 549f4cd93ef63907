package netsuitetest

import (
	"fmt"
	"slices"
)

// Cancels is what staff close: every line of each of these orders.
type Cancels struct {
	Orders []string `json:"orders"` // internal ids, numbers or external ids
}

// Cancel closes orders and returns their names as they were given. The error names one that cannot be
// closed; those before it are.
func (s *Server) Cancel(in Cancels) ([]string, error) {
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	out := []string{}
	for _, name := range in.Orders {
		if err := a.edit(name, closeLines); err != nil {
			return out, fmt.Errorf("%w: %w", errStaff, err)
		}
		out = append(out, name)
	}
	return out, nil
}

// Returns is a return that staff enter for an order that was shipped.
type Returns struct {
	Order     string      `json:"order"`
	Lines     []OrderLine `json:"lines"` // SKUs and units; none: all that was shipped
	Received  bool        `json:"received"`
	Location  string      `json:"location"` // where it is received; default that of the lines
	NoRestock bool        `json:"no_restock"`
}

// Returned is the return that came of it.
type Returned struct {
	ID     int64  `json:"id"`
	Number string `json:"number"`
}

// Return makes a return authorisation that is approved, and its receipt where it is asked for. The
// error says what cannot be done; an authorisation made before a receipt failed stays.
func (s *Server) Return(in Returns) (Returned, error) {
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	o, err := a.transaction(in.Order)
	if err != nil {
		return Returned{}, fmt.Errorf("%w: %w", errStaff, err)
	}
	var missing, most string
	err = a.derive("returnAuthorization", o, func(r *record) {
		r.values["orderStatus"] = enum("B")
		missing, most = a.keepOnly(r, in.Lines)
		if missing != "" || most != "" {
			r.lines["item"] = nil // a record without lines is refused
		}
	})
	switch {
	case missing != "":
		return Returned{}, fmt.Errorf("%w: %s has no shipped line of SKU %q", errStaff, in.Order, missing)
	case most != "":
		return Returned{}, fmt.Errorf("%w: %s shipped less of SKU %q", errStaff, in.Order, most)
	case err != nil:
		return Returned{}, fmt.Errorf("%w: %w", errStaff, err)
	}
	all := a.byType["returnAuthorization"]
	back := all[len(all)-1]
	out := Returned{back.id, back.text("tranId")}
	if !in.Received {
		return out, nil
	}
	receipt := Receive{Order: out.Number, Location: in.Location, NoRestock: in.NoRestock}
	if err := a.receive(receipt); err != nil {
		return out, fmt.Errorf("%w: %w", errStaff, err)
	}
	return out, nil
}

// keepOnly cuts the lines of a return down to what goes back. It names a SKU that is not among them,
// or of which more is asked for than was shipped.
func (a *account) keepOnly(r *record, lines []OrderLine) (missing, most string) {
	if len(lines) == 0 {
		return "", ""
	}
	var kept []*line
	for _, want := range lines {
		i := slices.IndexFunc(r.items(), func(l *line) bool {
			return a.item(l.values).text("itemId") == want.SKU
		})
		if i < 0 {
			return want.SKU, ""
		}
		l := r.items()[i]
		if n := whole(want.Qty); want.Qty > 0 && n != l.num("quantity") {
			if n > l.num("quantity") {
				return "", want.SKU
			}
			l.values["quantity"] = n
			delete(l.values, "amount") // of the whole line
		}
		kept = append(kept, l)
	}
	r.lines["item"] = kept
	return "", ""
}
