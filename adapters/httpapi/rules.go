package httpapi

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"holdfast/engine"
)

// The limits of a request, by the name that a 413 gives them.
const (
	limitLines      = "reservation-lines"
	limitChanges    = "stock-changes"
	limitOps        = "batch-ops"
	limitSKUs       = "skus"
	limitComponents = "kit-components"
	limitLocations  = "channel-locations"
	limitTags       = "tags"
	limitMarkets    = "pool-marketplaces"
	limitAttributes = "attributes-bytes"
	limitNDJSONLine = "ndjson-line-bytes"

	maxChanges   = 10_000
	maxOps       = engine.MaxGroup
	maxSKUs      = 10_000
	maxTags      = 100
	maxMarkets   = 100
	maxLineBytes = 64 << 10
)

// defaultTTL is how long units are held when nobody says: a checkout's length, in ms.
const defaultTTL = 15 * 60 * 1000

// The rules of texts: each returns what is allowed when text is not, and "" when it is.

func skuRule(text string) string {
	if len(text) < 1 || len(text) > engine.MaxSKUBytes || hasControl(text) ||
		!utf8.ValidString(text) {
		return "must be 1 to 255 bytes of UTF-8 without control characters"
	}
	return ""
}

func idRule(text string) string {
	if len(text) < 1 || len(text) > engine.MaxIDBytes || !printableASCII(text, '!') {
		return "must be 1 to 128 bytes of printable ASCII without space"
	}
	return ""
}

func refRule(text string) string { return boundedText(text, engine.MaxRefBytes) }

func noteRule(text string) string { return boundedText(text, engine.MaxNoteBytes) }

func titleRule(text string) string { return boundedText(text, 1000) }

func boundedText(text string, most int) string {
	if len(text) > most || hasControl(text) {
		return fmt.Sprintf("must be at most %d bytes of UTF-8 without control characters", most)
	}
	return ""
}

func timeRule(text string) string {
	if _, ok := parseTime(text); !ok {
		return "must be an RFC 3339 time after 1970, such as 2026-11-23T08:00:00.000Z"
	}
	return ""
}

// keyRule is the rule of an Idempotency-Key.
func keyRule(text string) string {
	if len(text) < 1 || len(text) > 255 || !printableASCII(text, ' ') {
		return "must be 1 to 255 bytes of printable ASCII"
	}
	return ""
}

func printableASCII(text string, from byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] < from || text[i] > '~' {
			return false
		}
	}
	return true
}

func hasControl(text string) bool {
	for i := 0; i < len(text); i++ {
		if c := text[i]; c < 0x20 || c == 0x7f {
			return true
		} else if c == 0xc2 { // the first byte of U+0080 to U+009F
			return strings.ContainsFunc(text[i:], unicode.IsControl)
		}
	}
	return false
}

// parseTime reads an RFC 3339 time as ms since 1970.
func parseTime(text string) (ms int64, ok bool) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, false
	}
	ms = t.UnixMilli()
	return ms, ms > 0
}

// parsePercent reads a percent with at most two decimals as hundredths, without a float in between.
func parsePercent(text string) (hundredths int64, ok bool) {
	whole, part, _ := strings.Cut(text, ".")
	part = strings.TrimRight(part, "0")
	if len(part) > 2 || len(whole) == 0 || len(whole) > 3 {
		return 0, false
	}
	n, err := strconv.ParseUint(whole+part+"00"[len(part):], 10, 32)
	return int64(n), err == nil && n <= 100_00
}

// appendPercent is the inverse of parsePercent.
func appendPercent(b []byte, hundredths int64) []byte {
	b = strconv.AppendInt(b, hundredths/100, 10)
	switch part := hundredths % 100; {
	case part == 0:
	case part%10 == 0:
		b = append(b, '.', byte('0'+part/10))
	default:
		b = append(b, '.', byte('0'+part/10), byte('0'+part%10))
	}
	return b
}

// word reads a text that must be one of a few words.
func word[E ~uint8](s *scan, parse func(string) E, words string) E {
	text := s.text()
	if s.bad != nil {
		return 0
	}
	e := parse(text)
	if e == 0 {
		s.fail("must be one of " + words)
	}
	return e
}

// ruled reads a text under a rule.
func (s *scan) ruled(rule func(string) string) string {
	text := s.text()
	if s.bad != nil {
		return ""
	}
	if must := rule(text); must != "" {
		s.fail(must)
	}
	return text
}

// quantity reads units of a line, a pick or a component.
func (s *scan) quantity() int64 { return s.integer(1, engine.MaxQty) }
