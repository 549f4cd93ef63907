package spapitest

import (
	"errors"
	"fmt"
	"slices"
)

// Returns is what customers send back, and what becomes of it. The parts that are given happen one
// after the other: request, arrival, refund.
type Returns struct {
	Account string         `json:"account"`
	Order   string         `json:"order"`
	Lines   []PurchaseLine `json:"lines"`  // shipped units of new returns; none: no return is made
	Return  string         `json:"return"` // acts on this one in place of new ones
	Reason  string         `json:"reason"`

	// Received lets the units arrive. Where Amazon fulfilled it, Disposition says in what state:
	// SELLABLE (default), CUSTOMER_DAMAGED, DAMAGED, CARRIER_DAMAGED, DEFECTIVE or EXPIRED.
	Received    bool   `json:"received"`
	Disposition string `json:"disposition"`

	Refund string `json:"refund"` // amount; "all" gives all back that is left
}

// Returned is what came of it.
type Returned struct {
	Returns []string `json:"returns"` // ids (RMA)
	Refund  string   `json:"refund,omitempty"`
}

// Return does what customers, warehouses and Amazon do about goods and money that go back. The error
// says what cannot be done; what came before it stays.
func (s *Server) Return(in Returns) (Returned, error) {
	out := Returned{Returns: []string{}}
	x, err := s.account(in.Account)
	if err != nil {
		return out, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	o := x.byID[in.Order]
	if o == nil {
		return out, fmt.Errorf("%w: no order %q", errOrder, in.Order)
	}
	a := x.begin("buyer")
	backs, err := a.returnsOf(o, in)
	for _, b := range backs {
		out.Returns = append(out.Returns, b.id)
		if err == nil && in.Received {
			a.cause = "warehouse"
			err = a.arrive(b, orElse(in.Disposition, "SELLABLE"))
		}
	}
	if err != nil || in.Refund == "" {
		return out, err
	}
	left := o.total() - o.refunded
	sum, fine := parseMoney(in.Refund, o.market.currency)
	if in.Refund == "all" {
		sum, fine = left, true
	}
	if !fine || sum <= 0 || sum > left {
		return out, fmt.Errorf("%w %s: refund %q of %s", errOrder, o.id, in.Refund,
			left.text(o.market.currency))
	}
	a.cause = "system"
	out.Refund = a.refund(o, sum).refund
	return out, nil
}

// returnsOf finds the return that is meant, or opens new ones.
func (a *action) returnsOf(o *order, in Returns) ([]*returned, error) {
	var out []*returned
	for _, b := range a.acct.returns {
		if b.id == in.Return && b.order == o {
			out = append(out, b)
		}
	}
	if in.Return != "" {
		if len(out) == 0 {
			return nil, fmt.Errorf("%w %s: no return %q", errOrder, o.id, in.Return)
		}
		return out, nil
	}
	for _, l := range in.Lines {
		i := slices.IndexFunc(o.items, func(i *orderItem) bool { return i.listing.sku == l.SKU })
		if i < 0 {
			return out, fmt.Errorf("%w %s: no item with SKU %q", errOrder, o.id, l.SKU)
		}
		b, err := a.giveBack(o, o.items[i], orElse(l.Qty, 1), in.Reason)
		if err != nil {
			return out, err
		}
		out = append(out, b)
	}
	return out, nil
}

// Edits is what staff do in Seller Central and in warehouses.
type Edits struct {
	Account  string        `json:"account"`
	Listings []ListingEdit `json:"listings"`
	Stock    []StockEdit   `json:"stock"`
	Access   []AccessEdit  `json:"access"`
}

// ListingEdit changes a listing at once.
type ListingEdit struct {
	SKU      string `json:"sku"`
	Quantity *int64 `json:"quantity"` // of a listing that the merchant fulfils
	Adjust   int64  `json:"adjust"`   // added to it
	ToFBA    bool   `json:"to_fba"`   // Amazon fulfils it from now on
	ToMFN    bool   `json:"to_mfn"`   // the merchant does
	Delete   bool   `json:"delete"`
	Issue    string `json:"issue"` // an issue with this text appears
	Resolve  bool   `json:"resolve"`
}

// StockEdit changes numbers of Amazon's warehouses: fulfillable, pending, transfer, processing,
// inbound_working, inbound_shipped, inbound_receiving, researching, customer_damaged and so on.
type StockEdit struct {
	SKU         string           `json:"sku"`
	Marketplace string           `json:"marketplace"` // of the pool; default the first
	Set         map[string]int64 `json:"set"`
	Add         map[string]int64 `json:"add"`
}

// AccessEdit changes what an application may do.
type AccessEdit struct {
	App     string   `json:"app"`    // default the first
	Revoke  bool     `json:"revoke"` // the seller withdraws the authorisation
	Restore bool     `json:"restore"`
	Rotate  bool     `json:"rotate"` // a new client secret; the old one works for seven days
	Expire  bool     `json:"expire"` // every access token that is out
	Roles   []string `json:"roles"`  // replaces them
}

// Edited is what came of edits.
type Edited struct {
	Secrets map[string]string `json:"client_secrets,omitempty"` // by application, after a rotation
}

var errEdit = errors.New("edit")

// Edit does what staff do. The error says what cannot be done; what came before it stays.
func (s *Server) Edit(in Edits) (Edited, error) {
	out := Edited{}
	x, err := s.account(in.Account)
	if err != nil {
		return out, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	a := x.begin("admin")
	for _, e := range in.Listings {
		if err := a.editListing(e); err != nil {
			return out, fmt.Errorf("%w: %w", errEdit, err)
		}
	}
	for _, e := range in.Stock {
		l, pool := x.bySKU[e.SKU], x.pool(e.Marketplace)
		if l == nil || pool < 0 {
			return out, fmt.Errorf("%w: no SKU %q or marketplace %q", errEdit, e.SKU, e.Marketplace)
		}
		a.cause = "warehouse"
		if err := a.editFBA(l, pool, e.Set, e.Add); err != nil {
			return out, fmt.Errorf("%w: %w", errEdit, err)
		}
	}
	for _, e := range in.Access {
		if err := a.editAccess(e, &out); err != nil {
			return out, fmt.Errorf("%w: %w", errEdit, err)
		}
	}
	return out, nil
}

func (a *action) editListing(e ListingEdit) error {
	l := a.acct.bySKU[e.SKU]
	if l == nil {
		return fmt.Errorf("no SKU %q", e.SKU)
	}
	n := l.quantity + e.Adjust
	if e.Quantity != nil {
		n = *e.Quantity + e.Adjust
	}
	switch {
	case e.Delete:
		a.acct.removeListing(a, l)
		return nil
	case e.ToFBA:
		a.convert(l, "AMAZON_"+map[string]string{"na": "NA", "eu": "EU", "fe": "JP"}[a.acct.cfg.Region],
			"replace")
	case e.ToMFN:
		l.fba, l.own, l.stranded = "", true, false
		a.log(Entry{Kind: "listing", Op: "converted", SKU: l.sku, Channel: "MFN"})
	case e.Issue != "":
		l.issues = append(l.issues, issue{"18027", e.Issue, "ERROR", nil})
		a.tellIssues(l)
	case e.Resolve:
		l.issues = nil
		a.tellIssues(l)
	}
	if n < 0 {
		return fmt.Errorf("SKU %s: quantity %d", l.sku, n)
	}
	if n != l.quantity {
		a.setQuantity(l, n, "")
	}
	return nil
}

func (a *action) editAccess(e AccessEdit, out *Edited) error {
	srv := a.acct.srv
	i := slices.IndexFunc(srv.apps, func(x *app) bool { return x.cfg.Name == e.App || e.App == "" })
	if i < 0 {
		return fmt.Errorf("no application %q", e.App)
	}
	x := srv.apps[i]
	if e.Revoke || e.Restore {
		srv.tokens.revoke(a.acct, x, e.Revoke)
		a.log(Entry{Kind: "admin", Op: map[bool]string{true: "revoked", false: "restored"}[e.Revoke],
			App: x.cfg.Name})
	}
	if e.Expire {
		srv.tokens.expireAll(x)
		a.log(Entry{Kind: "admin", Op: "tokens_expired", App: x.cfg.Name})
	}
	if e.Roles != nil {
		srv.tokens.setRoles(x, e.Roles)
		a.log(Entry{Kind: "admin", Op: "roles", App: x.cfg.Name})
	}
	if e.Rotate {
		if out.Secrets == nil {
			out.Secrets = map[string]string{}
		}
		out.Secrets[x.cfg.Name] = srv.tokens.rotate(x)
		a.log(Entry{Kind: "admin", Op: "secret_rotated", App: x.cfg.Name})
	}
	return nil
}
