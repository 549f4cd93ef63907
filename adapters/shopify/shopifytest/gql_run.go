package shopifytest

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// call is one GraphQL request while it runs under its shop's lock.
type call struct {
	srv     *Server
	shop    *shop
	app     *app
	version string
	act     *action
	vars    map[string]any
	out     []byte
	errs    []gqlError
	path    []any
	warned  []string // search fields that were ignored
}

// resolver answers one field of an object. It returns nil, a string, bool, int, int64, gid,
// time.Time (zero is null), []string, raw JSON, an object of the model, a list of them ([]any), a
// page for a connection, or a *failure, which becomes an error of the call.
type resolver func(c *call, self any, a args) any

// failure is an error of the call as such, not one of the user's.
type failure struct{ code, message string }

// gid is a global id.
type gid struct {
	kind string
	n    int64
}

func (g gid) String() string { return string(g.append(nil)) }

func (g gid) append(b []byte) []byte {
	b = append(b, "gid://shopify/"...)
	b = append(b, g.kind...)
	b = append(b, '/')
	return strconv.AppendInt(b, g.n, 10)
}

// object writes the selected fields of one object and returns what they cost. ok is false where a
// field that may not be null was null: then the object as a whole is null.
func (c *call) object(p *plan, self any) (cost int, ok bool) {
	start := len(c.out)
	c.out = append(c.out, '{')
	first := true
	for _, f := range p.fields {
		if f.skipped(c.vars) {
			continue
		}
		if !first {
			c.out = append(c.out, ',')
		}
		first = false
		c.out = strconv.AppendQuote(c.out, f.key)
		c.out = append(c.out, ':')
		n, ok := c.field(p.typeName, f, self)
		if !ok {
			c.out = append(c.out[:start], "null"...)
			return cost, false
		}
		cost += n
	}
	c.out = append(c.out, '}')
	return cost, true
}

func (c *call) field(parent string, f *planField, self any) (cost int, ok bool) {
	if f.resolve == nil { // __typename
		c.out = strconv.AppendQuote(c.out, parent)
		return 0, true
	}
	c.path = append(c.path, f.key)
	defer func() { c.path = c.path[:len(c.path)-1] }()
	var v any
	if f.mutate != nil {
		v = f.mutate(c, f, f.arguments(c.vars))
		cost = mutationCost
	} else {
		v = f.resolve(c, self, c.pageless(f))
	}
	if fail, is := v.(*failure); is {
		c.fail(f.field, fail)
		c.out = append(c.out, "null"...)
		return cost, !f.nonNull
	}
	if f.sub == nil {
		return 0, c.leaf(v) || !f.nonNull
	}
	if v == nil {
		c.out = append(c.out, "null"...)
		return 0, !f.nonNull
	}
	if list, is := v.([]any); is {
		return c.list(parent, f, list), true
	}
	n, _ := c.object(f.sub[typeName(f.named, v)], v)
	switch {
	case f.page:
		cost += 2
	case !f.free(parent) && f.mutate == nil:
		cost++
	}
	return cost + n, true
}

// pageless evaluates arguments; a connection of a bulk query has no pages.
func (c *call) pageless(f *planField) args {
	a := f.arguments(c.vars)
	if !f.page || c.vars[bulkVariable] == nil {
		return a
	}
	all := args{bulkVariable: true}
	for k, v := range a {
		all[k] = v
	}
	return all
}

// list writes a list of objects and returns its cost: that of one of them, or, under a connection,
// of as many as count.
func (c *call) list(parent string, f *planField, list []any) int {
	c.out = append(c.out, '[')
	total, most := 0, 0
	for i, v := range list {
		if i > 0 {
			c.out = append(c.out, ',')
		}
		if v == nil {
			c.out = append(c.out, "null"...)
			continue
		}
		n, _ := c.object(f.sub[typeName(f.named, v)], v)
		total += n
		most = max(most, n)
	}
	c.out = append(c.out, ']')
	switch {
	case isConnection(parent):
		node := 1
		if f.field.Name == "edges" {
			node = 0
		}
		return scaled(total, len(list)) + node*sizeFactor(len(list))
	case f.free(parent):
		return most
	}
	return 1 + most
}

func scaled(total, n int) int {
	if n == 0 {
		return 0
	}
	return total * sizeFactor(n) / n
}

func isConnection(name string) bool {
	return len(name) > 10 && name[len(name)-10:] == "Connection"
}

func (c *call) fail(f *ast.Field, fail *failure) {
	code := fail.code
	c.errs = append(c.errs, gqlError{Message: fail.message, Locations: at(f.Position),
		Path: append([]any{}, c.path...), Extensions: map[string]any{"code": code}})
}

// leaf writes a scalar, an enum value or a list of them; it returns false for null.
func (c *call) leaf(v any) bool {
	switch v := v.(type) {
	case string:
		c.out = appendJSONString(c.out, v)
	case bool:
		c.out = strconv.AppendBool(c.out, v)
	case int:
		c.out = strconv.AppendInt(c.out, int64(v), 10)
	case int64:
		c.out = strconv.AppendInt(c.out, v, 10)
	case gid:
		c.out = append(c.out, '"')
		c.out = v.append(c.out)
		c.out = append(c.out, '"')
	case money:
		c.out = append(append(append(c.out, '"'), v.String()...), '"')
	case time.Time:
		if v.IsZero() {
			c.out = append(c.out, "null"...)
			return false
		}
		c.out = append(v.UTC().AppendFormat(append(c.out, '"'), time.RFC3339), '"')
	case []string:
		c.out = append(c.out, '[')
		for i, s := range v {
			if i > 0 {
				c.out = append(c.out, ',')
			}
			c.out = appendJSONString(c.out, s)
		}
		c.out = append(c.out, ']')
	case json.Number:
		c.out = append(c.out, v...)
	default:
		c.out = append(c.out, "null"...)
		return false
	}
	return true
}

// appendJSONString writes a string; only such as need it take the slow way.
func appendJSONString(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == '"' || s[i] == '\\' || s[i] >= 0x7f || s[i] == '<' || s[i] == '&' {
			q, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...)
			}
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// The paging of connections.

const pageDefault = 50

// page is a window of a list, the value of every connection.
type page struct {
	nodes            []any
	cursors          []string
	hasNext, hasPrev bool
}

type edge struct {
	cursor string
	node   any
}

// paginate cuts the window that the arguments ask for out of a whole list. Cursors are ids where
// the objects have them, so that a list may grow between two pages.
func paginate[T any](list []T, a args, cursor func(T) string) any {
	if a.flag("reverse") {
		turned := make([]T, len(list))
		for i, v := range list {
			turned[len(list)-1-i] = v
		}
		list = turned
	}
	from, to := 0, len(list)
	for i, v := range list {
		if after := a.text("after"); after != "" && cursor(v) == after {
			from = i + 1
		}
		if before := a.text("before"); before != "" && cursor(v) == before {
			to = i
		}
	}
	if n, ok := pageSize(a); !ok {
		return n
	} else if size := n.(int); a.has("last") {
		from = max(from, to-size)
	} else {
		to = min(to, from+size)
	}
	p := &page{hasNext: to < len(list), hasPrev: from > 0}
	for i := from; i < to; i++ {
		p.nodes = append(p.nodes, any(list[i]))
		p.cursors = append(p.cursors, cursor(list[i]))
	}
	return p
}

// pageSize returns the number of nodes asked for, or the failure that says what is wrong with it.
func pageSize(a args) (any, bool) {
	if a.flag(bulkVariable) {
		return math.MaxInt32, true
	}
	first, last := a["first"], a["last"]
	n := int64(pageDefault)
	switch {
	case first == nil && last == nil:
		return &failure{"BAD_REQUEST", "you must provide one of first or last"}, false
	case first != nil && last != nil:
		return &failure{"BAD_REQUEST", "providing both first and last is not supported"}, false
	case first != nil:
		n = a.number("first")
	default:
		n = a.number("last")
	}
	if n < 0 || n > 250 {
		return &failure{"BAD_REQUEST", "page size must be from 0 to 250"}, false
	}
	return int(n), true
}

func idCursor[T any](id func(T) int64) func(T) string {
	return func(v T) string { return "c" + strconv.FormatInt(id(v), 36) }
}
