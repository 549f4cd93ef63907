package httpapi

import (
	"strconv"
	"time"
	"unicode/utf8"

	"holdfast/engine"
)

// The writer of the hot replies: it appends JSON to a buffer, without reflection and without
// allocating. Names of members are constants; only texts need quoting.

const hexDigits = "0123456789abcdef"

// appendText appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(b, s[from:i]...)
				b = append(b, `\ufffd`...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[from:i]...)
		if c == '"' || c == '\\' {
			b = append(b, '\\', c)
		} else {
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}

// appendTime appends a time in ms since 1970 as RFC 3339 UTC with milliseconds.
func appendTime(b []byte, ms int64) []byte {
	t := time.UnixMilli(ms).UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	if year > 9999 { // RFC 3339 has four digits; the ledger's deadlines end long before
		return append(b, `"9999-12-31T23:59:59.999Z"`...)
	}
	b = append(b, '"')
	b = append2(append2(b, year/100), year%100)
	b = append2(append(b, '-'), int(month))
	b = append2(append(b, '-'), day)
	b = append2(append(b, 'T'), hour)
	b = append2(append(b, ':'), minute)
	b = append2(append(b, ':'), second)
	milli := t.Nanosecond() / 1_000_000
	b = append(b, '.', byte('0'+milli/100))
	return append(append2(b, milli%100), `Z"`...)
}

// append2 appends a number below 100 with two digits: time.AppendFormat reads its layout each time.
func append2(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// appendIntIf appends a member with its name, unless it is 0.
func appendIntIf(b []byte, name string, n int64) []byte {
	if n == 0 {
		return b
	}
	b = append(b, name...)
	return strconv.AppendInt(b, n, 10)
}

// appendTextIf appends a member with its name, unless it is empty.
func appendTextIf(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	b = append(b, name...)
	return appendText(b, text)
}

func appendInt(b []byte, name string, n int64) []byte {
	b = append(b, name...)
	return strconv.AppendInt(b, n, 10)
}

func appendUint(b []byte, name string, n uint64) []byte {
	b = append(b, name...)
	return strconv.AppendUint(b, n, 10)
}

// appendReservation appends a reservation as an object.
func appendReservation(b []byte, r *engine.Reservation, index uint64) []byte {
	b = append(b, '{')
	b = appendReservationMembers(b, r, index)
	return append(b, '}')
}

// appendReservationMembers appends a reservation's members without the braces, so that a batch can
// put its own in front.
func appendReservationMembers(b []byte, r *engine.Reservation, index uint64) []byte {
	b = append(b, `"id":`...)
	b = appendText(b, r.ID)
	b = append(b, `,"state":"`...)
	b = append(b, r.State.String()...)
	b = append(b, `","channel":`...)
	b = appendText(b, r.Channel)
	if r.Deadline != 0 {
		b = append(b, `,"expires_at":`...)
		b = appendTime(b, r.Deadline)
	}
	b = append(b, `,"mode":"`...)
	b = append(b, r.Mode.String()...)
	b = append(b, '"')
	if r.Mirror {
		b = append(b, `,"mirror":true`...)
	}
	if index != 0 {
		b = appendUint(b, `,"index":`, index)
	}
	b = append(b, `,"lines":[`...)
	for i := range r.Lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendReservationLine(b, &r.Lines[i])
	}
	return append(b, ']')
}

func appendReservationLine(b []byte, l *engine.ReservationLine) []byte {
	b = appendInt(b, `{"line":`, l.Line)
	b = appendTextIf(b, `,"ref":`, l.Ref)
	b = append(b, `,"sku":`...)
	b = appendText(b, l.SKU)
	b = appendInt(b, `,"qty":`, l.Qty)
	b = appendInt(b, `,"wanted":`, l.Wanted)
	b = appendInt(b, `,"held":`, l.Held)
	b = appendInt(b, `,"committed":`, l.Committed)
	b = appendInt(b, `,"short":`, l.Short)
	b = appendInt(b, `,"shipped":`, l.Shipped)
	b = appendInt(b, `,"released":`, l.Released)
	b = appendInt(b, `,"expired":`, l.Expired)
	b = appendInt(b, `,"returned":`, l.Returned)
	b = append(b, `,"allocations":[`...)
	for i := range l.Allocations {
		a := &l.Allocations[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"sku":`...)
		b = appendText(b, a.SKU)
		b = append(b, `,"location":`...)
		b = appendText(b, a.Location)
		b = appendInt(b, `,"held":`, a.Held)
		b = appendInt(b, `,"committed":`, a.Committed)
		b = appendInt(b, `,"shipped":`, a.Shipped)
		b = append(b, '}')
	}
	return append(b, `]}`...)
}

func appendShort(b []byte, short []engine.ShortLine) []byte {
	b = append(b, '[')
	for i, s := range short {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"sku":`...)
		b = appendText(b, s.SKU)
		b = appendInt(b, `,"wanted":`, s.Wanted)
		b = appendInt(b, `,"sellable":`, s.Sellable)
		b = append(b, '}')
	}
	return append(b, ']')
}

// appendBalance appends the members of a balance, each with a comma in front.
func appendBalance(b []byte, s engine.Balance) []byte {
	b = appendInt(b, `,"on_hand":`, s.OnHand)
	b = appendInt(b, `,"held":`, s.Held)
	b = appendInt(b, `,"committed":`, s.Committed)
	return appendInt(b, `,"available":`, s.Available())
}

// appendEvent appends an event; the names belong to the numbers in it.
func appendEvent(b []byte, e *engine.Event, n eventNames) []byte {
	b = appendUint(b, `{"seq":`, e.Seq)
	b = appendUint(b, `,"index":`, e.Index)
	b = append(b, `,"at":`...)
	b = appendTime(b, e.At)
	b = append(b, `,"type":"`...)
	b = append(b, e.Type.String()...)
	b = append(b, '"')
	b = appendTextIf(b, `,"sku":`, n.sku)
	b = appendTextIf(b, `,"location":`, n.location)
	b = appendTextIf(b, `,"channel":`, n.channel)
	b = appendTextIf(b, `,"cause":`, e.Cause)
	b = appendTextIf(b, `,"note":`, e.Note)
	b = appendIntIf(b, `,"qty":`, e.Qty)
	if e.Location != 0 && e.SKU != 0 {
		b = appendInt(b, `,"on_hand":`, e.OnHand)
		b = appendInt(b, `,"held":`, e.Held)
		b = appendInt(b, `,"committed":`, e.Committed)
	}
	return append(b, '}')
}

// eventNames are the names of the numbers of one event.
type eventNames struct{ sku, location, channel string }

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, "true"...)
	}
	return append(b, "false"...)
}
