package httpapi

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// quoted reads a string, the opening quote being next. Without escapes the result is cut from the
// input. Half of a surrogate pair is refused: it is no character, so no UTF-8 could carry it.
func (s *scan) quoted() string {
	s.pos++
	from := s.pos
	high := byte(0)
	for ; s.pos < len(s.in); s.pos++ {
		switch c := s.in[s.pos]; {
		case c == '"':
			text := s.in[from:s.pos]
			if high >= utf8.RuneSelf && !utf8.ValidString(text) {
				s.broken("a text that is not UTF-8 ends")
				return ""
			}
			s.pos++
			return text
		case c == '\\':
			return s.escaped(from)
		case c < 0x20:
			s.broken("a control character that is not escaped")
			return ""
		default:
			high |= c
		}
	}
	s.broken("a text without an end")
	return ""
}

// escaped reads the rest of a string that has an escape in it and began at from.
func (s *scan) escaped(from int) string {
	var b strings.Builder
	for s.pos < len(s.in) {
		c := s.in[s.pos]
		switch {
		case c == '"':
			b.WriteString(s.in[from:s.pos])
			text := b.String()
			if !utf8.ValidString(text) {
				s.broken("a text that is not UTF-8 ends")
				return ""
			}
			s.pos++
			return text
		case c < 0x20:
			s.broken("a control character that is not escaped")
			return ""
		case c != '\\':
			s.pos++
		default:
			b.WriteString(s.in[from:s.pos])
			s.pos++
			b.WriteRune(s.escape())
			if s.bad != nil {
				return ""
			}
			from = s.pos
		}
	}
	s.broken("a text without an end")
	return ""
}

// escape reads what stands behind a backslash.
func (s *scan) escape() rune {
	c := s.peek()
	if c == 'u' {
		s.pos++
		return s.unicode()
	}
	const plain, meaning = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	i := strings.IndexByte(plain, c)
	if c == 0 || i < 0 {
		s.broken("an unknown escape")
		return 0
	}
	s.pos++
	return rune(meaning[i])
}

// unicode reads the four digits of a \u escape, and the second half of a pair.
func (s *scan) unicode() rune {
	r := s.hex4()
	if !utf16.IsSurrogate(r) || s.bad != nil {
		return r
	}
	if !strings.HasPrefix(s.in[s.pos:], `\u`) {
		s.broken("half of a surrogate pair")
		return 0
	}
	s.pos += 2
	pair := utf16.DecodeRune(r, s.hex4())
	if pair == utf8.RuneError && s.bad == nil {
		s.broken("half of a surrogate pair")
	}
	return pair
}

func (s *scan) hex4() rune {
	if len(s.in)-s.pos < 4 {
		s.broken("an unfinished escape")
		return 0
	}
	var r rune
	for _, c := range []byte(s.in[s.pos : s.pos+4]) {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			s.broken("an escape with a wrong digit")
			return 0
		}
	}
	s.pos += 4
	return r
}
