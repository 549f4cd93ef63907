package shopifytest

import (
	_ "embed"
	"strings"
	"sync"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
)

// schemaText is the part of the Admin API of version 2026-10 that the simulator answers. What is
// not in it is answered as a field that does not exist.
//
//go:embed schema.graphql
var schemaText string

var schema = sync.OnceValue(func() *ast.Schema {
	return gqlparser.MustLoadSchema(&ast.Source{Name: "schema.graphql", Input: schemaText})
})

// gqlError is one entry of errors, the failures of a call as such.
type gqlError struct {
	Message    string         `json:"message"`
	Locations  []gqlLocation  `json:"locations,omitempty"`
	Path       []any          `json:"path,omitempty"`
	Extensions map[string]any `json:"extensions,omitempty"`
}

type gqlLocation struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

func at(p *ast.Position) []gqlLocation {
	if p == nil {
		return nil
	}
	return []gqlLocation{{Line: p.Line, Column: p.Column}}
}

// document is a parsed and validated query with a plan for each of its operations. It is immutable
// and shared by all calls with the same text.
type document struct {
	operations map[string]*operation
	errs       []gqlError
}

type operation struct {
	def      *ast.OperationDefinition
	root     *plan
	mutation bool
}

// documents remembers parsed queries by text. A full memory is emptied: clients use a few dozen.
type documents struct {
	mu    sync.Mutex
	known map[string]*document
}

const documentsKept = 2000

func (d *documents) parse(text string) *document {
	d.mu.Lock()
	doc, ok := d.known[text]
	d.mu.Unlock()
	if ok {
		return doc
	}
	doc = parseDocument(text)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= documentsKept {
		d.known = map[string]*document{}
	}
	d.known[text] = doc
	return doc
}

func parseDocument(text string) *document {
	query, err := parser.ParseQuery(&ast.Source{Input: text})
	if err != nil {
		return &document{errs: []gqlError{{Message: err.Error(),
			Extensions: map[string]any{"code": "PARSE_ERROR"}}}}
	}
	if errs := validator.ValidateWithRules(schema(), query, nil); len(errs) > 0 {
		doc := &document{}
		for _, e := range errs {
			doc.errs = append(doc.errs, validationError(e))
		}
		return doc
	}
	doc := &document{operations: map[string]*operation{}}
	for _, def := range query.Operations {
		op := &operation{def: def, mutation: def.Operation == ast.Mutation}
		root := "QueryRoot"
		if op.mutation {
			root = "Mutation"
		}
		op.root = newPlan(root, def.SelectionSet)
		doc.operations[def.Name] = op
	}
	return doc
}

// validationError words an error of validation as Shopify does, where its words are known.
func validationError(e *gqlerror.Error) gqlError {
	out := gqlError{Message: e.Message, Extensions: map[string]any{"code": e.Rule}}
	for _, l := range e.Locations {
		out.Locations = append(out.Locations, gqlLocation{Line: l.Line, Column: l.Column})
	}
	quoted := strings.Split(e.Message, `"`)
	switch {
	case e.Rule == "FieldsOnCorrectType" && len(quoted) >= 4:
		out.Message = "Field '" + quoted[1] + "' doesn't exist on type '" + quoted[3] + "'"
		out.Extensions = map[string]any{"code": "undefinedField", "typeName": quoted[3],
			"fieldName": quoted[1]}
	case e.Rule == "KnownArgumentNames" && len(quoted) >= 4:
		_, field, _ := strings.Cut(quoted[3], ".")
		out.Message = "Field '" + field + "' doesn't accept argument '" + quoted[1] + "'"
		out.Extensions = map[string]any{"code": "argumentNotAccepted", "name": field,
			"typeName": "Field", "argumentName": quoted[1]}
	}
	return out
}

// pick returns the operation to run, or the error that says why there is none.
func (d *document) pick(name string) (*operation, []gqlError) {
	if len(d.errs) > 0 {
		return nil, d.errs
	}
	if op := d.operations[name]; op != nil {
		return op, nil
	}
	if name == "" && len(d.operations) == 1 {
		for _, op := range d.operations {
			return op, nil
		}
	}
	return nil, []gqlError{{Message: "No operation named \"" + name + "\"",
		Extensions: map[string]any{"code": "BAD_REQUEST"}}}
}
