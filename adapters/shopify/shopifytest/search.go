package shopifytest

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// term is one condition of a search: field:value, a bare word where the field is "".
type term struct {
	field, op, value string
	not              bool
}

// parseSearch reads Shopify's search syntax into alternatives (OR) of conditions that must all
// hold. Parentheses are not supported: no integration needs them.
func parseSearch(q string) [][]term {
	var all [][]term
	var now []term
	not := false
	for q = strings.TrimSpace(q); q != ""; q = strings.TrimSpace(q) {
		var word string
		word, q = nextWord(q)
		switch word {
		case "AND":
			continue
		case "OR":
			all, now = append(all, now), nil
			continue
		case "NOT":
			not = true
			continue
		}
		t := parseTerm(word)
		t.not = t.not != not
		not = false
		now = append(now, t)
	}
	return append(all, now)
}

// nextWord cuts a word off; quotes keep spaces together.
func nextWord(q string) (word, rest string) {
	var quote byte
	for i := range len(q) {
		switch c := q[i]; {
		case quote != 0 && c == quote && q[i-1] != '\\':
			quote = 0
		case quote != 0:
		case c == '\'' || c == '"':
			quote = c
		case c == ' ':
			return q[:i], q[i:]
		}
	}
	return q, ""
}

func parseTerm(word string) term {
	var t term
	if strings.HasPrefix(word, "-") {
		t.not, word = true, word[1:]
	}
	i := strings.IndexByte(word, ':')
	if i > 0 && word[0] != '\'' && word[0] != '"' {
		t.field, word = word[:i], word[i+1:]
		for _, op := range []string{">=", "<=", ">", "<"} {
			if rest, ok := strings.CutPrefix(word, op); ok {
				t.op, word = op, rest
				break
			}
		}
	}
	t.value = unquote(word)
	return t
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0] {
		s = s[1 : len(s)-1]
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, `\'`, "'"), `\"`, `"`)
}

// search keeps what matches. A field that the type does not have is ignored, with a warning, as
// Shopify does.
func search[T any](c *call, all []T, q string, match func(T, term) (yes, known bool)) []T {
	if strings.TrimSpace(q) == "" {
		return all
	}
	alternatives := parseSearch(q)
	var out []T
	for _, v := range all {
		if matches(c, v, alternatives, match) {
			out = append(out, v)
		}
	}
	return out
}

func matches[T any](c *call, v T, alternatives [][]term, match func(T, term) (yes, known bool)) bool {
	for _, terms := range alternatives {
		ok := true
		for _, t := range terms {
			yes, known := match(v, t)
			if !known {
				c.warned = addOnce(c.warned, t.field)
				continue
			}
			if yes == t.not {
				ok = false
				break
			}
		}
		if ok {
			return true
		}
	}
	return false
}

// same compares as the search index does: without case, * at the end for a prefix.
func (t term) same(s string) bool {
	if prefix, ok := strings.CutSuffix(t.value, "*"); ok {
		return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
	}
	return strings.EqualFold(s, t.value)
}

func (t term) number(n int64) bool {
	_, v, ok := parseGID(t.value)
	return ok && compare(t.op, cmp64(n, v))
}

func cmp64(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (t term) time(at time.Time) bool {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02"} {
		if v, err := time.Parse(layout, t.value); err == nil {
			return compare(t.op, at.Compare(v))
		}
	}
	return false
}

func compare(op string, c int) bool {
	switch op {
	case ">=":
		return c >= 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	case "<":
		return c < 0
	}
	return c == 0
}

func (v *variant) matches(t term) (yes, known bool) {
	switch t.field {
	case "sku":
		return t.same(v.sku), true
	case "barcode":
		return t.same(v.barcode), true
	case "id":
		return t.number(v.id) || t.number(v.item.id), true
	case "product_id":
		return t.number(v.product.id), true
	case "title":
		return t.same(v.title), true
	case "updated_at":
		return t.time(v.updated), true
	case "":
		return t.same(v.sku) || t.same(v.barcode) || t.same(v.title), true
	}
	return false, false
}

func (o *order) matches(t term) (yes, known bool) {
	switch t.field {
	case "id":
		return t.number(o.id), true
	case "name":
		return t.same(o.name) || t.same(strings.TrimPrefix(o.name, "#")), true
	case "source_identifier":
		return t.same(o.sourceID), true
	case "source_name":
		return t.same(o.sourceName), true
	case "created_at":
		return t.time(o.created), true
	case "updated_at":
		return t.time(o.indexedAt), true
	case "processed_at":
		return t.time(o.processed), true
	case "test":
		return t.value == strconv.FormatBool(o.test), true
	case "tag":
		return slices.ContainsFunc(o.tags, t.same), true
	case "email":
		return t.same(o.email), true
	case "financial_status":
		return t.same(o.financialStatus()), true
	case "fulfillment_status":
		status := strings.ToLower(o.fulfillmentStatus())
		return t.same(status) || t.value == "unshipped" && status == "unfulfilled", true
	case "sku":
		return slices.ContainsFunc(o.lines, func(l *line) bool { return t.same(l.sku) }), true
	case "status":
		return o.inStatus(t.value), true
	case "app":
		return o.app != nil && t.same(o.app.cfg.Name), true
	case "":
		return t.same(o.name) || t.same(o.email) || t.same(o.sourceID), true
	}
	return false, false
}

func (o *order) inStatus(s string) bool {
	switch s {
	case "open":
		return o.closed.IsZero() && o.cancelled.IsZero()
	case "closed":
		return !o.closed.IsZero() && o.cancelled.IsZero()
	case "cancelled":
		return !o.cancelled.IsZero()
	}
	return s == "any"
}

func (f *fulfillmentOrder) matches(t term) (yes, known bool) {
	switch t.field {
	case "id":
		return t.number(f.id), true
	case "status":
		return t.same(f.status), true
	case "updated_at":
		return t.time(f.updated), true
	case "assigned_location_id":
		return t.number(f.loc.id), true
	}
	return false, false
}

// updates is the index of orders by updated_at: every change appends an entry, the last one of an
// order counts. Entries are found the search lag after they were made.
type updates struct {
	seq     uint64
	entries []update
}

type update struct {
	seq   uint64
	order *order
	at    time.Time // updated_at, whole seconds
	made  time.Time
	next  time.Time // when a later entry of the same order was made; zero for the newest
}

func (u *updates) add(o *order, at, made time.Time) {
	if o.version > 0 {
		if i := u.index(o.version); i < len(u.entries) && u.entries[i].seq == o.version {
			u.entries[i].next = made
		}
	}
	u.seq++
	o.version = u.seq
	u.entries = append(u.entries, update{seq: u.seq, order: o, at: at, made: made})
}

// index returns the place of the first entry that is not before a number.
func (u *updates) index(seq uint64) int {
	return sort.Search(len(u.entries), func(i int) bool { return u.entries[i].seq >= seq })
}

// compact drops entries that nobody can find any more.
func (u *updates) compact(orders int, visible time.Time) {
	if len(u.entries) < 2*orders+1000 {
		return
	}
	u.entries = slices.DeleteFunc(u.entries, func(e update) bool {
		return !e.next.IsZero() && e.next.Before(visible)
	})
}

// orders answers the connection of orders. Sorted by updated_at it walks the index, so that a sweep
// through 10,000 orders costs what it reads; the cursor is the number of the entry.
func (c *call) orders(s *shop, a args) any {
	size, ok := pageSize(a)
	if !ok {
		return size
	}
	visible := s.srv.clock.Now().Add(-s.srv.searchLag())
	s.byUpdate.compact(len(s.orders), visible)
	alternatives := parseSearch(a.text("query"))
	byUpdate := a.text("sortKey") == "UPDATED_AT"
	pool, few := s.candidates(alternatives, visible)
	if !few {
		pool = s.byUpdate.entries
	}
	if byUpdate && !few {
		pool = after(pool, alternatives)
	}
	down := a.flag("reverse") != a.has("last")
	if !byUpdate || down {
		pool = slices.Clone(pool)
	}
	if !byUpdate {
		slices.SortStableFunc(pool, func(x, y update) int { return cmp64(x.order.id, y.order.id) })
	}
	if down {
		slices.Reverse(pool)
	}
	return c.pageOfOrders(pool, alternatives, a, orderPage{size.(int), byUpdate, visible})
}

type orderPage struct {
	size     int
	byUpdate bool
	visible  time.Time
}

// candidates are the entries of a source identifier; few is false where the search names none.
func (s *shop) candidates(alternatives [][]term, visible time.Time) (out []update, few bool) {
	if len(alternatives) == 1 {
		for _, t := range alternatives[0] {
			if t.field != "source_identifier" || t.not {
				continue
			}
			for _, o := range s.bySource[t.value] {
				i := s.byUpdate.index(o.version)
				if i < len(s.byUpdate.entries) && !o.created.After(visible) {
					e := s.byUpdate.entries[i]
					e.made, e.next = time.Time{}, time.Time{}
					out = append(out, e)
				}
			}
			return out, true
		}
	}
	return nil, false
}

// after cuts off what an updated_at lower bound excludes; entries are in the order of updated_at.
func after(pool []update, alternatives [][]term) []update {
	if len(alternatives) != 1 {
		return pool
	}
	for _, t := range alternatives[0] {
		if t.field == "updated_at" && (t.op == ">=" || t.op == ">") && !t.not {
			i := sort.Search(len(pool), func(i int) bool { return t.time(pool[i].at) })
			return pool[i:]
		}
	}
	return pool
}

func (c *call) pageOfOrders(pool []update, alternatives [][]term, a args, w orderPage) any {
	cursor := func(e update) string {
		if w.byUpdate {
			return "u" + strconv.FormatUint(e.seq, 36)
		}
		return "c" + strconv.FormatInt(e.order.id, 36)
	}
	place := func(e update) int64 {
		if w.byUpdate {
			return int64(e.seq)
		}
		return e.order.id
	}
	var from int64
	given := a.text("after") + a.text("before")
	if len(given) > 1 {
		n, err := strconv.ParseInt(given[1:], 36, 64)
		if err != nil {
			return &failure{"BAD_REQUEST", "Invalid cursor for current pagination sort."}
		}
		from = n
	}
	if w.byUpdate && a.has("after") && !a.flag("reverse") && !a.has("last") {
		i := sort.Search(len(pool), func(i int) bool { return pool[i].seq > uint64(from) })
		pool = pool[i:]
	}
	down := a.flag("reverse") != a.has("last")
	p := &page{hasPrev: from != 0}
	for _, e := range pool {
		hidden := e.made.After(w.visible) || !e.next.IsZero() && !e.next.After(w.visible)
		if hidden || from != 0 && (!down && place(e) <= from || down && place(e) >= from) {
			continue
		}
		e.order.indexedAt = e.at
		if !matches(c, e.order, alternatives, (*order).matches) {
			continue
		}
		if len(p.nodes) == w.size {
			p.hasNext = true
			break
		}
		p.nodes = append(p.nodes, e.order)
		p.cursors = append(p.cursors, cursor(e))
	}
	if a.has("last") {
		slices.Reverse(p.nodes)
		slices.Reverse(p.cursors)
		p.hasNext, p.hasPrev = p.hasPrev, p.hasNext
	}
	return p
}
