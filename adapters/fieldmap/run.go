package fieldmap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
)

// Program is a compiled Map. It is safe for concurrent use.
type Program struct {
	tables Tables
	fills  []fill
}

// fill is one field, ready.
type fill struct {
	at    string
	field Field
	value func(source) (any, error)
}

// source is what a field is filled from.
type source struct {
	ctx         context.Context
	order, line map[string]any
}

// Values are the filled fields: texts, int64s and bools.
type Values struct {
	Order map[string]any   `json:"order"`
	Lines []map[string]any `json:"lines"` // one for each line of the order, in its order
}

// MaxCost bounds the work of one expression, in the units of CEL, where a comparison is one: some
// 100 µs. An order of 500 lines and 20 expressions a line ends within a second.
const MaxCost = 10_000

// maxText bounds a text that is filled in, in bytes.
const maxText = 4_000

// environment is that of all expressions: made once, because it costs milliseconds.
func environment() (*cel.Env, error) {
	return cel.NewEnv(cel.Variable(pathOrder, cel.DynType), cel.Variable(perLine, cel.DynType),
		ext.Strings(ext.StringsVersion(4)), cel.ParserExpressionSizeLimit(MaxCEL),
		cel.ParserRecursionLimit(40), cel.ClearMacros(),
		cel.Macros(cel.HasMacro, cel.AllMacro, cel.ExistsMacro, cel.ExistsOneMacro, cel.MapMacro,
			cel.MapFilterMacro, cel.FilterMacro))
}

func (p *Program) compileCEL(out *fill) error {
	at := out.at + ".cel"
	if len(out.field.CEL) > MaxCEL {
		return &FieldFault{at, fmt.Sprintf("must be at most %d bytes", MaxCEL)}
	}
	env, err := sharedEnvironment()
	if err != nil {
		return err
	}
	tree, issues := env.Compile(out.field.CEL)
	if issues.Err() != nil {
		return &FieldFault{at, "is no expression: " + issues.Err().Error()}
	}
	if kind := tree.OutputType(); !fillable(kind) {
		return &FieldFault{at, "must give a text, a whole number, true or false, not " + kind.String()}
	}
	program, err := env.Program(tree, cel.CostLimit(MaxCost), cel.InterruptCheckFrequency(100))
	if err != nil {
		return &FieldFault{at, "cannot be used: " + err.Error()}
	}
	out.value = func(s source) (any, error) {
		vars := map[string]any{pathOrder: s.order, perLine: s.line}
		v, _, err := program.ContextEval(s.ctx, vars)
		if err != nil {
			return nil, err
		}
		if v.Type() == types.NullType {
			return nil, nil
		}
		return v.Value(), nil
	}
	return nil
}

// fillable reports whether values of a type can be a field. What is only known at run time is judged
// then.
func fillable(t *cel.Type) bool {
	for _, good := range []*cel.Type{cel.DynType, cel.StringType, cel.IntType, cel.BoolType, cel.NullType} {
		if t.IsExactType(good) {
			return true
		}
	}
	return false
}

// Run fills the fields from an order, which is its JSON. It fails with ctx's error, or with all that
// could not be filled, joined, each a *FieldFault or an *UnknownNameError; the Values then have the rest.
func (p *Program) Run(ctx context.Context, order []byte) (Values, error) {
	out := Values{Order: map[string]any{}, Lines: []map[string]any{}}
	doc, err := decode(order)
	root, ok := doc.(map[string]any)
	if err != nil || !ok {
		return out, &FieldFault{pathOrder, "is no JSON object"}
	}
	lines, _ := root["lines"].([]any)
	var faults []error
	for range lines {
		out.Lines = append(out.Lines, map[string]any{})
	}
	for i := range p.fills {
		f := &p.fills[i]
		if f.field.Per == perOrder {
			faults = f.into(out.Order, source{ctx, root, nil}, faults)
			continue
		}
		for n, l := range lines {
			line, _ := l.(map[string]any)
			faults = f.into(out.Lines[n], source{ctx, root, line}, faults)
		}
	}
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	return out, errors.Join(faults...)
}

// maxFaults bounds what one order says: 500 lines have the same fault.
const maxFaults = 20

// into fills one field of a document.
func (f *fill) into(doc map[string]any, s source, faults []error) []error {
	v, err := f.value(s)
	var unknown *UnknownNameError
	switch {
	case errors.As(err, &unknown):
	case err != nil:
		err = &FieldFault{f.at, "of " + f.field.To + " failed: " + err.Error()}
	case v == nil && f.field.Required:
		err = &FieldFault{f.at, "of " + f.field.To + " is required, and nothing is there"}
	case v != nil && !scalar(v):
		err = &FieldFault{f.at, "of " + f.field.To + " gave neither a text nor a whole number, true or " +
			"false; a number with a fraction is written as a text"}
	case v != nil:
		doc[f.field.To] = v
	}
	if err != nil && len(faults) < maxFaults {
		faults = append(faults, err)
	}
	return faults
}

// scalar reports whether a value may stand in a field.
func scalar(v any) bool {
	switch v := v.(type) {
	case string:
		return len(v) <= maxText
	case int64, bool:
		return true
	}
	return false
}

// decode reads JSON with whole numbers as int64 and all others as they are written: money is never a
// float.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("something stands behind the value")
	}
	return exact(v), nil
}

func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		return v.String()
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = exact(v[k])
		}
	}
	return v
}
