package netsuitetest

import (
	"slices"
	"strings"
	"time"
)

// truth decides a condition over a tuple, or over those of a group.
func (q *query) truth(e *expr, rows []tuple) truth {
	switch e.op {
	case "and":
		return min(q.truth(e.args[0], rows), q.truth(e.args[1], rows))
	case "or":
		return max(q.truth(e.args[0], rows), q.truth(e.args[1], rows))
	case "not":
		return yes - q.truth(e.args[0], rows)
	case "isnull":
		return truthOf(q.eval(e.args[0], rows) == nil)
	case "in":
		left := q.eval(e.args[0], rows)
		out := no
		for _, x := range e.args[1:] {
			out = max(out, q.compared("=", left, q.eval(x, rows)))
		}
		return out
	case "like":
		text, pattern := q.eval(e.args[0], rows), q.eval(e.args[1], rows)
		if text == nil || pattern == nil {
			return unknown
		}
		return truthOf(like(q.text(text), q.text(pattern)))
	case "=", "<>", "<", "<=", ">", ">=":
		return q.compared(e.op, q.eval(e.args[0], rows), q.eval(e.args[1], rows))
	}
	unsupported() // a value is no condition
	return no
}

func (q *query) compared(op string, x, y sqlValue) truth {
	if x == nil || y == nil {
		return unknown
	}
	switch op {
	case "=":
		return truthOf(q.equal(x, y))
	case "<>":
		return truthOf(!q.equal(x, y))
	}
	n := q.compare(x, y)
	return truthOf(op == "<" && n < 0 || op == "<=" && n <= 0 || op == ">" && n > 0 ||
		op == ">=" && n >= 0)
}

// eval computes a value over a tuple, or over those of a group.
func (q *query) eval(e *expr, rows []tuple) sqlValue {
	switch e.op {
	case "value":
		return e.val
	case "column":
		if len(rows) == 0 || rows[0][e.table] == nil {
			return nil
		}
		return e.column.get(q, rows[0][e.table])
	case "call":
		return q.call(e, rows)
	case "case":
		for i := 0; i+1 < len(e.args); i += 2 {
			if q.truth(e.args[i], rows) == yes {
				return q.eval(e.args[i+1], rows)
			}
		}
		return q.eval(e.args[len(e.args)-1], rows)
	case "negate":
		if v := q.eval(e.args[0], rows); v != nil {
			return -asNumber(v)
		}
		return nil
	case "+", "-", "*", "/", "||":
		return q.arithmetic(e.op, q.eval(e.args[0], rows), q.eval(e.args[1], rows))
	}
	unsupported() // a condition is no value
	return nil
}

func (q *query) arithmetic(op string, x, y sqlValue) sqlValue {
	if op == "||" {
		return q.text(x) + q.text(y)
	}
	if x == nil || y == nil {
		return nil
	}
	if t, ok := x.(sqlTime); ok {
		return q.shift(op, t, y)
	}
	m, n := asNumber(x), asNumber(y)
	switch op {
	case "+":
		return m + n
	case "-":
		return m - n
	case "*":
		return m.times(n, 1)
	}
	if n == 0 {
		raise("Search error occurred: Divisor is equal to zero")
	}
	return m.over(n)
}

// shift adds days to a time, or takes one time from another.
func (q *query) shift(op string, t sqlTime, y sqlValue) sqlValue {
	if other, ok := y.(sqlTime); ok && op == "-" {
		return dec(t.time.Sub(other.time).Microseconds()).over(whole(24 * 3600))
	}
	days := asNumber(y)
	switch op {
	case "-":
		days = -days
	case "+":
	default:
		unsupported()
	}
	return sqlTime{t.time.Add(time.Duration(days) * 24 * 3600 * time.Microsecond), t.day && days%one == 0}
}

func (q *query) call(e *expr, rows []tuple) sqlValue {
	if aggregates[e.name] {
		return q.aggregate(e, rows)
	}
	if e.name == "builtin.df" {
		return q.display(e.args[0], rows)
	}
	args := make([]sqlValue, len(e.args))
	for i, x := range e.args {
		args[i] = q.eval(x, rows)
	}
	return functions[e.name].run(q, args)
}

// display is what people see of a column.
func (q *query) display(e *expr, rows []tuple) sqlValue {
	if e.op != "column" {
		unsupported()
	}
	if e.column.show == nil || len(rows) == 0 || rows[0][e.table] == nil {
		return q.eval(e, rows)
	}
	return e.column.show(q, rows[0][e.table])
}

func (q *query) aggregate(e *expr, rows []tuple) sqlValue {
	var values []sqlValue
	seen := map[string]bool{}
	for i := range rows {
		v := q.eval(e.args[0], rows[i:i+1])
		if v == nil || e.of == "distinct" && seen[q.text(v)] {
			continue
		}
		seen[q.text(v)] = true
		values = append(values, v)
	}
	if e.name == "count" {
		return whole(int64(len(values)))
	}
	if len(values) == 0 {
		return nil
	}
	switch e.name {
	case "min", "max":
		out := values[0]
		for _, v := range values {
			if n := q.compare(v, out); n < 0 && e.name == "min" || n > 0 && e.name == "max" {
				out = v
			}
		}
		return out
	}
	var sum dec
	for _, v := range values {
		sum += asNumber(v)
	}
	if e.name == "avg" {
		return sum.over(whole(int64(len(values))))
	}
	return sum
}

// checkGroups refuses columns outside of aggregates that GROUP BY does not name.
func (q *query) checkGroups() {
	if !q.grouped() {
		return
	}
	list := []*expr{}
	for _, item := range q.s.items {
		list = append(list, item.expr)
	}
	if q.s.having != nil {
		list = append(list, q.s.having)
	}
	for _, o := range q.s.order {
		list = append(list, o.expr)
	}
	for _, e := range list {
		if !q.inGroup(e) {
			unsupported()
		}
	}
}

func (q *query) grouped() bool {
	return len(q.s.group) > 0 || slices.ContainsFunc(q.s.items,
		func(item selected) bool { return hasAggregate(item.expr) })
}

func hasAggregate(e *expr) bool {
	return e != nil && (e.op == "call" && aggregates[e.name] || slices.ContainsFunc(e.args, hasAggregate))
}

func (q *query) inGroup(e *expr) bool {
	if e.op == "call" && aggregates[e.name] ||
		slices.ContainsFunc(q.s.group, func(g *expr) bool { return same(g, e) }) {
		return true
	}
	if e.op == "column" {
		return false
	}
	return !slices.ContainsFunc(e.args, func(x *expr) bool { return !q.inGroup(x) })
}

// same says whether two resolved expressions are the same.
func same(x, y *expr) bool {
	return x.op == y.op && x.name == y.name && x.val == y.val && x.column == y.column &&
		x.table == y.table && slices.EqualFunc(x.args, y.args, same)
}

// project computes the rows of the outcome.
func (q *query) project(tuples []tuple) []result {
	var out []result
	seen := map[string]bool{}
	for _, rows := range q.groups(tuples) {
		if q.s.having != nil && q.truth(q.s.having, rows) != yes {
			continue
		}
		r := result{rows: rows}
		for _, item := range q.s.items {
			r.values = append(r.values, q.eval(item.expr, rows))
		}
		if q.s.distinct {
			key := q.key(r.values)
			if seen[key] {
				continue
			}
			seen[key] = true
		}
		for _, o := range q.s.order {
			r.keys = append(r.keys, q.eval(o.expr, rows))
		}
		out = append(out, r)
	}
	return out
}

func (q *query) key(values []sqlValue) string {
	var b strings.Builder
	for _, v := range values {
		if v != nil {
			b.WriteString("v" + q.text(v))
		}
		b.WriteByte(0)
	}
	return b.String()
}

// groups are the tuples that a row of the outcome is made from.
func (q *query) groups(tuples []tuple) [][]tuple {
	var out [][]tuple
	if !q.grouped() {
		for i := range tuples {
			out = append(out, tuples[i:i+1])
		}
		return out
	}
	if len(q.s.group) == 0 {
		return [][]tuple{tuples}
	}
	at := map[string]int{}
	for _, t := range tuples {
		var values []sqlValue
		for _, e := range q.s.group {
			values = append(values, q.eval(e, []tuple{t}))
		}
		key := q.key(values)
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], t)
	}
	return out
}

// sorted orders the outcome and cuts it to OFFSET and FETCH. Rows that ORDER BY does not tell apart
// come in an order of their own at each call, so that who pages without a unique order sees it fail.
func (q *query) sorted(out []result) []result {
	if q.a.assumed.UnorderedIsRandom {
		q.rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	if len(q.s.order) > 0 {
		slices.SortStableFunc(out, q.before)
	}
	out = out[min(q.s.offset, len(out)):]
	if q.s.fetch >= 0 {
		out = out[:min(q.s.fetch, len(out))]
	}
	return out
}

func (q *query) before(x, y result) int {
	for i, o := range q.s.order {
		a, b := x.keys[i], y.keys[i]
		nullsLast := o.nulls == "last" || o.nulls == "" && !o.down
		n := 0
		switch {
		case a == nil && b == nil:
			continue
		case a == nil || b == nil:
			n = 1
			if (a == nil) != nullsLast {
				n = -1
			}
			return n
		default:
			n = q.compare(a, b)
		}
		if o.down {
			n = -n
		}
		if n != 0 {
			return n
		}
	}
	return 0
}
