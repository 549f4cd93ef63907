package httpapi

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"holdfast/engine"
)

// shape says what a body may be. It is made once from a struct's tags and then walked by the pass
// over each body, so that every fault gets its path and its rule before sonic fills the struct.
//
// Tags: json names the member; is names the rule of a value or of each element (sku, id, ref, note,
// title, time, percent, "int FROM TO", "words A B C"); required asks for the member; most:"N LIMIT"
// bounds a list.
type shape struct {
	kind     reflect.Kind // String, Int64, Bool, Slice, Struct, Float64 (a percent)
	names    []string     // of a struct's members
	members  []*shape
	required uint64 // bits of names
	element  *shape // of a slice
	most     int
	limit    string
	from, to int64 // of an integer
	rule     func(string) string
	words    []string
}

var textRules = map[string]func(string) string{
	"sku": skuRule, "id": idRule, "ref": refRule, "note": noteRule, "title": titleRule,
	"time": timeRule,
}

// shapeOf builds the shape of a struct type; it panics on a tag that it does not know, which a test
// of every body finds.
func shapeOf(t reflect.Type) *shape {
	s := &shape{kind: reflect.Struct}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		s.names = append(s.names, name)
		s.members = append(s.members, shapeOfField(f.Type, f.Tag))
		if f.Tag.Get("required") != "" {
			s.required |= 1 << i
		}
	}
	if len(s.names) > maxMembers {
		panic(fmt.Sprintf("httpapi: %v has more than %d members", t, maxMembers))
	}
	return s
}

func shapeOfField(t reflect.Type, tag reflect.StructTag) *shape {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	rule, args, _ := strings.Cut(tag.Get("is"), " ")
	s := &shape{kind: t.Kind()}
	switch {
	case t.Kind() == reflect.Struct:
		return shapeOf(t)
	case t.Kind() == reflect.Slice:
		s.element = shapeOfField(t.Elem(), reflect.StructTag(`is:"`+tag.Get("is")+`"`))
		n, limit, _ := strings.Cut(tag.Get("most"), " ")
		s.most, _ = strconv.Atoi(n)
		s.limit = limit
	case rule == "percent":
		s.kind = reflect.Float64
	case rule == "int":
		if _, err := fmt.Sscan(args, &s.from, &s.to); err != nil {
			panic("httpapi: rule int " + args)
		}
	case rule == "words":
		s.words = strings.Fields(args)
	case t.Kind() == reflect.String:
		s.rule = textRules[rule]
	}
	known := s.kind == reflect.Bool || s.kind == reflect.Float64 || s.most > 0 || s.to > 0 ||
		s.words != nil || s.rule != nil
	if !known {
		panic(fmt.Sprintf("httpapi: no rule for %v %q", t, tag))
	}
	return s
}

// walk reads one value of the shape.
func (s *scan) walk(sh *shape) {
	switch sh.kind {
	case reflect.Struct:
		s.walkObject(sh)
	case reflect.Slice:
		s.walkList(sh)
	case reflect.Bool:
		s.boolean()
	case reflect.Int64:
		s.integer(sh.from, sh.to)
	case reflect.Float64:
		s.percent()
	case reflect.String:
		if sh.words != nil {
			s.oneOf(sh.words)
			return
		}
		s.ruled(sh.rule)
	}
}

func (s *scan) walkObject(sh *shape) {
	if !s.object() {
		return
	}
	var seen uint64
	for i := s.member(sh.names, &seen); i >= 0; i = s.member(sh.names, &seen) {
		s.walk(sh.members[i])
	}
	if lack := sh.required &^ seen; lack != 0 {
		for i, name := range sh.names {
			if lack&(1<<i) != 0 {
				s.missing(name)
				return
			}
		}
	}
}

func (s *scan) walkList(sh *shape) {
	if !s.array() {
		return
	}
	for i := 0; s.element(i); i++ {
		if i == sh.most {
			s.tooMany(sh.limit, sh.most)
			return
		}
		s.walk(sh.element)
	}
}

func (s *scan) oneOf(words []string) {
	text := s.text()
	if s.bad != nil {
		return
	}
	for _, w := range words {
		if w == text {
			return
		}
	}
	s.fail("must be one of " + strings.Join(words, ", "))
}

// percent reads a percent as hundredths.
func (s *scan) percent() int64 {
	const must = "must be a number from 0 to 100 with at most two decimals"
	if s.bad != nil {
		return 0
	}
	c := s.space()
	if c != '-' && (c < '0' || c > '9') {
		s.wrongType(c, must)
		return 0
	}
	n, ok := parsePercent(s.number())
	if !ok {
		s.fail(must)
	}
	return n
}

// The tags of the bodies repeat engine.MaxQty in decimal; this fails to compile when it changes.
var _ = [1]struct{}{}[engine.MaxQty-1_000_000_000]
