package shopifytest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The objects of a shop. All are guarded by their shop's lock. Each has a number that is its own
// among all objects of the server; the numbers are odd and above 2^53, so that whoever reads one
// into a float64 gets another one.

type location struct {
	id         int64
	name       string
	country    string
	active     bool
	online     bool
	service    string
	isPrimary  bool
	serviceID  int64
	preference int
}

type product struct {
	id               int64
	title, status    string
	created, updated time.Time
	variants         []*variant
}

type variant struct {
	id               int64
	product          *product
	item             *item
	sku, barcode     string
	title            string
	price            money
	policy           string
	giftCard, bundle bool
	created, updated time.Time
}

type item struct {
	id               int64
	variant          *variant
	tracked, ships   bool
	created, updated time.Time
	levels           []*level
}

// The states of stock. on_hand is not one: it is the sum of all but incoming.
const (
	available = iota
	committed
	reserved
	damaged
	safetyStock
	qualityControl
	incoming
	states
)

var stateNames = [states]string{"available", "committed", "reserved", "damaged", "safety_stock",
	"quality_control", "incoming"}

type level struct {
	id               int64
	item             *item
	loc              *location
	active           bool
	q                [states]int64
	at               [states]time.Time // last change of each, zero for never
	created, updated time.Time
}

func (l *level) onHand() int64 {
	var sum int64
	for s := available; s < incoming; s++ {
		sum += l.q[s]
	}
	return sum
}

// quantity returns a state or on_hand by its name.
func (l *level) quantity(name string) (n int64, at time.Time, ok bool) {
	if name == "on_hand" {
		for s := available; s < incoming; s++ {
			if l.at[s].After(at) {
				at = l.at[s]
			}
		}
		return l.onHand(), at, true
	}
	s := stateOf(name)
	if s < 0 {
		return 0, at, false
	}
	return l.q[s], l.at[s], true
}

func stateOf(name string) int {
	for s, n := range stateNames {
		if n == name {
			return s
		}
	}
	return -1
}

type address struct {
	FirstName    string `json:"first_name"`
	LastName     string `json:"last_name"`
	Company      string `json:"company,omitempty"`
	Address1     string `json:"address1"`
	Address2     string `json:"address2,omitempty"`
	City         string `json:"city"`
	Province     string `json:"province,omitempty"`
	ProvinceCode string `json:"province_code"`
	Country      string `json:"country,omitempty"`
	CountryCode  string `json:"country_code"`
	Zip          string `json:"zip"`
	Phone        string `json:"phone,omitempty"`
}

type pair struct{ key, value string }

type taxLine struct {
	title string
	rate  string
	price money
}

type shippingLine struct {
	id                  int64
	title, code, source string
	price               money
}

type transaction struct {
	id            int64
	kind, status  string
	gateway       string
	amount        money
	at, processed time.Time
	parent        *transaction
	test          bool
}

type metafield struct {
	id                    int64
	namespace, key, value string
	typ                   string
}

type order struct {
	id                                     int64
	number                                 int
	name                                   string
	app                                    *app // nil for the online shop and the till
	sourceName, sourceID, sourceURL        string
	email, phone, note, poNumber           string
	currency                               string
	tags                                   []string
	attributes                             []pair
	test, confirmed, edited, taxesIncluded bool
	created, updated, processed            time.Time
	cancelled, closed                      time.Time
	cancelReason, staffNote                string
	cancelling                             bool // a cancel job is under way
	financial                              string
	ship                                   *address
	shipID                                 int64
	pos                                    *location // where the till stands
	discount                               money
	lines                                  []*line
	taxes                                  []taxLine
	shipping                               []shippingLine
	transactions                           []*transaction
	metafields                             []*metafield
	fulfillmentOrders                      []*fulfillmentOrder
	fulfillments                           []*fulfillment
	refunds                                []*refund
	returns                                []*returnDoc
	version                                uint64 // of the entry in the index of updates
	indexedAt                              time.Time
}

type line struct {
	id                int64
	order             *order
	variant           *variant // nil for a line without one
	sku, title        string
	quantity, current int64 // ordered; less what was refunded or removed
	refunded          int64
	price, discount   money
	ships, giftCard   bool
	taxable, tracked  bool
	properties        []pair
	taxes             []taxLine
	exchange          *exchangeLine
}

type fulfillmentOrder struct {
	id               int64
	order            *order
	loc              *location
	status           string // OPEN, ON_HOLD, IN_PROGRESS, CLOSED, CANCELLED
	created, updated time.Time
	lines            []*foLine
	holds            []*hold
}

type foLine struct {
	id               int64
	fo               *fulfillmentOrder
	line             *line
	total, remaining int64
	claimed          bool // stock was moved from available to committed for it
}

type hold struct {
	id                    int64
	fo                    *fulfillmentOrder
	app                   *app
	handle, reason, notes string
}

type fulfillment struct {
	id               int64
	order            *order
	loc              *location
	number           int
	status           string // SUCCESS, CANCELLED
	created, updated time.Time
	company          string
	numbers, urls    []string
	lines            []*fulfillmentLine
	from             []*fulfillmentOrder
}

type fulfillmentLine struct {
	id          int64
	fulfillment *fulfillment
	line        *line
	fo          *fulfillmentOrder
	quantity    int64
	returned    int64 // in returns that were not cancelled or declined, and in refunds of type RETURN
	claimed     bool  // the stock came out of committed
	deducted    bool  // the stock came out of available
}

type refund struct {
	id                 int64
	order              *order
	note               string
	created, processed time.Time
	lines              []*refundLine
	transactions       []*transaction
	returned           *returnDoc
	restock            bool
}

type refundLine struct {
	id       int64
	line     *line
	quantity int64
	restock  string // NO_RESTOCK, CANCEL, RETURN
	loc      *location
}

type returnDoc struct {
	id              int64
	order           *order
	number          int
	status          string // REQUESTED, OPEN, CLOSED, CANCELED, DECLINED
	created, closed time.Time
	lines           []*returnLine
	reverse         []*reverseOrder
	exchanges       []*exchangeLine
}

type returnLine struct {
	id                            int64
	doc                           *returnDoc
	from                          *fulfillmentLine
	quantity, refunded, processed int64
	reason, note                  string
}

type reverseOrder struct {
	id     int64
	doc    *returnDoc
	status string
	lines  []*reverseLine
}

type reverseLine struct {
	id           int64
	order        *reverseOrder
	from         *returnLine
	dispositions []*disposition
}

func (l *reverseLine) disposed() int64 {
	var n int64
	for _, d := range l.dispositions {
		n += d.quantity
	}
	return n
}

type disposition struct {
	id       int64
	quantity int64
	typ      string
	loc      *location
	created  time.Time
}

type exchangeLine struct {
	id       int64
	variant  *variant
	quantity int64
	line     *line // once processed
}

type bulkOperation struct {
	id                  int64
	query, status, code string
	created, completed  time.Time
	objects, roots      int64
	data                []byte
}

type metafieldDefinition struct {
	id                         int64
	namespace, key, name, kind string
	owner                      string
	unique                     bool
}

type subscription struct {
	id               int64
	topic            string // ORDERS_CREATE
	uri, filter      string
	name             string
	fields           []string
	version          string
	created, updated time.Time
	deleted          bool
	app              *app
}

// money is an amount in hundredths of its currency.
type money int64

func (m money) String() string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	return fmt.Sprintf("%s%d.%02d", sign, int64(m)/100, int64(m)%100)
}

// parseMoney reads a decimal. Digits after the second are cut off; what is no number is false.
func parseMoney(s string) (money, bool) {
	text, negative := strings.CutPrefix(s, "-")
	whole, frac, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 60)
	if err != nil || n < 0 || n > 1e15 {
		return 0, false
	}
	c, err := strconv.ParseUint((frac + "00")[:2], 10, 8)
	if err != nil {
		return 0, false
	}
	m := money(n*100 + int64(c))
	if negative {
		m = -m
	}
	return m, true
}

// unfulfilled is the number of units of a line that were not shipped; a cancelled order keeps its
// number, as recorded.
func (l *line) unfulfilled() int64 {
	var n int64
	for _, fo := range l.order.fulfillmentOrders {
		for _, x := range fo.lines {
			if x.line == l {
				n += x.remaining
			}
		}
	}
	return n
}

func (f *fulfillmentOrder) open() bool {
	return f.status == "OPEN" || f.status == "ON_HOLD" || f.status == "IN_PROGRESS"
}

func (f *fulfillmentOrder) remaining() int64 {
	var n int64
	for _, l := range f.lines {
		n += l.remaining
	}
	return n
}

func (l *line) fulfilled() int64 {
	var n int64
	for _, f := range l.order.fulfillments {
		if f.status != "SUCCESS" {
			continue
		}
		for _, x := range f.lines {
			if x.line == l {
				n += x.quantity
			}
		}
	}
	return n
}

func (o *order) total() money {
	var sum money
	for _, l := range o.lines {
		sum += l.price*money(l.quantity) - l.discount
	}
	return sum + o.shippingTotal() + o.addedTax() - o.discount
}

func (o *order) subtotal() money { return o.total() - o.shippingTotal() - o.addedTax() }

func (o *order) currentTotal() money {
	sum := o.shippingTotal() + o.addedTax() - o.discount
	for _, l := range o.lines {
		sum += l.price * money(l.current)
		if l.current > 0 {
			sum -= l.discount
		}
	}
	return max(0, sum)
}

func (o *order) taxTotal() money {
	var sum money
	for _, t := range o.taxes {
		sum += t.price
	}
	for _, l := range o.lines {
		for _, t := range l.taxes {
			sum += t.price
		}
	}
	return sum
}

func (o *order) addedTax() money {
	if o.taxesIncluded {
		return 0
	}
	return o.taxTotal()
}

func (o *order) shippingTotal() money {
	var sum money
	for _, s := range o.shipping {
		sum += s.price
	}
	return sum
}

func (o *order) discountTotal() money {
	sum := o.discount
	for _, l := range o.lines {
		sum += l.discount
	}
	return sum
}

func (o *order) refundedTotal() money {
	var sum money
	for _, r := range o.refunds {
		for _, t := range r.transactions {
			sum += t.amount
		}
	}
	return sum
}

func (o *order) paidTotal() money {
	var sum money
	for _, t := range o.transactions {
		if (t.kind == "SALE" || t.kind == "CAPTURE") && t.status == "SUCCESS" {
			sum += t.amount
		}
	}
	return sum
}

// financialStatus is what money has moved, or the status that the order was created with.
func (o *order) financialStatus() string {
	paid, back := o.paidTotal(), o.refundedTotal()
	switch {
	case paid > 0 && back >= paid:
		return "REFUNDED"
	case back > 0:
		return "PARTIALLY_REFUNDED"
	case o.financial != "":
		return o.financial
	case paid > 0 && paid < o.total():
		return "PARTIALLY_PAID"
	case paid > 0:
		return "PAID"
	case !o.cancelled.IsZero():
		return "VOIDED"
	}
	return ""
}

// fulfillmentStatus is the status that the admin shows.
func (o *order) fulfillmentStatus() string {
	var done, open, held int64
	for _, l := range o.lines {
		done += l.fulfilled()
	}
	for _, fo := range o.fulfillmentOrders {
		if fo.open() {
			open += fo.remaining()
		}
		if fo.status == "ON_HOLD" {
			held += fo.remaining()
		}
	}
	switch {
	case done > 0 && open == 0:
		return "FULFILLED"
	case done > 0:
		return "PARTIALLY_FULFILLED"
	case held > 0 && held == open:
		return "ON_HOLD"
	}
	return "UNFULFILLED"
}
