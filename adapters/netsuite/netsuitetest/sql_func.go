package netsuitetest

import (
	"strings"
	"time"
)

// aggregates are the functions over the rows of a group.
var aggregates = map[string]bool{"count": true, "sum": true, "min": true, "max": true, "avg": true}

// function is one that takes the values of its arguments.
type function struct {
	least, most int
	run         func(q *query, v []sqlValue) sqlValue
}

// functions by name. Those that are not here are refused.
var functions map[string]function

func init() {
	now := func(q *query, _ []sqlValue) sqlValue { return moment(q.now) }
	functions = map[string]function{
		"nvl": {2, 2, coalesce}, "coalesce": {1, 20, coalesce}, "decode": {3, 100, decode},
		"nullif": {2, 2, func(q *query, v []sqlValue) sqlValue {
			if v[0] != nil && v[1] != nil && q.equal(v[0], v[1]) {
				return nil
			}
			return v[0]
		}},
		"upper": {1, 1, onText(strings.ToUpper)}, "lower": {1, 1, onText(strings.ToLower)},
		"trim": {1, 1, onText(strings.TrimSpace)}, "abs": {1, 1, onNumber(abs)},
		"length": {1, 1, func(q *query, v []sqlValue) sqlValue {
			if v[0] == nil {
				return nil
			}
			return whole(int64(len([]rune(q.text(v[0])))))
		}},
		"substr": {2, 3, substr}, "round": {1, 2, round}, "greatest": {1, 20, extreme(1)},
		"least": {1, 20, extreme(-1)}, "to_char": {1, 2, toChar}, "to_number": {1, 1, toNumber},
		"to_date": {2, 2, toTime(true)}, "to_timestamp": {2, 2, toTime(false)},
		"to_timestamp_tz": {2, 2, toTime(false)}, "trunc": {1, 1, trunc},
		"sys_extract_utc": {1, 1, func(_ *query, v []sqlValue) sqlValue { return v[0] }},
		"sysdate":         {0, 0, now}, "current_timestamp": {0, 0, now}, "systimestamp": {0, 0, now},
		"current_date": {0, 0, func(q *query, _ []sqlValue) sqlValue {
			return q.day(q.now.In(q.a.zone).Format(time.DateOnly))
		}},
	}
}

func coalesce(_ *query, v []sqlValue) sqlValue {
	for _, x := range v {
		if x != nil {
			return x
		}
	}
	return nil
}

func decode(q *query, v []sqlValue) sqlValue {
	rest := v[1:]
	for len(rest) > 1 {
		if v[0] == nil && rest[0] == nil || v[0] != nil && rest[0] != nil && q.equal(v[0], rest[0]) {
			return rest[1]
		}
		rest = rest[2:]
	}
	if len(rest) == 1 {
		return rest[0]
	}
	return nil
}

func onText(f func(string) string) func(*query, []sqlValue) sqlValue {
	return func(q *query, v []sqlValue) sqlValue {
		if v[0] == nil {
			return nil
		}
		return f(q.text(v[0]))
	}
}

func onNumber(f func(dec) dec) func(*query, []sqlValue) sqlValue {
	return func(_ *query, v []sqlValue) sqlValue {
		if v[0] == nil {
			return nil
		}
		return f(asNumber(v[0]))
	}
}

func abs(d dec) dec { return max(d, -d) }

func substr(q *query, v []sqlValue) sqlValue {
	if v[0] == nil {
		return nil
	}
	text := []rune(q.text(v[0]))
	from := int(asNumber(v[1])/one) - 1
	if from < 0 {
		raise("Search error occurred: Invalid or unsupported search")
	}
	from = min(from, len(text))
	until := len(text)
	if len(v) == 3 {
		until = min(until, from+max(0, int(asNumber(v[2])/one)))
	}
	return string(text[from:until])
}

func round(_ *query, v []sqlValue) sqlValue {
	if v[0] == nil {
		return nil
	}
	step := one
	if len(v) == 2 {
		for range asNumber(v[1]) / one {
			step = max(1, step/10)
		}
	}
	return asNumber(v[0]).times(one, step)
}

func extreme(sign int) func(*query, []sqlValue) sqlValue {
	return func(q *query, v []sqlValue) sqlValue {
		out := v[0]
		for _, x := range v[1:] {
			if out == nil || x == nil {
				return nil
			}
			if q.compare(x, out)*sign > 0 {
				out = x
			}
		}
		return out
	}
}

func toChar(q *query, v []sqlValue) sqlValue {
	t, isTime := v[0].(sqlTime)
	switch {
	case v[0] == nil:
		return nil
	case isTime && len(v) == 2:
		return formatMask(t.time.In(q.a.zone), q.text(v[1]))
	case len(v) == 2:
		raise("Search error occurred: Invalid or unsupported search")
	}
	return q.text(v[0])
}

func toNumber(_ *query, v []sqlValue) sqlValue {
	if v[0] == nil {
		return nil
	}
	return asNumber(v[0])
}

func toTime(day bool) func(*query, []sqlValue) sqlValue {
	return func(q *query, v []sqlValue) sqlValue {
		if v[0] == nil {
			return nil
		}
		return sqlTime{parseMask(q.text(v[0]), q.text(v[1]), q.a.zone), day}
	}
}

func trunc(q *query, v []sqlValue) sqlValue {
	switch x := v[0].(type) {
	case nil:
		return nil
	case sqlTime:
		return q.day(x.time.In(q.a.zone).Format(time.DateOnly))
	}
	return asNumber(v[0]) / one * one
}
