package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"holdfast/cmd/internal/client"
)

// stockColumns are the columns of a stock file, for help and for faults.
var stockColumns = []string{"sku", "location", "set", "adjust", "source", "as_of", "reason"}

// stockRow is one row of a stock file. Row counts as a spreadsheet does: the header is row 1.
type stockRow struct {
	Row    int
	Change client.StockChange
}

// rowFault is one fault of a stock file. Column is empty when the whole row is meant.
type rowFault struct {
	File   string
	Row    int
	Column string
	Reason string
}

func (f *rowFault) Error() string {
	where := fmt.Sprintf("%s: row %d", f.File, f.Row)
	if f.Column != "" {
		where += ", column " + f.Column
	}
	return where + ": " + f.Reason
}

// maxFaults is how many faults of one file are told: more are seldom different ones.
const maxFaults = 20

// parseStock reads a stock file: a header with the names of stockColumns in any order, then rows
// with a SKU, a location and either set or adjust. The error joins the first maxFaults faults, each
// a *rowFault.
func parseStock(file string, text []byte) ([]stockRow, error) {
	p := &stockParser{file: file, seen: map[[2]string]int{}}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	r.FieldsPerRecord = -1 // told by ourselves, with the row's number
	r.TrimLeadingSpace = true
	for row := 1; len(p.faults) < maxFaults; row++ {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			if row == 1 {
				p.fault(1, "", "the file is empty; its first row must name the columns "+
					strings.Join(stockColumns, ", "))
			}
			break
		}
		var broken *csv.ParseError
		if errors.As(err, &broken) {
			p.fault(row, "", fmt.Sprintf("line %d, byte %d: %v", broken.Line, broken.Column, broken.Err))
			break // what follows a broken quote means nothing
		}
		if row == 1 {
			if !p.header(fields) {
				break
			}
			continue
		}
		p.row(row, fields)
	}
	if len(p.faults) > 0 {
		return nil, errors.Join(p.faults...)
	}
	return p.rows, nil
}

type stockParser struct {
	file   string
	column map[string]int
	rows   []stockRow
	seen   map[[2]string]int // SKU and location → row that sets it
	faults []error
}

func (p *stockParser) fault(row int, column, reason string) {
	p.faults = append(p.faults, &rowFault{File: p.file, Row: row, Column: column, Reason: reason})
}

func (p *stockParser) header(fields []string) bool {
	p.column = map[string]int{}
	for i, name := range fields {
		name = strings.ToLower(strings.TrimSpace(name))
		_, twice := p.column[name]
		switch {
		case twice:
			p.fault(1, name, "is there twice")
		case strings.ContainsAny(name, ";\t"):
			p.fault(1, "", "columns must be separated by commas")
		case !slices.Contains(stockColumns, name):
			p.fault(1, name, "is not a column; they are "+strings.Join(stockColumns, ", "))
		}
		p.column[name] = i
	}
	for _, need := range []string{"sku", "location"} {
		if _, ok := p.column[need]; !ok && len(p.faults) == 0 {
			p.fault(1, need, "is missing")
		}
	}
	_, set := p.column["set"]
	_, adjust := p.column["adjust"]
	if !set && !adjust && len(p.faults) == 0 {
		p.fault(1, "set", "is missing, and adjust too: one of them is needed")
	}
	return len(p.faults) == 0
}

func (p *stockParser) row(row int, fields []string) {
	if len(fields) != len(p.column) {
		p.fault(row, "", fmt.Sprintf("has %d columns, the header has %d", len(fields), len(p.column)))
		return
	}
	cell := func(name string) string {
		if i, ok := p.column[name]; ok {
			return strings.TrimSpace(fields[i])
		}
		return ""
	}
	before := len(p.faults)
	c := client.StockChange{SKU: cell("sku"), Location: cell("location"), Source: cell("source"),
		AsOf: cell("as_of"), Reason: cell("reason")}
	p.check(row, "sku", checkSKU(c.SKU))
	p.check(row, "location", checkLocation(c.Location))
	p.check(row, "source", checkNote(c.Source))
	p.check(row, "reason", checkNote(c.Reason))
	p.check(row, "as_of", checkTime(c.AsOf))
	p.quantity(row, cell("set"), cell("adjust"), &c)
	if c.Adjust != nil && c.AsOf != "" {
		p.fault(row, "as_of", "goes with set only")
	}
	if c.Set != nil && c.Reason != "" {
		p.fault(row, "reason", "goes with adjust only")
	}
	if c.Set != nil {
		at := [2]string{c.SKU, c.Location}
		if first, ok := p.seen[at]; ok {
			p.fault(row, "set", fmt.Sprintf("row %d sets %s at %s already", first, c.SKU, c.Location))
		}
		p.seen[at] = row
	}
	if len(p.faults) == before {
		p.rows = append(p.rows, stockRow{Row: row, Change: c})
	}
}

func (p *stockParser) quantity(row int, set, adjust string, c *client.StockChange) {
	const most = 1_000_000_000
	switch {
	case set == "" && adjust == "":
		p.fault(row, "set", "is empty, and adjust too: one of them is needed")
	case set != "" && adjust != "":
		p.fault(row, "adjust", "is there together with set: only one of them may be")
	case set != "":
		n, err := strconv.ParseInt(set, 10, 64)
		if err != nil || n < 0 || n > most {
			p.fault(row, "set", fmt.Sprintf("%q must be a whole number from 0 to %d", set, most))
		}
		c.Set = &n
	default:
		n, err := strconv.ParseInt(adjust, 10, 64)
		if err != nil || n < -most || n > most || n == 0 {
			p.fault(row, "adjust", fmt.Sprintf("%q must be a whole number from -%d to %d, not 0",
				adjust, most, most))
		}
		c.Adjust = &n
	}
}

func (p *stockParser) check(row int, column string, err error) {
	if err != nil {
		p.fault(row, column, err.Error())
	}
}

func checkSKU(text string) error {
	const longest = 255 // bytes
	if len(text) < 1 || len(text) > longest || !utf8.ValidString(text) ||
		strings.ContainsFunc(text, unicode.IsControl) {
		return fmt.Errorf("must be 1 to %d bytes of UTF-8 without control characters, has %d",
			longest, len(text))
	}
	return nil
}

func checkLocation(text string) error {
	const longest = 128 // bytes
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(text) < 1 || len(text) > longest || strings.ContainsFunc(text, odd) {
		return fmt.Errorf("%q must be 1 to %d bytes of printable ASCII without space", text, longest)
	}
	return nil
}

func checkNote(text string) error {
	const longest = 255 // bytes
	if len(text) > longest || !utf8.ValidString(text) {
		return fmt.Errorf("must be at most %d bytes of UTF-8, has %d", longest, len(text))
	}
	return nil
}

func checkTime(text string) error {
	if text == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return fmt.Errorf("%q must be a time such as 2026-01-31T14:00:00Z", text)
	}
	if at.After(time.Now()) {
		return fmt.Errorf("%q lies in the future", text)
	}
	return nil
}
