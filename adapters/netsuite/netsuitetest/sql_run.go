package netsuitetest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// query is one run of a statement.
type query struct {
	a    *account
	now  time.Time
	s    *statement
	rng  *rand.Rand
	done int // rows looked at

	conditions []condition
}

// maxRows bounds the rows that one query looks at, as NetSuite's timeout does.
const maxRows = 20_000_000

// condition is a part of WHERE that is held as soon as all its sources are bound.
type condition struct {
	expr *expr
	last int // the last source that it needs, -1 for none
}

// tuple is one row of each source; nil where a left join found none.
type tuple []any

// result is a row of the outcome with what it was made from.
type result struct {
	rows   []tuple // one, or those of the group
	values []sqlValue
	keys   []sqlValue // to order by
}

// runQuery reads and runs a query. An error is what NetSuite answers to it.
func (a *account) runQuery(text string, rng *rand.Rand) (names []string, out []result,
	q *query, err *apiError) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case sqlError:
			err = badParameter("q", "Invalid search query. Detailed unprocessed description follows. %s.",
				strings.TrimSuffix(r.text, "."))
		default:
			panic(r)
		}
	}()
	q = &query{a: a, now: a.now(), s: parseQuery(text), rng: rng}
	q.bind()
	names = q.names()
	out = q.project(q.join())
	return names, q.sorted(out), q, nil
}

// bind finds tables and columns.
func (q *query) bind() {
	seen := map[string]bool{}
	for i := range q.s.sources {
		src := &q.s.sources[i]
		if src.table = tables[src.name]; src.table == nil {
			raise("Search error occurred: Record '%s' was not found", src.name)
		}
		if seen[src.alias] {
			unsupported()
		}
		seen[src.alias] = true
	}
	for i := range q.s.sources {
		if on := q.s.sources[i].on; on != nil {
			q.resolve(on, i)
		}
	}
	last := len(q.s.sources) - 1
	for _, c := range conjuncts(q.s.where) {
		q.conditions = append(q.conditions, condition{c, q.resolve(c, last)})
	}
	for _, e := range q.s.group {
		q.resolve(e, last)
	}
	if q.s.having != nil {
		q.resolve(q.s.having, last)
	}
	var items []selected
	for _, item := range q.s.items {
		if item.star {
			items = append(items, q.star(item)...)
			continue
		}
		q.resolve(item.expr, last)
		items = append(items, item)
	}
	q.s.items = items
	for i := range q.s.order {
		q.bindOrder(&q.s.order[i], last)
	}
	q.checkGroups()
}

// bindOrder makes an ordering by the name of an item, or by its number, one by its expression.
func (q *query) bindOrder(o *ordering, last int) {
	e := o.expr
	if n, ok := e.val.(dec); ok && e.op == "value" {
		if n < one || n > whole(int64(len(q.s.items))) {
			unsupported()
		}
		o.expr = q.s.items[n/one-1].expr
		return
	}
	for _, item := range q.s.items {
		if e.op == "column" && e.of == "" && item.name == e.name {
			o.expr = item.expr
			return
		}
	}
	q.resolve(e, last)
}

// star is every column of one source or of all.
func (q *query) star(item selected) []selected {
	var out []selected
	for i, src := range q.s.sources {
		if item.alias != "" && item.alias != src.alias {
			continue
		}
		for _, name := range src.table.names() {
			out = append(out, selected{name: name, expr: &expr{op: "column", name: name, table: i,
				column: src.table.columns[name]}})
		}
	}
	if len(out) == 0 || len(q.s.group) > 0 {
		unsupported()
	}
	return out
}

// resolve binds the columns of an expression to sources up to last, and returns the last that it needs.
func (q *query) resolve(e *expr, last int) int {
	needs := -1
	switch e.op {
	case "column":
		return q.resolveColumn(e, last)
	case "call":
		f, known := functions[e.name]
		switch {
		case aggregates[e.name] && len(e.args) == 1:
		case e.name == "builtin.df" && len(e.args) == 1:
		case !known || len(e.args) < f.least || len(e.args) > f.most || e.of != "":
			unsupported()
		}
	}
	for _, x := range e.args {
		needs = max(needs, q.resolve(x, last))
	}
	return needs
}

func (q *query) resolveColumn(e *expr, last int) int {
	for i, src := range q.s.sources[:last+1] {
		if e.of != "" && e.of != src.alias {
			continue
		}
		if c := src.table.column(q.a, e.name); c != nil {
			e.table, e.column = i, c
			return i
		}
	}
	if _, ok := functions[e.name]; ok && e.of == "" && functions[e.name].least == 0 {
		e.op = "call"
		return -1
	}
	var available []string
	for _, src := range q.s.sources {
		available = append(available, src.alias+"="+src.name)
	}
	raise("Search error occurred: Unknown identifier '%s'. Available identifiers are: {%s}", e.name,
		strings.Join(available, ", "))
	return 0
}

// conjuncts are the parts of a condition that all must hold.
func conjuncts(e *expr) []*expr {
	switch {
	case e == nil:
		return nil
	case e.op == "and":
		return append(conjuncts(e.args[0]), conjuncts(e.args[1])...)
	}
	return []*expr{e}
}

// join makes the tuples that FROM, ON and WHERE leave.
func (q *query) join() []tuple {
	tuples := []tuple{make(tuple, len(q.s.sources))}
	for i := range q.s.sources {
		src := &q.s.sources[i]
		on := conjuncts(src.on)
		var where []*expr
		for _, c := range q.conditions {
			if c.last == i || i == 0 && c.last < 0 {
				where = append(where, c.expr)
			}
		}
		narrow := on
		if !src.left {
			narrow = append(slices.Clone(on), where...)
		}
		find := q.finder(i, narrow)
		var next []tuple
		for _, t := range tuples {
			found := false
			for _, row := range find(t) {
				if q.done++; q.done > maxRows {
					raise("Search error occurred: The query took too long")
				}
				t[i] = row
				if !q.holds(on, t) {
					continue
				}
				found = true
				if q.holds(where, t) {
					next = append(next, slices.Clone(t))
				}
			}
			t[i] = nil
			if src.left && !found && q.holds(where, t) {
				next = append(next, slices.Clone(t))
			}
		}
		tuples = next
	}
	return tuples
}

func (q *query) holds(list []*expr, t tuple) bool {
	for _, e := range list {
		if q.truth(e, []tuple{t}) != yes {
			return false
		}
	}
	return true
}

// finder returns what finds candidates of source i for a tuple: by an index of the table or one made
// for the query where a condition is an equality, else all rows.
func (q *query) finder(i int, list []*expr) func(tuple) []any {
	src := &q.s.sources[i]
	for _, e := range list {
		column, others := keyOf(e, i)
		if column == nil {
			continue
		}
		if lookup := src.table.lookup[column.name]; lookup != nil {
			return func(t tuple) []any {
				var out []any
				for _, o := range others {
					if v := q.eval(o, []tuple{t}); v != nil {
						out = append(out, lookup(q.a, q.text(v))...)
					}
				}
				return out
			}
		}
		if len(others) == 1 && i > 0 {
			return q.hashed(src, column, others[0])
		}
	}
	all := src.table.rows(q.a)
	return func(tuple) []any { return all }
}

// hashed indexes a table by a column for one query.
func (q *query) hashed(src *source, column *column, key *expr) func(tuple) []any {
	index := map[string][]any{}
	for _, row := range src.table.rows(q.a) {
		if v := column.get(q, row); v != nil {
			index[q.text(v)] = append(index[q.text(v)], row)
		}
	}
	return func(t tuple) []any {
		v := q.eval(key, []tuple{t})
		if v == nil {
			return nil
		}
		return index[q.text(v)]
	}
}

// keyOf finds in an equality, or in a list of IN, a column of source i and what it is to equal, which
// sources before i tell. Columns whose text is not all that they are, are no keys.
func keyOf(e *expr, i int) (*column, []*expr) {
	if e.op != "=" && e.op != "in" {
		return nil, nil
	}
	sides := [][2]int{{0, 1}}
	if e.op == "=" {
		sides = append(sides, [2]int{1, 0})
	}
	for _, side := range sides {
		c := e.args[side[0]]
		if c.op != "column" || c.table != i || !c.column.key {
			continue
		}
		others := []*expr{e.args[side[1]]}
		if e.op == "in" {
			others = e.args[1:]
		}
		if !slices.ContainsFunc(others, func(o *expr) bool { return needs(o) >= i || !plain(o) }) {
			return c.column, others
		}
	}
	return nil, nil
}

// needs is the last source of a resolved expression.
func needs(e *expr) int {
	out := -1
	if e.op == "column" {
		out = e.table
	}
	for _, x := range e.args {
		out = max(out, needs(x))
	}
	return out
}

// plain says whether equal values of an expression have equal texts: a column that is a key, or a
// constant without blanks or zeros that a comparison of numbers would pass over.
func plain(e *expr) bool {
	switch v := e.val.(type) {
	case string:
		return e.op == "value" && strings.TrimSpace(v) == v && (v == "0" || !strings.HasPrefix(v, "0"))
	case dec:
		return e.op == "value"
	}
	return e.op == "column" && e.column.key
}

// names are those of the columns of the outcome.
func (q *query) names() []string {
	var out []string
	unnamed := 0
	for _, item := range q.s.items {
		switch {
		case item.name != "":
			out = append(out, item.name)
		case item.expr.op == "column":
			out = append(out, item.expr.name)
		default:
			unnamed++
			out = append(out, fmt.Sprintf("expr%d", unnamed))
		}
	}
	return out
}

// query answers a page of a query.
func (c *call) query() (answer, *apiError) {
	c.answer.query = ""
	if !strings.Contains(lower(c.r.Header.Get("Prefer")), "transient") {
		return answer{}, &apiError{status: http.StatusBadRequest, code: codeHeader, header: "Prefer",
			detail: "The required request header 'Prefer' is missing or is not valid: transient."}
	}
	body, err := decodeObject(c.body)
	if err != nil {
		return answer{}, err
	}
	text, ok := body["q"].(string)
	if !ok || len(body) != 1 {
		return answer{}, badContent("$.q", "The request body must have the member q and no other.")
	}
	c.answer.query = text
	limit, offset, err := c.paging()
	if err != nil {
		return answer{}, err
	}
	a := c.srv.account
	rng := rand.New(rand.NewPCG(c.srv.cfg.Seed, c.n))
	names, rows, q, err := a.runQuery(text, rng)
	if err != nil {
		return answer{query: text}, err
	}
	total := min(len(rows), maxTotal)
	from := min(offset, total)
	page := rows[from:min(from+limit, total)]
	items := []object{}
	for _, r := range page {
		item := object{"links": []object{}}
		for i, v := range r.values {
			if v != nil {
				item[names[i]] = q.text(v)
			} else if !a.assumed.OmitNulls {
				item[names[i]] = nil
			}
		}
		items = append(items, item)
	}
	return answer{status: http.StatusOK, media: "collection", query: text, body: encode(object{
		"links": selfLink(origin(c.r) + c.r.URL.Path), "count": len(items), "items": items,
		"hasMore": from+len(page) < total, "offset": offset, "totalResults": total})}, nil
}

// maxTotal is how many rows of a query can be read by paging.
const maxTotal = 100_000
