package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/adapters/orders"
	"holdfast/engine"
)

// Orders is what the edge needs of the orders. Its errors are as those of Ledger. It is safe for
// concurrent use.
type Orders interface {
	// Find turns what a caller names an order by into its id.
	Find(ctx context.Context, ref string) (id string, err error)
	Get(ctx context.Context, id string) (orders.Order, error)
	List(ctx context.Context, q orders.Query) (page []orders.Order, next string, err error)
	Ship(ctx context.Context, id string, s orders.Shipment) (orders.Order, error)
	Cancel(ctx context.Context, id string, r orders.CancelRequest) (orders.Order, error)
	Decide(ctx context.Context, id, by string, accept bool) (orders.Order, error)
	Return(ctx context.Context, id string, r orders.Return) (orders.Order, error)
	Refund(ctx context.Context, id string, r orders.Refund) (orders.Order, error)
	Retry(ctx context.Context, id string) (orders.Order, error)
}

// orderLineBody names a line by the home's ref, or by its SKU when only one line has it.
type orderLineBody struct {
	Ref string `json:"ref" is:"ref"`
	SKU string `json:"sku" is:"sku"`
	Qty int64  `json:"qty" is:"int 1 1000000000" required:"yes"`
}

// shipmentBody is a package; without lines it has all that is left.
type shipmentBody struct {
	Package  string          `json:"package" is:"note"`
	By       string          `json:"by" is:"id"`
	Carrier  string          `json:"carrier" is:"note"`
	Service  string          `json:"service" is:"note"`
	Tracking string          `json:"tracking" is:"note"`
	URL      string          `json:"url" is:"title"`
	Location string          `json:"location" is:"id"`
	At       string          `json:"at" is:"time"`
	Lines    []orderLineBody `json:"lines" most:"1000 order-lines"`
}

// cancelBody is a wish: the order's home decides. Answer is for a buyer's wish that waits for one.
type cancelBody struct {
	By      string `json:"by" is:"id"`
	Reason  string `json:"reason" is:"words CUSTOMER DECLINED FRAUD INVENTORY OTHER STAFF"`
	Restock *bool  `json:"restock"`
	Answer  string `json:"answer" is:"words accept decline"`
}

// returnBody is units that come back, or have.
type returnBody struct {
	ID          string          `json:"id" is:"ref"`
	By          string          `json:"by" is:"id"`
	State       string          `json:"state" is:"words requested received closed declined"`
	Disposition string          `json:"disposition" is:"words sellable damaged lost"`
	Location    string          `json:"location" is:"id"`
	At          string          `json:"at" is:"time"`
	Lines       []orderLineBody `json:"lines" most:"1000 order-lines"`
}

// refundBody is money that went back; amount is a decimal as text, in the order's currency.
type refundBody struct {
	ID     string          `json:"id" is:"ref"`
	By     string          `json:"by" is:"id"`
	Amount string          `json:"amount" is:"note"`
	At     string          `json:"at" is:"time"`
	Lines  []orderLineBody `json:"lines" most:"1000 order-lines"`
}

var (
	shipmentBodies = newBody[shipmentBody]()
	cancelBodies   = newBody[cancelBody]()
	returnBodies   = newBody[returnBody]()
	refundBodies   = newBody[refundBody]()
)

func orderRoutes() []*route {
	change := func(path string, handle func(*call) error) *route {
		return write("POST", "/v1/orders/{id}"+path, handle, reserveBytes, "order-bytes")
	}
	return []*route{
		get("/v1/orders", listOrders, "external", "state", "after", "limit"),
		get("/v1/orders/{id}", getOrder),
		change("/shipments", postShipment),
		change("/cancel", postCancel),
		change("/returns", postReturn),
		change("/refunds", postRefund),
		write("POST", "/v1/orders/{id}/retry", postOrderRetry, 0, ""),
	}
}

// caller is the system that reports when a body does not say.
const caller = "api"

// orders returns the port, or the 404 of a server that serves no orders.
func (c *call) orders() (Orders, error) {
	if c.s.cfg.Orders == nil {
		return nil, newProblem(codeNotFound, "This server serves no orders.")
	}
	return c.s.cfg.Orders, nil
}

// order finds the order of the path.
func (c *call) order(ctx context.Context) (Orders, string, error) {
	book, err := c.orders()
	if err != nil {
		return nil, "", err
	}
	ref, err := c.param(0, "id", noteRule)
	if err != nil {
		return nil, "", err
	}
	id, err := book.Find(ctx, ref)
	if err != nil {
		return nil, "", problemOf(err, false)
	}
	return book, id, nil
}

func (c *call) bound() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.s.base, c.s.cfg.LedgerTimeout)
}

func getOrder(c *call) error {
	if err := c.read(func(*engine.Ledger) bool { return false }); err != nil {
		return err
	}
	ctx, cancel := c.bound()
	defer cancel()
	book, id, err := c.order(ctx)
	if err != nil {
		return err
	}
	o, err := book.Get(ctx, id)
	if err != nil {
		return problemOf(err, false)
	}
	return c.replyOrder(&o)
}

// replyOrder sends an order with the index of its last change.
func (c *call) replyOrder(o *orders.Order) error {
	c.index = max(c.index, o.Index)
	body, err := appendOrder(c.buf[:0], o)
	if err != nil {
		return err
	}
	c.buf = body
	return c.reply(200)
}

// orderView is an order as it is shown: without what only the book's own arithmetic needs, which
// changes with it. A member of the same name here stands in front of the order's.
type orderView struct {
	*orders.Order
	Progress  hidden         `json:"progress,omitzero"`
	Announced hidden         `json:"announced,omitzero"`
	Quiet     hidden         `json:"quiet,omitzero"`
	Lines     []orderLineOut `json:"lines"`
	Index     uint64         `json:"index"`
}

type orderLineOut struct {
	*orders.Line
	ToShip   hidden `json:"to_ship,omitzero"`
	HomeSent hidden `json:"home_sent,omitzero"`
	Gone     hidden `json:"gone,omitzero"`
	Lost     hidden `json:"lost,omitzero"`
	Counted  hidden `json:"counted,omitzero"`
	Item     hidden `json:"item,omitzero"`
}

// hidden is never written.
type hidden struct{}

func appendOrder(b []byte, o *orders.Order) ([]byte, error) {
	v := orderView{Order: o, Index: o.Index, Lines: make([]orderLineOut, len(o.Lines))}
	for i := range o.Lines {
		v.Lines[i].Line = &o.Lines[i]
	}
	text, err := json.Marshal(v)
	return append(b, text...), err
}

func listOrders(c *call) error {
	book, err := c.orders()
	if err != nil {
		return err
	}
	var q orders.Query
	state, err := c.query("state", func(text string) string {
		if slices.Contains(orderStates, text) {
			return ""
		}
		return "must be one of " + strings.Join(orderStates, ", ")
	})
	if err != nil {
		return err
	}
	q.State = orders.State(state)
	if q.External, err = c.query("external", noteRule); err != nil {
		return err
	}
	limit, err := c.queryInt("limit", 100, 1, 1000)
	if err != nil {
		return err
	}
	q.Limit = int(limit)
	if v := string(c.ctx.QueryArgs().Peek("after")); v != "" {
		coded, ours := strings.CutPrefix(v, cursorMark)
		id, err := base64.RawURLEncoding.DecodeString(coded)
		if err != nil || !ours {
			return invalid("after", "must be the cursor next of an earlier page")
		}
		q.After = string(id)
	}
	if err := c.read(func(*engine.Ledger) bool { return false }); err != nil {
		return err
	}
	ctx, cancel := c.bound()
	defer cancel()
	page, next, err := book.List(ctx, q)
	if err != nil {
		return problemOf(err, false)
	}
	return c.replyOrders(page, next)
}

var orderStates = []string{string(orders.Waiting), string(orders.OpenState), string(orders.Partial),
	string(orders.Shipped), string(orders.Cancelled)}

func (c *call) replyOrders(page []orders.Order, next string) (err error) {
	b := append(c.buf[:0], `{"items":[`...)
	for i := range page {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendOrder(b, &page[i]); err != nil {
			return err
		}
	}
	b = append(b, ']')
	if next != "" {
		b = append(b, `,"next":"`+cursorMark...)
		b = base64.RawURLEncoding.AppendEncode(b, []byte(next))
		b = append(b, '"')
	}
	b = appendUint(b, `,"index":`, c.index)
	c.buf = append(b, '}')
	return c.reply(200)
}

// changeOrder reads a body, finds the order and its lines, changes it, and answers with it.
func changeOrder[B any](c *call, bodies body[B], lines func(*B) []orderLineBody,
	do func(ctx context.Context, book Orders, id string, in *B, lines []orders.ShipmentLine) (
		orders.Order, error)) error {
	text, err := c.body(true)
	if err != nil {
		return err
	}
	var in B
	if err := bodies.decode(text, &in); err != nil {
		return err
	}
	ctx, cancel := c.bound()
	defer cancel()
	book, id, err := c.order(ctx)
	if err != nil {
		return err
	}
	named, err := linesOf(ctx, book, id, lines(&in))
	if err != nil {
		return err
	}
	o, err := do(ctx, book, id, &in, named)
	if err != nil {
		return problemOf(err, true)
	}
	return c.replyOrder(&o)
}

// linesOf turns the lines of a body into those of the order. A line never changes its SKU, so that
// what was read stays true.
func linesOf(ctx context.Context, book Orders, id string, in []orderLineBody) (
	[]orders.ShipmentLine, error) {
	if len(in) == 0 {
		return nil, nil
	}
	o, err := book.Get(ctx, id)
	if err != nil {
		return nil, problemOf(err, false)
	}
	var all []orders.ShipmentLine
	for i := range in {
		at := "lines[" + strconv.Itoa(i) + "]"
		ref, must := refOf(&o, &in[i])
		if must != "" {
			return nil, invalid(at, must)
		}
		if slices.ContainsFunc(all, func(l orders.ShipmentLine) bool { return l.Ref == ref }) {
			return nil, invalid(at, "names a line that stands there already")
		}
		all = append(all, orders.ShipmentLine{Ref: ref, Qty: in[i].Qty})
	}
	return all, nil
}

// refOf finds the line that a body names; must says what is wrong when there is not exactly one.
func refOf(o *orders.Order, in *orderLineBody) (ref, must string) {
	if (in.Ref == "") == (in.SKU == "") {
		return "", "must have either ref or sku"
	}
	for i := range o.Lines {
		l := &o.Lines[i]
		if in.Ref != "" && l.Ref != in.Ref || in.SKU != "" && l.SKU != in.SKU {
			continue
		}
		if ref != "" {
			return "", "names a SKU that several lines have: name the line by its ref"
		}
		ref = l.Ref
	}
	if ref == "" {
		return "", "names no line of the order"
	}
	return ref, ""
}

// named is the name of what is reported: the body's own, else one that the Idempotency-Key makes,
// so that a report that is sent again is known.
func (c *call) named(field, given string) (string, error) {
	if given != "" {
		return given, nil
	}
	if c.key.IsZero() {
		return "", newProblem(codeKeyRequired, "Name the "+field+", or send an Idempotency-Key.")
	}
	b := [16]byte{}
	for i := range 8 {
		b[i], b[8+i] = byte(c.key.Hi>>(8*i)), byte(c.key.Lo>>(8*i))
	}
	return "key-" + hex.EncodeToString(b[:]), nil
}

func or(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

// moment reads a time that the body's rule has checked; zero when there is none.
func moment(text string) time.Time {
	if ms, ok := parseTime(text); ok {
		return time.UnixMilli(ms).UTC()
	}
	return time.Time{}
}

func postShipment(c *call) error {
	return changeOrder(c, shipmentBodies, func(in *shipmentBody) []orderLineBody { return in.Lines },
		func(ctx context.Context, book Orders, id string, in *shipmentBody,
			lines []orders.ShipmentLine) (orders.Order, error) {
			key, err := c.named("package", or(in.Package, in.Tracking))
			if err != nil {
				return orders.Order{}, err
			}
			return book.Ship(ctx, id, orders.Shipment{Key: key, By: or(in.By, caller),
				Carrier: in.Carrier, Service: in.Service, Tracking: in.Tracking, URL: in.URL,
				Location: in.Location, At: moment(in.At), Lines: lines})
		})
}

func postCancel(c *call) error {
	return changeOrder(c, cancelBodies, func(*cancelBody) []orderLineBody { return nil },
		func(ctx context.Context, book Orders, id string, in *cancelBody,
			_ []orders.ShipmentLine) (orders.Order, error) {
			by := or(in.By, caller)
			if in.Answer != "" {
				return book.Decide(ctx, id, by, in.Answer == "accept")
			}
			return book.Cancel(ctx, id, orders.CancelRequest{By: by, Reason: or(in.Reason, "OTHER"),
				Restock: in.Restock == nil || *in.Restock})
		})
}

func postReturn(c *call) error {
	return changeOrder(c, returnBodies, func(in *returnBody) []orderLineBody { return in.Lines },
		func(ctx context.Context, book Orders, id string, in *returnBody,
			lines []orders.ShipmentLine) (orders.Order, error) {
			name, err := c.named("id", in.ID)
			if err != nil {
				return orders.Order{}, err
			}
			r := orders.Return{ID: name, By: or(in.By, caller), Location: in.Location,
				State: or(in.State, orders.ReturnReceived), Disposition: in.Disposition,
				At: moment(in.At), Lines: lines}
			if r.State == orders.ReturnReceived {
				r.Disposition = or(r.Disposition, engine.Sellable.String())
			}
			return book.Return(ctx, id, r)
		})
}

func postRefund(c *call) error {
	return changeOrder(c, refundBodies, func(in *refundBody) []orderLineBody { return in.Lines },
		func(ctx context.Context, book Orders, id string, in *refundBody,
			lines []orders.ShipmentLine) (orders.Order, error) {
			name, err := c.named("id", in.ID)
			if err != nil {
				return orders.Order{}, err
			}
			return book.Refund(ctx, id, orders.Refund{ID: name, By: or(in.By, caller),
				Amount: in.Amount, At: moment(in.At), Lines: lines})
		})
}

// postOrderRetry asks again for what the order could not have.
func postOrderRetry(c *call) error {
	ctx, cancel := c.bound()
	defer cancel()
	book, id, err := c.order(ctx)
	if err != nil {
		return err
	}
	o, err := book.Retry(ctx, id)
	if err != nil {
		return problemOf(err, true)
	}
	return c.replyOrder(&o)
}
