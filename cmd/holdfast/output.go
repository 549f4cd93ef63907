package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
)

// printer writes what a command found, in the form that was asked for.
type printer struct {
	w     io.Writer
	form  string // "table", "json" or "csv"
	color bool
}

func (a *app) printer(form string) printer {
	return printer{w: a.stdout, form: form, color: a.color(a.outTerminal)}
}

// json writes a body that came from the server as it is, indented.
func (p printer) json(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err = fmt.Fprintf(p.w, "%s\n", text)
	return err
}

// rows writes a table, or CSV with the same columns. Numbers stand at the right.
func (p printer) rows(head []string, rows [][]any) error {
	if p.form == "csv" {
		return p.csv(head, rows)
	}
	t := table.NewWriter()
	style := table.StyleLight
	style.Format = table.FormatOptions{} // headers as they are
	t.SetStyle(style)
	t.AppendHeader(row(head))
	for _, r := range rows {
		cells := make(table.Row, len(r))
		for i, c := range r {
			cells[i] = p.cell(c)
		}
		t.AppendRow(cells)
	}
	_, err := fmt.Fprintln(p.w, t.Render())
	return err
}

func (p printer) csv(head []string, rows [][]any) error {
	w := csv.NewWriter(p.w)
	_ = w.Write(head) // errors are sticky; Error below gives the first
	for _, r := range rows {
		_ = w.Write(texts(r))
	}
	w.Flush()
	return w.Error()
}

// line writes a line of a table's surroundings; other forms have none.
func (p printer) line(format string, args ...any) {
	if p.form == "table" {
		fmt.Fprintf(p.w, "%s\n", printable(fmt.Sprintf(format, args...)))
	}
}

// mark is a word that is good or bad news, green or red where colours are allowed.
type mark struct {
	text string
	bad  bool
}

func (m mark) String() string { return m.text }

func (p printer) cell(c any) any {
	switch x := c.(type) {
	case string:
		return printable(x)
	case mark:
		switch {
		case p.color && x.bad:
			return "\x1b[31m" + x.text + "\x1b[0m"
		case p.color:
			return "\x1b[32m" + x.text + "\x1b[0m"
		}
		return x.text
	}
	return c
}

func row(texts []string) table.Row {
	r := make(table.Row, len(texts))
	for i, t := range texts {
		r[i] = t
	}
	return r
}

func texts(cells []any) []string {
	all := make([]string, len(cells))
	for i, c := range cells {
		all[i] = fmt.Sprint(c)
	}
	return all
}

// printable makes text harmless on a terminal: what came from outside may hold control codes.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u202e' || r == '\u2066' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
