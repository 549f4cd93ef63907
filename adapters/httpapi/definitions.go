package httpapi

import (
	"strconv"
	"strings"

	"holdfast/engine"
)

// The calls that locations, channels and SKUs share: delete and list.

// remove deletes a definition.
func (c *call) remove(kind engine.NameKind, name string) error {
	if _, err := c.submit(&engine.Delete{Kind: kind, Name: engine.Name(name)}); err != nil {
		return err
	}
	member := `{"id":`
	if kind == engine.SKUName {
		member = `{"sku":`
	}
	c.buf = appendText(append(c.buf[:0], member...), name)
	c.buf = appendUint(c.buf, `,"deleted":true,"index":`, c.index)
	c.buf = append(c.buf, '}')
	return c.reply(200)
}

// pathSays returns the error of a body whose name is given and is not the one of the path, or nil.
func pathSays(member, given, name string) error {
	if given == "" || given == name {
		return nil
	}
	return invalid(member, "must be "+printable(name)+" as in the path, or left out; it is "+
		printable(given))
}

// getNamed answers what the path's id names: find looks it up, none is the refusal where there is
// none, put appends it with the index.
func getNamed[T any](c *call, find func(*engine.Ledger, string) (T, bool), none engine.Refusal,
	put func(b []byte, v *T, index uint64) []byte) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	var v T
	var known bool
	if err := c.read(func(l *engine.Ledger) bool {
		v, known = find(l, id)
		return false
	}); err != nil {
		return err
	}
	if !known {
		return c.unknown(none, "", id)
	}
	c.buf = put(c.buf[:0], &v, c.index)
	return c.reply(200)
}

// page is what a list was asked for.
type page struct {
	after uint64
	limit int
}

// listed reads after and limit.
func (c *call) listed() (p page, err error) {
	limit, err := c.queryInt("limit", 100, 1, 1000)
	if err != nil {
		return p, err
	}
	if v := c.ctx.QueryArgs().Peek("after"); len(v) > 0 {
		digits, ours := strings.CutPrefix(text(v), cursorMark)
		if p.after, err = strconv.ParseUint(digits, 36, 64); err != nil || !ours {
			return p, invalid("after", "must be the cursor next of an earlier page")
		}
	}
	p.limit = int(limit)
	return p, nil
}

// cursorMark begins every cursor, so that a name or a number is not taken for one.
const cursorMark = "c."

// sliceRows is how many rows of a list are copied in one hold of the ledger's lock: about 30 µs.
const sliceRows = 64

// listRows collects one page of rows that are numbered in the order in which they are listed, a
// slice at a time. more is true when there are others behind it.
func listRows[T any](c *call, p page, fetch func(l *engine.Ledger, after uint32, n int) []T,
	number func(*T) uint32) (rows []T, more bool, err error) {
	after := uint32(min(p.after, 1<<32-1))
	err = c.read(func(l *engine.Ledger) bool {
		want := min(sliceRows, p.limit+1-len(rows))
		got := fetch(l, after, want)
		rows = append(rows, got...)
		if len(got) == 0 {
			return false
		}
		after = number(&got[len(got)-1])
		return len(got) == want && len(rows) <= p.limit
	})
	if len(rows) > p.limit {
		return rows[:p.limit], true, err
	}
	return rows, false, err
}

// replyList sends items, each written by put, and the cursor of the next page.
func replyList[T any](c *call, rows []T, more bool, cursor func(*T) uint64,
	put func([]byte, *T) []byte) error {
	b := append(c.buf[:0], `{"items":[`...)
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = put(b, &rows[i])
	}
	b = append(b, ']')
	if more && len(rows) > 0 {
		b = append(b, `,"next":"`+cursorMark...)
		b = strconv.AppendUint(b, cursor(&rows[len(rows)-1]), 36)
		b = append(b, '"')
	}
	b = appendUint(b, `,"index":`, c.index)
	c.buf = append(b, '}')
	return c.reply(200)
}

// attributes encodes what the ledger keeps without looking at it.
func attributes(v any) ([]byte, error) {
	b, err := strict.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(b) > engine.MaxAttributes {
		return nil, tooLarge("", limitAttributes, engine.MaxAttributes)
	}
	return b, nil
}

// appendAttributes appends the members of an attributes object, each with a comma in front.
func appendAttributes(b, attributes []byte) []byte {
	if len(attributes) <= len("{}") {
		return b
	}
	b = append(b, ',')
	return append(b, attributes[1:len(attributes)-1]...)
}

// appendIndexEnd closes a definition's object; in lists, where index is 0, it has none.
func appendIndexEnd(b []byte, index uint64) []byte {
	if index != 0 {
		b = appendUint(b, `,"index":`, index)
	}
	return append(b, '}')
}
