package netsuitetest

import (
	"maps"
	"slices"
	"time"
)

// ref is the internal id of a record; enum one of the ids of a list.
type (
	ref  int64
	enum string
)

// values are the fields of a record or line by their names. A field without a value is absent. What is
// held is a string (text and date), bool, dec, ref, enum, or a map (object).
type values map[string]any

func (v values) text(name string) string {
	s, _ := v[name].(string)
	return s
}

func (v values) flag(name string) bool {
	b, _ := v[name].(bool)
	return b
}

func (v values) num(name string) dec {
	d, _ := v[name].(dec)
	return d
}

func (v values) ref(name string) int64 {
	r, _ := v[name].(ref)
	return int64(r)
}

func (v values) enum(name string) string {
	e, _ := v[name].(enum)
	return string(e)
}

func (v values) has(name string) bool { return v[name] != nil }

// fallback sets a field that has no value.
func (v values) fallback(name string, value any) {
	if v[name] == nil {
		v[name] = value
	}
}

// record is one record. It is changed under the account's lock only, by saving a changed copy.
type record struct {
	typ      *recordType
	id       int64
	external string
	created  time.Time
	modified time.Time
	by       string // cause: api or staff
	version  uint64 // counts what was saved

	values
	status  string             // of a transaction, computed
	source  *record            // what it was transformed from
	lines   map[string][]*line // by sublist
	nextNo  int64
	locked  bool // a workflow refuses every change
	derived []*record

	subtotal, discount, tax, total dec
	applied                        []move // what it has done to stock
}

// line is one line of a sublist.
type line struct {
	no  int64 // line, the id in transactionline
	key int64 // lineUniqueKey
	values

	order *record // whose line it is
	parts []part  // what a unit of it takes from stock; none of what is not stocked

	// Of lines of orders: what other records did to them, in units of the line.
	committed, backordered                             dec
	shipped, picked, packed, billed, received, arrived dec
	member                                             bool // of a kit, made by the system
}

// part is so many units of a stocked item.
type part struct {
	item *record
	per  dec
}

// open is what is still to leave (or, for a return, to come).
func (l *line) open() dec {
	if l.flag("isClosed") {
		return 0
	}
	return max(0, l.num("quantity")-l.shipped)
}

func (r *record) items() []*line { return r.lines["item"] }

// find returns the line of the item sublist with that number, or nil.
func (r *record) find(sub string, no int64) *line {
	for _, l := range r.lines[sub] {
		if l.no == no {
			return l
		}
	}
	return nil
}

// clone copies a record with its lines, so that a change can be thrown away. What others did to its
// lines is copied too.
func (r *record) clone() *record {
	out := *r
	out.values = maps.Clone(r.values)
	out.lines = map[string][]*line{}
	for name, list := range r.lines {
		for _, l := range list {
			c := *l
			c.values, c.order = maps.Clone(l.values), &out
			out.lines[name] = append(out.lines[name], &c)
		}
	}
	out.derived = slices.Clone(r.derived)
	return &out
}

// append adds a line under the next number. Numbers of a transaction rise by 3, as those of real
// ones have gaps (Oracle's use case of a fulfilment has lines 1 and 4).
func (r *record) append(sub string, l *line) {
	if r.lines == nil {
		r.lines = map[string][]*line{}
	}
	if r.nextNo == 0 {
		r.nextNo = 1
	}
	l.no, l.order = r.nextNo, r
	r.nextNo += 3
	r.lines[sub] = append(r.lines[sub], l)
}

// is says whether the record is of a type.
func (r *record) is(names ...string) bool { return r != nil && slices.Contains(names, r.typ.name) }

// name is what a reference to the record shows.
func (r *record) name() string {
	for _, f := range []string{"tranId", "itemId", "entityId", "name", "symbol", "periodName",
		"acctName"} {
		if s := r.text(f); s != "" {
			return s
		}
	}
	return ""
}
