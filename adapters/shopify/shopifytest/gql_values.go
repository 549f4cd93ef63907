package shopifytest

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// args are the arguments of a field, or the fields of an input object. A key that the client left
// out is not there, while one that it set to null is there with nil: Shopify tells them apart.
// Numbers are int64, or json.Number where the schema says Float.
type args map[string]any

func (a args) text(name string) string {
	s, _ := a[name].(string)
	return s
}

func (a args) flag(name string) bool {
	b, _ := a[name].(bool)
	return b
}

func (a args) number(name string) int64 {
	n, _ := a[name].(int64)
	return n
}

func (a args) has(name string) bool { return a[name] != nil }

func (a args) object(name string) args {
	m, _ := a[name].(map[string]any)
	return m
}

func (a args) objects(name string) []args {
	list, _ := a[name].([]any)
	out := make([]args, 0, len(list))
	for _, v := range list {
		if m, ok := v.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func (a args) texts(name string) []string {
	list, _ := a[name].([]any)
	out := make([]string, 0, len(list))
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// arguments evaluates the arguments of a field with the defaults of the schema.
func arguments(f *ast.Field, vars map[string]any) args {
	out := args{}
	for _, def := range f.Definition.Arguments {
		if given := f.Arguments.ForName(def.Name); given != nil {
			if v, ok := value(given.Value, vars); ok {
				out[def.Name] = v
				continue
			}
		}
		if def.DefaultValue != nil {
			out[def.Name], _ = value(def.DefaultValue, nil)
		}
	}
	return out
}

// value evaluates a literal. ok is false for a variable that was not given.
func value(v *ast.Value, vars map[string]any) (out any, ok bool) {
	switch v.Kind {
	case ast.Variable:
		out, ok = vars[v.Raw]
		return out, ok
	case ast.IntValue:
		n, err := strconv.ParseInt(v.Raw, 10, 64)
		if err != nil {
			return json.Number(v.Raw), true
		}
		if d := v.Definition; d != nil && (d.Name == "ID" || numericText[d.Name]) {
			return v.Raw, true
		}
		return n, true
	case ast.FloatValue:
		if d := v.Definition; d != nil && numericText[d.Name] {
			return v.Raw, true
		}
		return json.Number(v.Raw), true
	case ast.BooleanValue:
		return v.Raw == "true", true
	case ast.NullValue:
		return nil, true
	case ast.ListValue:
		list := []any{}
		for _, c := range v.Children {
			x, _ := value(c.Value, vars)
			list = append(list, x)
		}
		return list, true
	case ast.ObjectValue:
		m := map[string]any{}
		for _, c := range v.Children {
			if x, ok := value(c.Value, vars); ok {
				m[c.Name] = x
			}
		}
		return m, true
	}
	return v.Raw, true
}

// numericText are scalars that may be written as numbers and are kept as text.
var numericText = map[string]bool{"Money": true, "Decimal": true, "UnsignedInt64": true}

// problem is one fault of a variable, worded as Shopify words it.
type problem struct {
	Path        []any  `json:"path"`
	Explanation string `json:"explanation"`
}

// coerce turns the variables of a call into the values that their types say. Variables that were
// not given are not there. A fault is one error per variable.
func coerce(defs ast.VariableDefinitionList, given map[string]any) (map[string]any, []gqlError) {
	out := map[string]any{}
	var errs []gqlError
	for _, def := range defs {
		v, ok := given[def.Variable]
		if !ok && def.DefaultValue != nil {
			out[def.Variable], _ = value(def.DefaultValue, nil)
			continue
		}
		if !ok && !def.Type.NonNull {
			continue
		}
		c := coercion{}
		x := c.coerce(def.Type, v, nil)
		if len(c.problems) == 0 {
			out[def.Variable] = x
			continue
		}
		errs = append(errs, variableError(def, v, c.problems))
	}
	return out, errs
}

func variableError(def *ast.VariableDefinition, v any, problems []problem) gqlError {
	var words []string
	for _, p := range problems {
		var path []string
		for _, step := range p.Path {
			path = append(path, fmt.Sprint(step))
		}
		word := "(" + p.Explanation + ")"
		if len(path) > 0 {
			word = "for " + strings.Join(path, ".") + " " + word
		}
		words = append(words, word)
	}
	return gqlError{Message: fmt.Sprintf("Variable $%s of type %s was provided invalid value %s",
		def.Variable, def.Type, strings.Join(words, ", ")), Locations: at(def.Position),
		Extensions: map[string]any{"code": "INVALID_VARIABLE", "value": v, "problems": problems}}
}

type coercion struct{ problems []problem }

func (c *coercion) fault(path []any, format string, a ...any) any {
	kept := append([]any{}, path...)
	c.problems = append(c.problems, problem{Path: kept, Explanation: fmt.Sprintf(format, a...)})
	return nil
}

func (c *coercion) coerce(t *ast.Type, v any, path []any) any {
	if v == nil {
		if t.NonNull {
			return c.fault(path, "Expected value to not be null")
		}
		return nil
	}
	if t.Elem != nil {
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		out := make([]any, len(list))
		for i, x := range list {
			out[i] = c.coerce(t.Elem, x, append(path, i))
		}
		return out
	}
	def := schema().Types[t.NamedType]
	switch def.Kind {
	case ast.InputObject:
		return c.input(def, v, path)
	case ast.Enum:
		name, ok := v.(string)
		if !ok || def.EnumValues.ForName(name) == nil {
			var names []string
			for _, e := range def.EnumValues {
				names = append(names, e.Name)
			}
			return c.fault(path, "Expected %q to be one of: %s", fmt.Sprint(v),
				strings.Join(names, ", "))
		}
		return name
	}
	return c.scalar(t.NamedType, v, path)
}

func (c *coercion) input(def *ast.Definition, v any, path []any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return c.fault(path, "Expected %v to be a key-value object.", v)
	}
	out := make(map[string]any, len(m))
	for name := range m {
		if def.Fields.ForName(name) == nil {
			c.fault(append(path, name), "Field is not defined on %s", def.Name)
		}
	}
	for _, f := range def.Fields {
		x, given := m[f.Name]
		if !given && (f.DefaultValue != nil || !f.Type.NonNull) {
			continue // defaults are applied where they are read
		}
		out[f.Name] = c.coerce(f.Type, x, append(path, f.Name))
	}
	if def.Directives.ForName("oneOf") != nil && len(out) != 1 {
		return c.fault(path, "'%s' requires exactly one argument, but %d were provided.",
			def.Name, len(out))
	}
	return out
}

func (c *coercion) scalar(name string, v any, path []any) any {
	number, isNumber := v.(json.Number)
	switch name {
	case "Int":
		n, err := strconv.ParseInt(string(number), 10, 64)
		if !isNumber || err != nil || n > math.MaxInt32 || n < math.MinInt32 {
			return c.fault(path, "Could not coerce value %v to Int", quoted(v))
		}
		return n
	case "Float":
		if !isNumber {
			return c.fault(path, "Could not coerce value %v to Float", quoted(v))
		}
		return number
	case "Boolean":
		if _, ok := v.(bool); !ok {
			return c.fault(path, "Could not coerce value %v to Boolean", quoted(v))
		}
		return v
	case "JSON":
		return v
	}
	if isNumber && (name == "ID" || numericText[name]) {
		return string(number)
	}
	s, ok := v.(string)
	if !ok {
		return c.fault(path, "Could not coerce value %v to %s", quoted(v), name)
	}
	if numericText[name] {
		if _, ok := parseMoney(s); !ok {
			return c.fault(path, "invalid money %q", s)
		}
	}
	return s
}

func quoted(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
