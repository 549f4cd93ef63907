package netsuitetest

import (
	"cmp"
	"strings"
	"time"
)

// sqlValue is nil (NULL), a string, a dec, a sqlTime or a sqlStatus. Truths are 'T' and 'F'.
type sqlValue any

// sqlTime is a moment, or with day a date, which is midnight in the zone of the session.
type sqlTime struct {
	time time.Time
	day  bool
}

// sqlStatus is the status of a transaction: it shows a letter, and equals both that letter and the type
// with it, SalesOrd:B.
type sqlStatus struct {
	typ *recordType
	id  string
}

// truth is the outcome of a condition.
type truth int8

const (
	no truth = iota
	unknown
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func flagValue(b bool) sqlValue {
	if b {
		return "T"
	}
	return "F"
}

func (q *query) day(text string) sqlValue {
	t, err := time.ParseInLocation(time.DateOnly, text, q.a.zone)
	if err != nil {
		return nil
	}
	return sqlTime{t, true}
}

// moment is a time as columns hold it: whole seconds.
func moment(t time.Time) sqlValue {
	if t.IsZero() {
		return nil
	}
	return sqlTime{t.Truncate(time.Second), false}
}

// text is how a value is sent.
func (q *query) text(v sqlValue) string {
	switch x := v.(type) {
	case string:
		return x
	case dec:
		return x.String()
	case sqlTime:
		return x.time.In(q.a.zone).Format(layoutOf(q.a.assumed.DateFormat))
	case sqlStatus:
		return x.id
	}
	return ""
}

// layoutOf is Go's layout of a user's date format.
func layoutOf(format string) string {
	layout := strings.NewReplacer("yyyy", "2006", "dd", "02", "MM", "01", "Month", "January",
		"Mon", "Jan").Replace(format)
	if !strings.Contains(format, "dd") {
		layout = strings.Replace(layout, "d", "2", 1)
	}
	if !strings.Contains(format, "MM") && !strings.Contains(format, "Mon") {
		layout = strings.Replace(layout, "M", "1", 1)
	}
	return layout
}

// asTime reads a value that is compared with a time. A bare text is read in the user's date format, and
// a text in another one ends the query: that is how ISO dates fail.
func (q *query) asTime(v sqlValue) time.Time {
	switch x := v.(type) {
	case sqlTime:
		return x.time
	case string:
		t, err := time.ParseInLocation(layoutOf(q.a.assumed.DateFormat), x, q.a.zone)
		if err == nil {
			return t
		}
		raise("Search error occurred: Parse of date/time \"%s\" failed with date format \"%s\" in "+
			"time zone %s", x, q.a.assumed.DateFormat, q.a.zone)
	}
	raise("Search error occurred: Invalid date value")
	return time.Time{}
}

// asNumber reads a value that is used as a number.
func asNumber(v sqlValue) dec {
	switch x := v.(type) {
	case dec:
		return x
	case string:
		if n, ok := parseDec(strings.TrimSpace(x)); ok {
			return n
		}
	}
	raise("Search error occurred: Invalid number")
	return 0
}

// compare orders two values that are not NULL.
func (q *query) compare(x, y sqlValue) int {
	if isTime(x) || isTime(y) {
		return q.asTime(x).Compare(q.asTime(y))
	}
	if isNumber(x) || isNumber(y) {
		return cmp.Compare(asNumber(x), asNumber(y))
	}
	return cmp.Compare(q.text(x), q.text(y))
}

// equal also knows that a status has two names.
func (q *query) equal(x, y sqlValue) bool {
	if s, ok := x.(sqlStatus); ok {
		other := q.text(y)
		return other == s.id || other == s.typ.code+":"+s.id
	}
	if _, ok := y.(sqlStatus); ok {
		return q.equal(y, x)
	}
	return q.compare(x, y) == 0
}

func isTime(v sqlValue) bool {
	_, ok := v.(sqlTime)
	return ok
}

func isNumber(v sqlValue) bool {
	_, ok := v.(dec)
	return ok
}

// like matches % and _.
func like(text, pattern string) bool {
	if pattern == "" {
		return text == ""
	}
	switch pattern[0] {
	case '%':
		for i := 0; i <= len(text); i++ {
			if like(text[i:], pattern[1:]) {
				return true
			}
		}
		return false
	case '_':
		return text != "" && like(text[1:], pattern[1:])
	}
	return text != "" && text[0] == pattern[0] && like(text[1:], pattern[1:])
}
