package shopifytest

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// plan is what to answer for one type of object under one selection set: fields of the same
// response key are merged, fragments that do not apply are gone.
type plan struct {
	typeName string
	fields   []*planField
}

type planField struct {
	key     string
	field   *ast.Field
	resolve resolver
	named   string // type of the value without list and non-null
	list    bool
	nonNull bool
	kind    ast.DefinitionKind
	sub     map[string]*plan // by concrete type; nil for a leaf
	fixed   args             // arguments that need no variables, nil where some do
	page    bool             // the type is a connection

	// mutate runs a mutation in place of resolve; nil for every other field.
	mutate func(*call, *planField, args) any
}

// mutationCost is what a mutation costs by itself.
const mutationCost = 10

func newPlan(typeName string, sets ...ast.SelectionSet) *plan {
	p := &plan{typeName: typeName}
	merged := map[string][]ast.SelectionSet{}
	for _, set := range sets {
		p.collect(set, merged)
	}
	for _, f := range p.fields {
		if f.kind != ast.Object && f.kind != ast.Interface {
			continue
		}
		f.sub = map[string]*plan{}
		for _, name := range concrete(f.named) {
			f.sub[name] = newPlan(name, merged[f.key]...)
		}
	}
	return p
}

// concrete lists the types of object that a value of a type can have.
func concrete(name string) []string {
	def := schema().Types[name]
	if def.Kind == ast.Object {
		return []string{name}
	}
	var out []string
	for _, d := range schema().GetPossibleTypes(def) {
		out = append(out, d.Name)
	}
	return out
}

func (p *plan) collect(set ast.SelectionSet, merged map[string][]ast.SelectionSet) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.InlineFragment:
			if applies(s.TypeCondition, p.typeName) {
				p.collect(s.SelectionSet, merged)
			}
		case *ast.FragmentSpread:
			if applies(s.Definition.TypeCondition, p.typeName) {
				p.collect(s.Definition.SelectionSet, merged)
			}
		case *ast.Field:
			if merged[s.Alias] == nil {
				p.fields = append(p.fields, newPlanField(p.typeName, s))
				merged[s.Alias] = []ast.SelectionSet{}
			}
			merged[s.Alias] = append(merged[s.Alias], s.SelectionSet)
		}
	}
}

func applies(condition, typeName string) bool {
	if condition == "" || condition == typeName {
		return true
	}
	for _, i := range schema().Types[typeName].Interfaces {
		if i == condition {
			return true
		}
	}
	return false
}

func newPlanField(typeName string, f *ast.Field) *planField {
	t := f.Definition.Type
	out := &planField{key: f.Alias, field: f, named: t.Name(), list: t.Elem != nil,
		nonNull: t.NonNull, kind: schema().Types[t.Name()].Kind}
	out.page = strings.HasSuffix(out.named, "Connection")
	if strings.HasPrefix(f.Name, "__") {
		return out
	}
	out.resolve = resolverOf(typeName, f.Name)
	if typeName == "Mutation" {
		out.mutate = mutate(f.Name, mutations()[f.Name])
	}
	if !usesVariables(f.Arguments) {
		out.fixed = arguments(f, nil)
	}
	return out
}

func usesVariables(list ast.ArgumentList) bool {
	for _, a := range list {
		if hasVariable(a.Value) {
			return true
		}
	}
	return false
}

func hasVariable(v *ast.Value) bool {
	if v == nil {
		return false
	}
	if v.Kind == ast.Variable {
		return true
	}
	for _, c := range v.Children {
		if hasVariable(c.Value) {
			return true
		}
	}
	return false
}

// cost returns the points that a plan may cost at most: 1 for an object and for a list of objects,
// 0 for a leaf, a connection 2 and its nodes by sizeFactor, a mutation 10 with its payload, the
// objects in that payload and its user errors.
func (p *plan) cost(vars map[string]any) int {
	sum := 0
	for _, f := range p.fields {
		sum += f.cost(p.typeName, vars)
	}
	return sum
}

func (f *planField) cost(parent string, vars map[string]any) int {
	if f.sub == nil {
		return 0
	}
	most := 0
	for _, p := range f.sub {
		most = max(most, p.cost(vars))
	}
	switch {
	case parent == "Mutation":
		return mutationCost + most
	case f.page:
		n := requestedSize(f.arguments(vars))
		return 2 + most*sizeFactor(n)
	case f.free(parent):
		return most
	}
	return 1 + most
}

// free tells whether an object costs nothing by itself: parts of a connection, and what a mutation
// answers with.
func (f *planField) free(parent string) bool {
	if f.named == "PageInfo" || strings.HasSuffix(f.named, "UserError") {
		return true
	}
	if strings.HasSuffix(parent, "Payload") {
		return true
	}
	return strings.HasSuffix(parent, "Connection") && f.field.Name == "edges"
}

func requestedSize(a args) int {
	for _, name := range []string{"first", "last"} {
		if n, ok := a[name].(int64); ok {
			return int(max(0, n))
		}
	}
	return pageDefault
}

func (f *planField) arguments(vars map[string]any) args {
	if f.fixed != nil || f.resolve == nil {
		return f.fixed
	}
	return arguments(f.field, vars)
}

// skipped evaluates @skip and @include.
func (f *planField) skipped(vars map[string]any) bool {
	for _, d := range f.field.Directives {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		arg := d.Arguments.ForName("if")
		if arg == nil {
			continue
		}
		on, _ := value(arg.Value, vars)
		if yes, _ := on.(bool); yes == (d.Name == "skip") {
			return true
		}
	}
	return false
}
