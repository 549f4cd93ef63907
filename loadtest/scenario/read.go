package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// fileFault is a fault of a file: where, which field, and what is wrong with it.
type fileFault struct {
	file  string
	line  int
	field string
	what  string
}

// Error is "file:line: field: what".
func (f *fileFault) Error() string {
	if f.field == "" {
		return fmt.Sprintf("%s:%d: %s", f.file, f.line, f.what)
	}
	return fmt.Sprintf("%s:%d: %s: %s", f.file, f.line, f.field, f.what)
}

// reader takes the fields of one mapping and gathers what is wrong.
type reader struct {
	file    string
	section string // as Fields names it
	path    string // as a person writes it, such as phases[1]
	node    *yaml.Node
	faults  *[]error
}

// fault notes one. A nil node means the mapping itself.
func (r reader) fault(n *yaml.Node, field, format string, args ...any) {
	if n == nil {
		n = r.node
	}
	if r.path != "" && field != "" {
		field = r.path + "." + field
	} else if field == "" {
		field = r.path
	}
	*r.faults = append(*r.faults, &fileFault{r.file, n.Line, field, fmt.Sprintf(format, args...)})
}

// known reports the fields that the schema does not have, and those that stand twice.
func (r reader) known() {
	if r.node.Kind != yaml.MappingNode {
		r.fault(nil, "", "must be a mapping of fields")
		return
	}
	var names, seen []string
	for _, f := range Fields {
		if f.Section == r.section {
			names = append(names, f.Name)
		}
	}
	for i := 0; i < len(r.node.Content); i += 2 {
		k := r.node.Content[i]
		if !slices.Contains(names, k.Value) {
			r.fault(k, k.Value, "unknown field; there are %s", strings.Join(names, ", "))
		}
		if slices.Contains(seen, k.Value) {
			r.fault(k, k.Value, "stands twice")
		}
		seen = append(seen, k.Value)
	}
}

// at returns the value of a field, nil where it is not said.
func (r reader) at(field string) *yaml.Node {
	if r.node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(r.node.Content); i += 2 {
		if r.node.Content[i].Value == field {
			v := r.node.Content[i+1]
			if v.Kind == yaml.AliasNode {
				return v.Alias
			}
			return v
		}
	}
	return nil
}

func (r reader) text(field, standard string) string {
	n := r.at(field)
	switch {
	case n == nil:
		return standard
	case n.Kind != yaml.ScalarNode:
		r.fault(n, field, "must be a text")
		return standard
	}
	return n.Value
}

func (r reader) word(field string, words ...string) string {
	w := r.text(field, words[0])
	if !slices.Contains(words, w) {
		r.fault(r.at(field), field, "%q is none of %s", w, strings.Join(words, ", "))
		return words[0]
	}
	return w
}

func (r reader) number(field string, standard, low, high float64) float64 {
	n := r.at(field)
	if n == nil {
		return standard
	}
	v, err := strconv.ParseFloat(strings.ReplaceAll(n.Value, "_", ""), 64)
	if n.Kind != yaml.ScalarNode || err != nil || !(v >= low && v <= high) {
		r.fault(n, field, "%q must be a number from %v to %v", n.Value, low, high)
		return standard
	}
	return v
}

func (r reader) whole(field string, standard, low, high int64) int64 {
	n := r.at(field)
	if n == nil {
		return standard
	}
	v, err := strconv.ParseInt(strings.ReplaceAll(n.Value, "_", ""), 10, 64)
	if n.Kind != yaml.ScalarNode || err != nil || v < low || v > high {
		r.fault(n, field, "%q must be a whole number from %d to %d", n.Value, low, high)
		return standard
	}
	return v
}

func (r reader) duration(field string, standard, low time.Duration) time.Duration {
	n := r.at(field)
	if n == nil {
		return standard
	}
	v, err := time.ParseDuration(n.Value)
	if err != nil || v < low || v > 7*24*time.Hour {
		r.fault(n, field, "%q must be a duration from %s to 168h, such as 90s", n.Value, low)
		return standard
	}
	return v
}

func (r reader) yes(field string) bool {
	n := r.at(field)
	if n == nil {
		return false
	}
	if n.Value != "true" && n.Value != "false" {
		r.fault(n, field, "%q must be true or false", n.Value)
	}
	return n.Value == "true"
}

// shares reads a mapping of names to weights, in the order of the file.
func (r reader) shares(field string, allowed func(string) bool, hint string) []Share {
	n := r.at(field)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.fault(n, field, "must be a mapping of names to weights")
		return nil
	}
	var all []Share
	sum := 0.0
	for i := 0; i < len(n.Content); i += 2 {
		name := n.Content[i]
		w, err := strconv.ParseFloat(n.Content[i+1].Value, 64)
		switch {
		case !allowed(name.Value):
			r.fault(name, field, "%q: %s", name.Value, hint)
		case err != nil || !(w >= 0 && w <= 1e9):
			r.fault(n.Content[i+1], field+"."+name.Value, "%q must be a weight of 0 or more",
				n.Content[i+1].Value)
		default:
			all = append(all, Share{name.Value, w})
			sum += w
		}
	}
	if len(all) > 0 && sum == 0 {
		r.fault(n, field, "all weights are 0")
	}
	return all
}

// sub reads a mapping inside; a field that is not said is an empty one.
func (r reader) sub(field string) reader { return r.inside(field, field, r.at(field)) }

func (r reader) inside(field, path string, n *yaml.Node) reader {
	section := field
	if r.section != "" {
		section = r.section + "." + field
		path = r.path + "." + path
	}
	if n == nil {
		n = &yaml.Node{Kind: yaml.MappingNode, Line: r.node.Line}
	}
	s := reader{r.file, section, path, n, r.faults}
	s.known()
	return s
}

// list reads a list of mappings.
func (r reader) list(field string) []reader {
	n := r.at(field)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.fault(n, field, "must be a list")
		return nil
	}
	var all []reader
	for i, item := range n.Content {
		all = append(all, r.inside(field, fmt.Sprintf("%s[%d]", field, i), item))
	}
	return all
}
