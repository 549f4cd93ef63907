package netsuitetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// writer puts the body of a request into a record.
type writer struct {
	a        *account
	mode     string          // X-NetSuite-PropertyNameValidation: error, warning or ignore
	replace  map[string]bool // sublists, in lower case, of which the body is all
	clear    bool            // replaceSelectedFields: fields of replace without a value are cleared
	transfer bool            // the record is being made by a transform
	warnings []string
}

// decodeObject reads a JSON object, with its numbers as they were written.
func decodeObject(text []byte) (map[string]any, *apiError) {
	if len(bytes.TrimSpace(text)) == 0 {
		return map[string]any{}, nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var out map[string]any
	if err := dec.Decode(&out); err != nil || out == nil {
		return nil, badContent("", "Invalid content in the request body: it is not a JSON object.")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, badContent("", "Invalid content in the request body: more than one value.")
	}
	return out, nil
}

// record writes all members of a body. An error leaves the record half written: it is thrown away.
func (w *writer) record(r *record, body map[string]any) *apiError {
	for _, name := range slices.Sorted(maps.Keys(body)) {
		value := body[name]
		switch sub := r.typ.subs[lower(name)]; {
		case lower(name) == "links" || lower(name) == "id":
		case w.a.cfg.LegacyTax && taxFields[lower(name)]:
			if err := w.unknown("$." + name); err != nil {
				return err
			}
		case lower(name) == "externalid":
			if err := w.external(r, value); err != nil {
				return err
			}
		case sub != nil:
			if err := w.sublist(r, sub, value); err != nil {
				return err
			}
		default:
			f := w.a.field(r.typ.fields, name, "custbody")
			if err := w.set(r.values, f, name, value); err != nil {
				return err
			}
		}
	}
	if w.clear {
		for name := range w.replace {
			if f := r.typ.fields[name]; f != nil && !hasKey(body, name) {
				delete(r.values, f.name)
			}
		}
	}
	return nil
}

func hasKey(body map[string]any, name string) bool {
	for key := range body {
		if lower(key) == name {
			return true
		}
	}
	return false
}

func (w *writer) external(r *record, value any) *apiError {
	switch v := value.(type) {
	case nil:
		r.external = ""
	case string:
		if strings.Contains(v, "|") {
			return badContent("$.externalId", "The external ID %s is not valid.", v)
		}
		r.external = v
	default:
		return badContent("$.externalId", "Invalid value for the field externalId.")
	}
	return nil
}

// set puts one value into a field.
func (w *writer) set(v values, f *field, path string, value any) *apiError {
	switch {
	case f == nil:
		return w.unknown("$." + path)
	case f.kind == kindRead:
		return nil
	case value == nil:
		delete(v, f.name)
		return nil
	}
	x, err := w.a.convert(f, value, "$."+path)
	if err == nil {
		v[f.name] = x
	}
	return err
}

// unknown is a member that no field has: an error, a warning or nothing.
func (w *writer) unknown(path string) *apiError {
	switch w.mode {
	case "error":
		return badContent(path, "Unknown property %s.", strings.TrimPrefix(path, "$."))
	case "warning":
		w.warnings = append(w.warnings, "Unknown property "+strings.TrimPrefix(path, "$."))
	}
	return nil
}

// sublist merges the lines of a body into those of a record: lines with a known key are updated, all
// others are appended, and with replace those that are not named go.
func (w *writer) sublist(r *record, sub *sublist, value any) *apiError {
	replace := w.replace[lower(sub.name)]
	list, err := linesOf(sub, value)
	if err != nil {
		return err
	}
	named := map[*line]bool{}
	for i, body := range list {
		path := fmt.Sprintf("%s.items[%d]", sub.name, i)
		l, err := w.target(r, sub, body, path)
		if err != nil {
			return err
		}
		if err := w.line(r, sub, l, body, path); err != nil {
			return err
		}
		if l.order == nil {
			r.append(sub.name, l)
		}
		named[l] = true
	}
	if replace {
		r.lines[sub.name] = slices.DeleteFunc(r.lines[sub.name],
			func(l *line) bool { return !named[l] })
	}
	return nil
}

func linesOf(sub *sublist, value any) ([]map[string]any, *apiError) {
	if value == nil {
		return nil, nil
	}
	body, _ := value.(map[string]any)
	items, ok := body["items"].([]any)
	if !ok {
		return nil, badContent("$."+sub.name, "Invalid content: the sublist %s needs items.", sub.name)
	}
	var out []map[string]any
	for i, x := range items {
		m, ok := x.(map[string]any)
		if !ok {
			return nil, badContent(fmt.Sprintf("$.%s.items[%d]", sub.name, i), "Invalid content.")
		}
		out = append(out, m)
	}
	return out, nil
}

// target finds the line that a line of a body means, or makes a new one, which has no order yet.
func (w *writer) target(r *record, sub *sublist, body map[string]any, path string) (*line, *apiError) {
	fresh := &line{values: values{}}
	key := sub.key
	if key == "" || key == "line" && !w.a.assumed.ItemSublistKeyed {
		return fresh, nil
	}
	if w.transfer && sub.name == "item" {
		key = "orderLine"
	}
	var given any
	for name, value := range body {
		if lower(name) == lower(key) {
			given = value
		}
	}
	if given == nil {
		return fresh, nil
	}
	n, err := w.a.convert(sub.fields[lower(key)], given, "$."+path+"."+key)
	if err != nil {
		return nil, err
	}
	no, _ := n.(dec)
	for _, l := range r.lines[sub.name] {
		if key == "line" && whole(l.no) == no || key != "line" && l.num(key) == no {
			return l, nil
		}
	}
	if r.is("itemFulfillment", "itemReceipt") {
		return nil, refused("Invalid order line %s.", no)
	}
	return fresh, nil
}

// line writes the members of one line.
func (w *writer) line(r *record, sub *sublist, l *line, body map[string]any, path string) *apiError {
	given := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if lower(name) == "links" {
			continue
		}
		at := path + "." + name
		if w.a.cfg.LegacyTax && taxFields[lower(name)] {
			if err := w.unknown("$." + at); err != nil {
				return err
			}
			continue
		}
		given[lower(name)] = true
		f := w.a.field(sub.fields, name, "custcol")
		if err := w.set(l.values, f, at, body[name]); err != nil {
			return err
		}
	}
	if (given["quantity"] || given["rate"] || given["price"]) && !given["amount"] {
		delete(l.values, "amount") // it follows from the others again
	}
	if given["amount"] && !given["rate"] {
		delete(l.values, "rate")
	}
	if r.is("itemFulfillment", "itemReceipt") && sub.name == "item" && !given["itemreceive"] {
		l.values["itemReceive"] = true
	}
	return nil
}

// convert reads a value of a field's kind.
func (a *account) convert(f *field, value any, path string) (any, *apiError) {
	wrong := badContent(path, "Invalid value for the resource or sub-resource field %s. "+
		"Provide a valid value.", strings.TrimPrefix(path, "$."))
	switch f.kind {
	case kindText, kindObject:
		switch v := value.(type) {
		case string, map[string]any:
			return v, nil
		case json.Number:
			return v.String(), nil
		case bool:
			return strconv.FormatBool(v), nil
		}
	case kindDate:
		s, _ := value.(string)
		if t, err := time.Parse(time.DateOnly, s[:min(len(s), len(time.DateOnly))]); err == nil {
			return t.Format(time.DateOnly), nil
		}
	case kindFlag:
		if b, ok := value.(bool); ok {
			return b, nil
		}
	case kindNumber:
		if n, ok := parseDec(scalar(value)); ok {
			return n, nil
		}
	case kindEnum:
		if id := identity(value, "id"); f.words[id] != "" {
			return enum(id), nil
		}
	case kindRef:
		return a.reference(f, value, wrong)
	}
	return nil, wrong
}

// scalar is the text of a number or string.
func scalar(value any) string {
	switch v := value.(type) {
	case json.Number:
		return v.String()
	case string:
		return v
	}
	return ""
}

// identity is the member of an object that names something, or the value itself.
func identity(value any, member string) string {
	if m, ok := value.(map[string]any); ok {
		return scalar(m[member])
	}
	if member == "id" {
		return scalar(value)
	}
	return ""
}

// reference finds the record that {"id"}, {"externalId"} or a bare id means.
func (a *account) reference(f *field, value any, wrong *apiError) (any, *apiError) {
	family := f.target
	if t := recordTypes[lower(f.target)]; t != nil {
		family = t.family
	}
	if external := identity(value, "externalId"); external != "" {
		if r := a.byExternal[externalKey{family, external}]; r != nil {
			return ref(r.id), nil
		}
		return nil, wrong
	}
	id, err := strconv.ParseInt(identity(value, "id"), 10, 64)
	if err != nil {
		return nil, wrong
	}
	if a.get(f.target, id) == nil {
		return nil, badValue(id, f.name)
	}
	return ref(id), nil
}
