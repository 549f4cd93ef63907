package netsuitetest

import (
	"strings"
)

// tokenKind is what a word of a query is.
type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenNumber
	tokenString
	tokenSign
)

// word is one token of a query. Names are in lower case; quoted ones are too, since NetSuite's
// identifiers have no case.
type word struct {
	kind tokenKind
	text string
}

// lex cuts a query into words. It fails, with "", at a character that no query has.
func lex(q string) ([]word, bool) {
	var out []word
	for i := 0; i < len(q); {
		c := q[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case strings.HasPrefix(q[i:], "--"):
			i += lineEnd(q[i:])
		case strings.HasPrefix(q[i:], "/*"):
			end := strings.Index(q[i:], "*/")
			if end < 0 {
				return nil, false
			}
			i += end + 2
		case c == '\'':
			text, n, ok := quoted(q[i:])
			if !ok {
				return nil, false
			}
			out = append(out, word{tokenString, text})
			i += n
		case c == '"':
			end := strings.IndexByte(q[i+1:], '"')
			if end < 0 {
				return nil, false
			}
			out = append(out, word{tokenName, lower(q[i+1 : i+1+end])})
			i += end + 2
		case isDigit(c):
			n := span(q[i:], func(c byte) bool { return isDigit(c) || c == '.' })
			out = append(out, word{tokenNumber, q[i : i+n]})
			i += n
		case isLetter(c):
			n := span(q[i:], func(c byte) bool { return isLetter(c) || isDigit(c) })
			out = append(out, word{tokenName, lower(q[i : i+n])})
			i += n
		default:
			n := signLength(q[i:])
			if n == 0 {
				return nil, false
			}
			out = append(out, word{tokenSign, q[i : i+n]})
			i += n
		}
	}
	return append(out, word{}), true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}

func span(s string, in func(byte) bool) int {
	n := 0
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}

func lineEnd(s string) int {
	if n := strings.IndexByte(s, '\n'); n >= 0 {
		return n
	}
	return len(s)
}

// signLength is the length of the sign that a text begins with, 0 for none.
func signLength(s string) int {
	for _, two := range []string{"<>", "!=", "<=", ">=", "||"} {
		if strings.HasPrefix(s, two) {
			return 2
		}
	}
	if strings.IndexByte("(),.*+-/=<>", s[0]) >= 0 {
		return 1
	}
	return 0
}

// quoted reads a text in quotes; two quotes stand for one.
func quoted(s string) (text string, length int, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 == len(s) || s[i+1] != '\'' {
			return b.String(), i + 1, true
		}
		b.WriteByte('\'')
		i++
	}
	return "", 0, false
}
