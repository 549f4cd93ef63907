package netsuitetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
)

// errStaff marks what staff cannot do.
var errStaff = errors.New("staff cannot do that")

// Orders is what staff enter: sales orders that no integration knows of.
type Orders struct {
	Count    int         `json:"count"` // default 1
	Seed     uint64      `json:"seed"`  // 0 takes the server's
	Customer string      `json:"customer"`
	Location string      `json:"location"` // default the first
	Lines    []OrderLine `json:"lines"`    // none: up to MaxLines are drawn from SKUs
	SKUs     []string    `json:"skus"`     // default all that have stock
	MaxLines int         `json:"max_lines"`
	MaxQty   int         `json:"max_qty"`

	ExternalID string `json:"external_id"` // of a single order, as another tool would write it
	Reference  string `json:"reference"`   // otherRefNum
	Pending    bool   `json:"pending"`     // not yet approved: nothing is committed
}

// OrderLine is a line of an order that staff enter.
type OrderLine struct {
	SKU      string `json:"sku"`
	Qty      int64  `json:"qty"`
	Rate     string `json:"rate"` // default the item's price
	Location string `json:"location"`
}

// Placed is an order that staff entered.
type Placed struct {
	ID     int64  `json:"id"`
	Number string `json:"number"`
}

// Enter makes orders as staff do. The error says what cannot be done; orders entered before it stay.
func (s *Server) Enter(in Orders) ([]Placed, error) {
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if in.Seed == 0 {
		in.Seed = s.cfg.Seed
	}
	rng := rand.New(rand.NewPCG(in.Seed, uint64(a.numbers["salesOrder"])))
	customer := a.byName("customer", in.Customer)
	location := a.byName("location", in.Location)
	if customer == nil || location == nil {
		return nil, fmt.Errorf("%w: no customer %q or location %q", errStaff, in.Customer, in.Location)
	}
	var out []Placed
	for range max(1, in.Count) {
		r := &record{typ: recordTypes["salesorder"], external: in.ExternalID, values: values{
			"entity": ref(customer.id), "location": ref(location.id), "orderStatus": enum("B")}}
		if in.Pending {
			r.values["orderStatus"] = enum("A")
		}
		if in.Reference != "" {
			r.values["otherRefNum"] = in.Reference
		}
		lines := in.Lines
		if len(lines) == 0 {
			lines = a.draw(in, rng)
		}
		for _, l := range lines {
			x, err := a.staffLine(l)
			if err != nil {
				return out, err
			}
			r.append("item", x)
		}
		saved := &saving{act: &action{cause: "staff"}, r: r}
		if err := a.save(saved); err != nil {
			return out, fmt.Errorf("%w: %w", errStaff, err)
		}
		out = append(out, Placed{r.id, r.text("tranId")})
	}
	return out, nil
}

// byName finds a record of a list by its name, number or external id; "" is the first.
func (a *account) byName(typ, name string) *record {
	for _, r := range a.byType[typ] {
		if name == "" || r.name() == name || r.external == name || strconv.FormatInt(r.id, 10) == name {
			return r
		}
	}
	return nil
}

// itemBySKU finds an item by its name; nil without one.
func (a *account) itemBySKU(sku string) *record {
	for _, t := range typesOf("item") {
		for _, r := range a.byType[t.name] {
			if r.text("itemId") == sku {
				return r
			}
		}
	}
	return nil
}

func (a *account) staffLine(l OrderLine) (*line, error) {
	item := a.itemBySKU(l.SKU)
	if item == nil {
		return nil, fmt.Errorf("%w: no SKU %q", errStaff, l.SKU)
	}
	out := &line{values: values{"item": ref(item.id), "quantity": whole(max(1, l.Qty))}}
	if rate, ok := parseDec(l.Rate); ok {
		out.values["rate"] = rate
	}
	if l.Location != "" {
		at := a.byName("location", l.Location)
		if at == nil {
			return nil, fmt.Errorf("%w: no location %q", errStaff, l.Location)
		}
		out.values["location"] = ref(at.id)
	}
	return out, nil
}

// draw makes lines by chance.
func (a *account) draw(in Orders, rng *rand.Rand) []OrderLine {
	skus := slices.Clone(in.SKUs)
	if len(skus) == 0 {
		for _, r := range a.byType["inventoryItem"] {
			skus = append(skus, r.text("itemId"))
		}
	}
	rng.Shuffle(len(skus), func(i, j int) { skus[i], skus[j] = skus[j], skus[i] })
	n := min(len(skus), 1+rng.IntN(max(1, in.MaxLines)))
	var out []OrderLine
	for _, sku := range skus[:n] {
		out = append(out, OrderLine{SKU: sku, Qty: 1 + rng.Int64N(int64(max(1, in.MaxQty)))})
	}
	return out
}

// Staff is what people do in the account, in the order of the fields. Orders and other records are named
// by internal id, document number or external id.
type Staff struct {
	Approve []string    `json:"approve"` // orders and returns
	Pack    []Pack      `json:"pack"`
	Close   []string    `json:"close"` // every line of these orders
	Bill    []Bill      `json:"bill"`
	Receive []Receive   `json:"receive"`
	Adjust  []Adjust    `json:"adjust"`
	Periods []Period    `json:"periods"`
	Locks   []Lock      `json:"locks"`
	Touch   []string    `json:"touch"` // workflows that save a record again
	Items   []ItemState `json:"items"`
}

// Pack fulfils what is committed: one fulfilment for each location.
type Pack struct {
	Order    string      `json:"order"`
	Percent  float64     `json:"percent"`  // in place of Order: of all orders that can be fulfilled
	Seed     uint64      `json:"seed"`     // of the percent
	Lines    []OrderLine `json:"lines"`    // only these SKUs, so many
	Status   string      `json:"status"`   // A picked, B packed or C shipped (default)
	Tracking string      `json:"tracking"` // number of the package; the location's name is added
}

// Bill bills an order.
type Bill struct {
	Order string `json:"order"`
	As    string `json:"as"` // invoice (default) or cashSale
}

// Receive receives a return, or a transfer, whole.
type Receive struct {
	Order     string `json:"order"`
	Location  string `json:"location"` // default that of the lines
	NoRestock bool   `json:"no_restock"`
}

// Adjust changes what is on hand, by so much or to so much.
type Adjust struct {
	SKU      string `json:"sku"`
	Location string `json:"location"`
	By       string `json:"by"`
	To       string `json:"to"`
}

// Period closes or opens an accounting period, named by its month such as 2026-10.
type Period struct {
	Month  string `json:"month"`
	Closed bool   `json:"closed"`
}

// Lock makes a workflow refuse every change of a record, or ends that.
type Lock struct {
	Record string `json:"record"`
	Locked bool   `json:"locked"`
}

// ItemState makes an item inactive or active.
type ItemState struct {
	SKU      string `json:"sku"`
	Inactive bool   `json:"inactive"`
}

// Work does what staff do. The error says what cannot be done; what came before it stays.
func (s *Server) Work(in Staff) error {
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	var steps []func() error
	for _, name := range in.Approve {
		steps = append(steps, func() error { return a.edit(name, approve) })
	}
	for _, p := range in.Pack {
		steps = append(steps, func() error { return a.pack(p, s.cfg.Seed) })
	}
	for _, name := range in.Close {
		steps = append(steps, func() error { return a.edit(name, closeLines) })
	}
	for _, b := range in.Bill {
		steps = append(steps, func() error { return a.bill(b) })
	}
	for _, r := range in.Receive {
		steps = append(steps, func() error { return a.receive(r) })
	}
	for _, x := range in.Adjust {
		steps = append(steps, func() error { return a.adjust(x) })
	}
	for _, p := range in.Periods {
		steps = append(steps, func() error { return a.setPeriod(p) })
	}
	for _, l := range in.Locks {
		steps = append(steps, func() error { return a.lock(l) })
	}
	for _, name := range in.Touch {
		steps = append(steps, func() error { return a.edit(name, func(*record) {}) })
	}
	for _, i := range in.Items {
		steps = append(steps, func() error { return a.setItem(i) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("%w: %w", errStaff, err)
		}
	}
	return nil
}

func approve(r *record) { r.values["orderStatus"] = enum("B") }

func closeLines(r *record) {
	for _, l := range r.items() {
		l.values["isClosed"] = true
	}
}

// transaction finds a transaction by internal id, document number or external id.
func (a *account) transaction(name string) (*record, error) {
	id, err := strconv.ParseInt(name, 10, 64)
	if r := a.records[transactionFamily][id]; err == nil && r != nil {
		return r, nil
	}
	for _, t := range typesOf(transactionFamily) {
		if r := a.byExternal[a.externalKeyOf(t, name)]; r != nil {
			return r, nil
		}
		for _, r := range a.byType[t.name] {
			if r.text("tranId") == name {
				return r, nil
			}
		}
	}
	return nil, fmt.Errorf("no transaction %q", name)
}
