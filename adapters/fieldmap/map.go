package fieldmap

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Map says how the fields of one kind of document of one connection are filled.
type Map struct {
	Connection string  `json:"connection"`
	Document   string  `json:"document"` // kind of the task that makes it, such as "erp.order"
	Revision   int     `json:"revision"` // counts the times that it was saved
	Fields     []Field `json:"fields"`
}

// Field fills one field. Exactly one of Constant, From, Lookup and CEL says with what.
type Field struct {
	To       string          `json:"to"`
	Per      string          `json:"per,omitempty"`      // "line": once for each line; else once for an order
	Constant json.RawMessage `json:"constant,omitempty"` // text, whole number, true or false
	From     string          `json:"from,omitempty"`     // path, such as "order.name", "line.sku"
	Lookup   *Lookup         `json:"lookup,omitempty"`
	CEL      string          `json:"cel,omitempty"`
	Required bool            `json:"required,omitempty"` // nothing there is a fault; else it is left out
}

// Lookup translates a text by a table.
type Lookup struct {
	Table  string `json:"table"`            // one of Tables
	From   string `json:"from"`             // path of the name
	Column string `json:"column,omitempty"` // of carriers: amazon_code, amazon_name, shopify, netsuite
}

// Bounds of a map.
const (
	MaxFields = 200
	// MaxCEL is the length of one expression, in bytes: what is longer is a program and belongs elsewhere.
	MaxCEL    = 2_000
	maxTo     = 128
	perLine   = "line"
	perOrder  = ""
	pathOrder = "order"
)

// FieldFault is what is wrong with one field of a map, or with a value for it.
type FieldFault struct {
	Field  string // fields[3].cel
	Reason string
}

// Error names the field.
func (f *FieldFault) Error() string { return f.Field + " " + f.Reason }

var targets = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.\-]*$`)

// Compile checks a map and makes it ready. It fails with all its faults, joined, each a *FieldFault.
func Compile(m Map, t Tables) (*Program, error) {
	if len(m.Fields) > MaxFields {
		return nil, &FieldFault{"fields", fmt.Sprintf("must be at most %d", MaxFields)}
	}
	p := &Program{tables: t}
	var faults []error
	seen := map[string]bool{}
	for i := range m.Fields {
		f := &m.Fields[i]
		at := "fields[" + strconv.Itoa(i) + "]"
		fill, err := p.compile(at, f)
		if err == nil && seen[f.Per+"/"+f.To] {
			err = &FieldFault{at + ".to", "is filled twice"}
		}
		seen[f.Per+"/"+f.To] = true
		if err != nil {
			faults = append(faults, err)
			continue
		}
		p.fills = append(p.fills, *fill)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return p, nil
}

// compile makes one field ready.
func (p *Program) compile(at string, f *Field) (*fill, error) {
	out := &fill{at: at, field: *f}
	if len(f.To) > maxTo || !targets.MatchString(f.To) {
		return nil, &FieldFault{at + ".to", "must be a name of letters, digits, . _ and -"}
	}
	if f.Per != perOrder && f.Per != perLine {
		return nil, &FieldFault{at + ".per", "must be line or left out"}
	}
	ways := 0
	for _, set := range []bool{f.Constant != nil, f.From != "", f.Lookup != nil, f.CEL != ""} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		return nil, &FieldFault{at, "must have exactly one of constant, from, lookup and cel"}
	}
	switch {
	case f.Constant != nil:
		v, err := decode(f.Constant)
		_, isText := v.(string)
		if err != nil || !scalar(v) || isText && f.Constant[0] != '"' { // 1.5 has become a text
			return nil, &FieldFault{at + ".constant", "must be a text, a whole number, true or false"}
		}
		out.value = func(source) (any, error) { return v, nil }
		return out, nil
	case f.From != "":
		path, err := parsePath(at+".from", f.From, f.Per)
		out.value = func(s source) (any, error) { return path.find(s), nil }
		return out, err
	case f.Lookup != nil:
		return out, p.compileLookup(out)
	}
	return out, p.compileCEL(out)
}

func (p *Program) compileLookup(out *fill) error {
	l := *out.field.Lookup
	if must := p.tables.check(l.Table, l.Column); must != "" {
		return &FieldFault{out.at + ".lookup", must}
	}
	path, err := parsePath(out.at+".lookup.from", l.From, out.field.Per)
	out.value = func(s source) (any, error) {
		name, _ := path.find(s).(string)
		if name == "" {
			return nil, nil
		}
		return p.tables.Find(l.Table, name, l.Column)
	}
	return err
}

// path is a way into an order or a line.
type path []any // string: a member; int: an element

var steps = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)((?:\[\d{1,4}\])*)$`)

func parsePath(at, text, per string) (path, error) {
	var p path
	for step := range strings.SplitSeq(text, ".") {
		m := steps.FindStringSubmatch(step)
		if m == nil || len(p) > 16 {
			return nil, &FieldFault{at, "must be a path such as order.externals[0].id"}
		}
		p = append(p, m[1])
		for _, n := range strings.FieldsFunc(m[2], func(r rune) bool { return r == '[' || r == ']' }) {
			i, _ := strconv.Atoi(n) // at most four digits
			p = append(p, i)
		}
	}
	if p[0] != pathOrder && (p[0] != perLine || per != perLine) {
		return nil, &FieldFault{at, "must begin with order" + map[bool]string{true: " or line"}[per == perLine]}
	}
	return p, nil
}

// find returns what is there, or nil.
func (p path) find(s source) any {
	var at any = s.order
	if p[0] == perLine {
		at = s.line
	}
	for _, step := range p[1:] {
		switch step := step.(type) {
		case string:
			m, _ := at.(map[string]any)
			at = m[step]
		case int:
			list, _ := at.([]any)
			if step >= len(list) {
				return nil
			}
			at = list[step]
		}
	}
	return at
}
