package httpapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxDepth bounds how deep a body may nest; no call of the contract needs more than 5.
const maxDepth = 32

// scan is the one pass over a body: it checks the syntax, the depth, the UTF-8 and that no member
// is given twice, while a decoder or a shape takes the values out. Strings that it returns are cut
// from the input, which the caller must own.
//
// The first fault is latched in bad and every later call returns zero values, so that decoders read
// straight through; whoever loops ends because member and element then report the end.
type scan struct {
	in    string
	pos   int
	depth int
	fresh bool // just behind an opening brace or bracket
	base  int  // how many steps of the path a fault leaves out, for an op that stands by itself
	path  [maxDepth]pathStep
	bad   *problem
}

// pathStep is a member by its name, or an element by its place where the name is empty.
type pathStep struct {
	name  string
	index int
}

// maxMembers is how many members one object may know: the bits of seen.
const maxMembers = 64

// fail latches a fault at the value that is being read.
func (s *scan) fail(allowed string) {
	if s.bad == nil {
		s.bad = invalid(s.where(""), allowed)
	}
}

// failAt latches a fault at a member of the object that is being read.
func (s *scan) failAt(member, allowed string) {
	s.path[s.depth-1] = pathStep{name: member}
	s.fail(allowed)
}

// missing latches the fault that a member of the object that was just read is not there.
func (s *scan) missing(member string) { s.failIn(member, "is required") }

// failIn latches a fault at a member of the object that was just read.
func (s *scan) failIn(member, allowed string) {
	if s.bad == nil {
		s.bad = invalid(s.where(member), allowed)
	}
}

// tooMany latches the fault that the list that is being read is longer than a limit.
func (s *scan) tooMany(limit string, most int) {
	if s.bad == nil {
		s.depth--
		s.bad = tooLarge(s.where(""), limit, int64(most))
	}
}

// broken latches a fault of the JSON itself.
func (s *scan) broken(what string) {
	if s.bad != nil {
		return
	}
	p := invalid("", "The body is not valid JSON: "+what+" at byte "+strconv.Itoa(s.pos)+".")
	p.at = s.where("")
	p.malformed = true
	s.bad = p
}

// where is the path of the value that is being read, such as lines[0].qty.
func (s *scan) where(member string) string {
	var b strings.Builder
	for _, step := range s.path[min(s.base, s.depth):s.depth] {
		writeStep(&b, step.name, step.index)
	}
	if member != "" {
		writeStep(&b, member, 0)
	}
	return b.String()
}

func writeStep(b *strings.Builder, name string, index int) {
	switch {
	case name == "" && index < 0:
		return
	case name == "":
		b.WriteByte('[')
		b.WriteString(strconv.Itoa(index))
		b.WriteByte(']')
		return
	case b.Len() > 0:
		b.WriteByte('.')
	}
	b.WriteString(name)
}

// space skips white space and returns the byte behind it, 0 at the end.
func (s *scan) space() byte {
	for s.pos < len(s.in) {
		c := s.in[s.pos]
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
		s.pos++
	}
	return 0
}

// open enters an object or an array.
func (s *scan) open(c byte, must string) bool {
	if s.bad != nil {
		return false
	}
	if got := s.space(); got != c {
		s.wrongType(got, must)
		return false
	}
	if s.depth == maxDepth {
		s.broken("nested deeper than " + strconv.Itoa(maxDepth))
		return false
	}
	s.pos++
	s.path[s.depth] = pathStep{index: -1}
	s.depth++
	s.fresh = true
	return true
}

// object enters an object; then member is called until it returns -1.
func (s *scan) object() bool { return s.open('{', "must be an object") }

// array enters an array; then element is called until it returns false.
func (s *scan) array() bool { return s.open('[', "must be a list") }

// separator reads what stands in front of a member or an element: nothing, a comma, or the end.
func (s *scan) separator(end byte) (more bool) {
	if s.bad != nil {
		return false
	}
	c := s.space()
	if c == end {
		s.pos++
		s.depth--
		s.fresh = false
		return false
	}
	if s.fresh {
		s.fresh = false
		return true
	}
	if c != ',' {
		s.expected("a comma or the end of the " + map[byte]string{'}': "object", ']': "list"}[end])
		return false
	}
	s.pos++
	return true
}

// member reads the name of the next member and returns its place in names, or -1 at the end of the
// object. seen collects the places, so that a name given twice is a fault.
func (s *scan) member(names []string, seen *uint64) int {
	if !s.separator('}') {
		return -1
	}
	name := s.name()
	if s.bad != nil {
		return -1
	}
	i := -1
	for j, n := range names {
		if len(n) == len(name) && n == name {
			i = j
			break
		}
	}
	if i < 0 {
		s.failAt(printable(name), "is not a member of this object; allowed: "+strings.Join(names, ", "))
		return -1
	}
	if *seen&(1<<i) != 0 {
		s.failAt(name, "is given twice")
		s.bad.malformed = true
		return -1
	}
	*seen |= 1 << i
	s.path[s.depth-1] = pathStep{name: names[i]}
	return i
}

// name reads the name of a member and the colon behind it.
func (s *scan) name() string {
	if s.space() != '"' {
		s.expected("the name of a member in quotes")
		return ""
	}
	name := s.quoted()
	if s.bad == nil && s.space() != ':' {
		s.expected("a colon")
		return ""
	}
	s.pos++
	return name
}

// element moves to element i of the array; false at its end.
func (s *scan) element(i int) bool {
	if !s.separator(']') {
		return false
	}
	s.path[s.depth-1] = pathStep{index: i}
	return true
}

// end checks that nothing but white space is left.
func (s *scan) end() {
	if s.bad == nil && s.space() != 0 || s.bad == nil && s.pos < len(s.in) {
		s.broken("something follows the end of the value")
	}
}

// integer reads a whole number within bounds, both included.
func (s *scan) integer(from, to int64) int64 {
	if s.bad != nil {
		return 0
	}
	c := s.space()
	if c != '-' && (c < '0' || c > '9') {
		s.wrongType(c, wholeNumber(from, to))
		return 0
	}
	text := s.number()
	if s.bad != nil {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < from || n > to {
		s.fail(wholeNumber(from, to))
		return 0
	}
	return n
}

func wholeNumber(from, to int64) string {
	return fmt.Sprintf("must be a whole number from %d to %d", from, to)
}

// number reads the text of a number.
func (s *scan) number() string {
	from := s.pos
	if s.peek() == '-' {
		s.pos++
	}
	if first := s.peek(); s.digits() > 1 && first == '0' {
		s.pos = from
		s.broken("a number with a leading zero")
	}
	if s.peek() == '.' {
		s.pos++
		s.digits()
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		s.digits()
	}
	return s.in[from:s.pos]
}

// digits skips digits, of which there must be at least one, and returns how many.
func (s *scan) digits() int {
	from := s.pos
	for s.pos < len(s.in) && s.in[s.pos] >= '0' && s.in[s.pos] <= '9' {
		s.pos++
	}
	if s.pos == from {
		s.expected("a digit")
	}
	return s.pos - from
}

func (s *scan) peek() byte {
	if s.pos < len(s.in) {
		return s.in[s.pos]
	}
	return 0
}

// boolean reads true or false.
func (s *scan) boolean() bool {
	if s.bad != nil {
		return false
	}
	switch c := s.space(); {
	case c == 't' && s.word("true"):
		return true
	case c == 'f' && s.word("false"):
		return false
	case s.bad == nil:
		s.wrongType(c, "must be true or false")
	}
	return false
}

func (s *scan) word(w string) bool {
	if !strings.HasPrefix(s.in[s.pos:], w) {
		s.broken("an unknown word")
		return false
	}
	s.pos += len(w)
	return true
}

// text reads a string.
func (s *scan) text() string {
	if s.bad != nil {
		return ""
	}
	if c := s.space(); c != '"' {
		s.wrongType(c, "must be a text")
		return ""
	}
	return s.quoted()
}

// skip reads any value and checks it; objects in it must not give a member twice.
func (s *scan) skip() {
	if s.bad != nil {
		return
	}
	switch c := s.space(); c {
	case '{':
		s.skipObject()
	case '[':
		s.array()
		for i := 0; s.element(i); i++ {
			s.skip()
		}
	case '"':
		s.quoted()
	case 't':
		s.word("true")
	case 'f':
		s.word("false")
	case 'n':
		s.word("null")
	default:
		if c != '-' && (c < '0' || c > '9') {
			s.expected("a value")
			return
		}
		s.number()
	}
}

// fewMembers is up to how many members a list is searched faster than a map.
const fewMembers = 16

func (s *scan) skipObject() {
	var few [fewMembers]string
	names := few[:0]
	var many map[string]struct{}
	s.object()
	for s.separator('}') {
		name := s.name()
		if s.bad != nil {
			return
		}
		s.path[s.depth-1] = pathStep{name: printable(name)}
		_, twice := many[name]
		if twice || slices.Contains(names, name) {
			s.fail("is given twice")
			s.bad.malformed = true
			return
		}
		if len(names) < fewMembers {
			names = append(names, name)
		} else {
			if many == nil {
				many = make(map[string]struct{})
			}
			many[name] = struct{}{}
		}
		s.skip()
	}
}

// wrongType latches the fault of a value that is JSON but not of the type that is wanted.
func (s *scan) wrongType(got byte, must string) {
	switch {
	case got == 'n' && strings.HasPrefix(s.in[s.pos:], "null"):
		s.fail(must + ", not null")
	case got == '{' || got == '[' || got == '"' || got == 't' || got == 'f' || got == '-',
		got >= '0' && got <= '9':
		s.fail(must)
	default:
		s.expected("a value")
	}
}

func (s *scan) expected(what string) {
	if s.pos >= len(s.in) {
		s.broken("it ends where " + what + " is expected,")
		return
	}
	s.broken(what + " is expected")
}

// printable shortens a name that a client made up, so that it can be shown.
func printable(name string) string {
	const most = 64
	cut := strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return '?'
		}
		return r
	}, name)
	if len(cut) > most {
		cut = strings.ToValidUTF8(cut[:most], "") + "…"
	}
	if cut == "" {
		return `""`
	}
	return cut
}
