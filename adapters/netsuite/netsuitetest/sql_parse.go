package netsuitetest

import (
	"fmt"
	"slices"
	"strconv"
)

// The subset of SuiteQL that is read:
//
//	SELECT [DISTINCT] item, … FROM source [join…] [WHERE e] [GROUP BY e, … [HAVING e]]
//	  [ORDER BY e [ASC|DESC] [NULLS FIRST|LAST], …] [OFFSET n ROWS] [FETCH FIRST|NEXT n ROWS ONLY]
//	item:   * | alias.* | e [[AS] name]
//	source: table [alias] | source, table [alias]
//	join:   [INNER | LEFT [OUTER]] JOIN table [alias] ON e
//	e:      OR, AND, NOT; = <> != < <= > >=, [NOT] IN (list), [NOT] BETWEEN, [NOT] LIKE,
//	        IS [NOT] NULL; + - * / ||; numbers, 'texts', NULL, columns, functions,
//	        CASE [e] WHEN e THEN e … [ELSE e] END
//
// Everything else (subqueries, unions, WITH, analytic functions) is refused with NetSuite's words.

// expr is a node of an expression.
type expr struct {
	op   string // column, value, call, or an operator
	name string // of a column or function
	of   string // alias before a column's name
	val  sqlValue
	args []*expr

	table  int // of a column: which source
	column *column
}

type selected struct {
	expr  *expr
	name  string
	star  bool
	alias string // of alias.*
}

type source struct {
	table *table
	name  string
	alias string
	left  bool
	on    *expr // nil of those that stand in FROM
}

type ordering struct {
	expr  *expr
	down  bool
	nulls string // first, last or ""
}

type statement struct {
	distinct bool
	items    []selected
	sources  []source
	where    *expr
	group    []*expr
	having   *expr
	order    []ordering
	fetch    int // -1: all
	offset   int
}

// sqlError is what is wrong with a query. It is raised by panic inside the parser and the evaluator,
// and becomes an error where they are entered.
type sqlError struct{ text string }

func raise(format string, args ...any) { panic(sqlError{fmt.Sprintf(format, args...)}) }

// unsupported is what NetSuite says to everything that it does not read.
func unsupported() { raise("Search error occurred: Invalid or unsupported search") }

type parser struct {
	words []word
	at    int
	depth int
}

// maxDepth bounds nested parentheses, and with them the stack.
const maxDepth = 100

// maxQuery is the longest query that is read.
const maxQuery = 64 << 10

func parseQuery(q string) *statement {
	if len(q) > maxQuery {
		unsupported()
	}
	words, ok := lex(q)
	if !ok {
		unsupported()
	}
	p := &parser{words: words}
	s := p.statement()
	if p.peek().kind != tokenEnd {
		unsupported()
	}
	return s
}

func (p *parser) peek() word { return p.words[p.at] }

func (p *parser) next() word {
	w := p.words[p.at]
	if w.kind != tokenEnd {
		p.at++
	}
	return w
}

// take takes the given keywords or signs, if they come next, all of them.
func (p *parser) take(texts ...string) bool {
	for i, text := range texts {
		if p.at+i >= len(p.words) {
			return false
		}
		w := p.words[p.at+i]
		if w.text != text || w.kind != tokenName && w.kind != tokenSign {
			return false
		}
	}
	p.at += len(texts)
	return true
}

func (p *parser) must(texts ...string) {
	if !p.take(texts...) {
		unsupported()
	}
}

var keywords = []string{"select", "from", "where", "group", "order", "having", "by", "join", "left",
	"inner", "outer", "right", "full", "cross", "on", "and", "or", "not", "in", "is", "null", "between",
	"like", "as", "case", "when", "then", "else", "end", "asc", "desc", "nulls", "fetch", "offset", "rows",
	"union", "distinct", "with", "minus", "intersect", "exists"}

func (p *parser) name() string {
	w := p.next()
	if w.kind != tokenName || slices.Contains(keywords, w.text) {
		unsupported()
	}
	return w.text
}

func (p *parser) number() int {
	w := p.next()
	n, err := strconv.Atoi(w.text)
	if w.kind != tokenNumber || err != nil {
		unsupported()
	}
	return n
}

func (p *parser) statement() *statement {
	s := &statement{fetch: -1}
	p.must("select")
	s.distinct = p.take("distinct")
	for {
		s.items = append(s.items, p.item())
		if !p.take(",") {
			break
		}
	}
	p.must("from")
	p.sources(s)
	if p.take("where") {
		s.where = p.expr()
	}
	if p.take("group", "by") {
		s.group = p.list()
		if p.take("having") {
			s.having = p.expr()
		}
	}
	if p.take("order", "by") {
		p.ordering(s)
	}
	if p.take("offset") {
		s.offset = p.number()
		if !p.take("rows") {
			p.must("row")
		}
	}
	if p.take("fetch") {
		if !p.take("next") {
			p.must("first")
		}
		s.fetch = p.number()
		if !p.take("rows") {
			p.must("row")
		}
		p.must("only")
	}
	return s
}

func (p *parser) item() selected {
	if p.take("*") {
		return selected{star: true}
	}
	if w := p.words; p.at+2 < len(w) && w[p.at].kind == tokenName && w[p.at+1].text == "." &&
		w[p.at+2].text == "*" && w[p.at+2].kind == tokenSign {
		alias := p.name()
		p.must(".", "*")
		return selected{star: true, alias: alias}
	}
	out := selected{expr: p.expr()}
	if p.take("as") {
		out.name = p.next().text
	} else if w := p.peek(); w.kind == tokenName && !slices.Contains(keywords, w.text) {
		out.name = p.next().text
	}
	return out
}

func (p *parser) sources(s *statement) {
	s.sources = append(s.sources, p.source())
	for {
		switch {
		case p.take(","):
			s.sources = append(s.sources, p.source())
		case p.take("join"), p.take("inner", "join"):
			s.sources = append(s.sources, p.joined(false))
		case p.take("left", "join"), p.take("left", "outer", "join"):
			s.sources = append(s.sources, p.joined(true))
		default:
			return
		}
	}
}

func (p *parser) source() source {
	out := source{name: p.name()}
	out.alias = out.name
	as := p.take("as")
	if w := p.peek(); as || w.kind == tokenName && !slices.Contains(keywords, w.text) {
		out.alias = p.name()
	}
	return out
}

func (p *parser) joined(left bool) source {
	out := p.source()
	p.must("on")
	out.on, out.left = p.expr(), left
	return out
}

func (p *parser) ordering(s *statement) {
	for {
		o := ordering{expr: p.expr()}
		if p.take("desc") {
			o.down = true
		} else {
			p.take("asc")
		}
		if p.take("nulls", "first") {
			o.nulls = "first"
		} else if p.take("nulls", "last") {
			o.nulls = "last"
		}
		s.order = append(s.order, o)
		if !p.take(",") {
			return
		}
	}
}

func (p *parser) list() []*expr {
	out := []*expr{p.expr()}
	for p.take(",") {
		out = append(out, p.expr())
	}
	return out
}

func (p *parser) expr() *expr {
	if p.depth++; p.depth > maxDepth {
		unsupported()
	}
	defer func() { p.depth-- }()
	out := p.conjunction()
	for p.take("or") {
		out = &expr{op: "or", args: []*expr{out, p.conjunction()}}
	}
	return out
}

func (p *parser) conjunction() *expr {
	out := p.negation()
	for p.take("and") {
		out = &expr{op: "and", args: []*expr{out, p.negation()}}
	}
	return out
}

func (p *parser) negation() *expr {
	if p.take("not") {
		return &expr{op: "not", args: []*expr{p.negation()}}
	}
	return p.comparison()
}

func (p *parser) comparison() *expr {
	left := p.sum()
	for _, op := range []string{"=", "<>", "!=", "<=", ">=", "<", ">"} {
		if p.take(op) {
			if op == "!=" {
				op = "<>"
			}
			return &expr{op: op, args: []*expr{left, p.sum()}}
		}
	}
	if p.take("is", "not", "null") {
		return &expr{op: "not", args: []*expr{{op: "isnull", args: []*expr{left}}}}
	}
	if p.take("is", "null") {
		return &expr{op: "isnull", args: []*expr{left}}
	}
	negated := p.take("not")
	out := p.membership(left)
	switch {
	case out == nil && negated:
		unsupported()
	case out == nil:
		return left
	case negated:
		return &expr{op: "not", args: []*expr{out}}
	}
	return out
}

func (p *parser) membership(left *expr) *expr {
	switch {
	case p.take("in"):
		p.must("(")
		out := &expr{op: "in", args: append([]*expr{left}, p.list()...)}
		p.must(")")
		return out
	case p.take("between"):
		low := p.sum()
		p.must("and")
		return &expr{op: "and", args: []*expr{{op: ">=", args: []*expr{left, low}},
			{op: "<=", args: []*expr{left, p.sum()}}}}
	case p.take("like"):
		return &expr{op: "like", args: []*expr{left, p.sum()}}
	}
	return nil
}

func (p *parser) sum() *expr {
	out := p.product()
	for {
		switch {
		case p.take("+"):
			out = &expr{op: "+", args: []*expr{out, p.product()}}
		case p.take("-"):
			out = &expr{op: "-", args: []*expr{out, p.product()}}
		case p.take("||"):
			out = &expr{op: "||", args: []*expr{out, p.product()}}
		default:
			return out
		}
	}
}

func (p *parser) product() *expr {
	out := p.factor()
	for {
		switch {
		case p.take("*"):
			out = &expr{op: "*", args: []*expr{out, p.factor()}}
		case p.take("/"):
			out = &expr{op: "/", args: []*expr{out, p.factor()}}
		default:
			return out
		}
	}
}

func (p *parser) factor() *expr {
	if p.take("-") {
		return &expr{op: "negate", args: []*expr{p.factor()}}
	}
	if p.take("(") {
		out := p.expr()
		p.must(")")
		return out
	}
	w := p.peek()
	switch {
	case w.kind == tokenNumber:
		n, ok := parseDec(p.next().text)
		if !ok {
			unsupported()
		}
		return &expr{op: "value", val: n}
	case w.kind == tokenString:
		return &expr{op: "value", val: p.next().text}
	case p.take("null"):
		return &expr{op: "value"}
	case p.take("case"):
		return p.cases()
	}
	return p.named()
}

// cases reads the rest of a CASE: pairs of a condition and a value, and last the value of ELSE.
func (p *parser) cases() *expr {
	out := &expr{op: "case"}
	var subject *expr
	if p.peek().text != "when" {
		subject = p.expr()
	}
	for p.take("when") {
		when := p.expr()
		if subject != nil {
			when = &expr{op: "=", args: []*expr{subject, when}}
		}
		p.must("then")
		out.args = append(out.args, when, p.expr())
	}
	last := &expr{op: "value"}
	if p.take("else") {
		last = p.expr()
	}
	p.must("end")
	out.args = append(out.args, last)
	return out
}

// named reads a column or a call of a function.
func (p *parser) named() *expr {
	first := p.name()
	if p.take(".") {
		second := p.name()
		if first != "builtin" {
			return &expr{op: "column", of: first, name: second}
		}
		first = "builtin." + second
	}
	if !p.take("(") {
		return &expr{op: "column", name: first}
	}
	out := &expr{op: "call", name: first}
	if first == "count" && p.take("*") {
		out.args = []*expr{{op: "value", val: one}}
	} else if p.peek().text != ")" {
		if p.take("distinct") {
			out.of = "distinct"
		}
		out.args = p.list()
	}
	p.must(")")
	return out
}
