package mapping

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// FileError is a fault that makes a whole CSV file unreadable.
type FileError struct {
	Line   int    // of the file, from 1
	Column string // empty: the whole line
	Reason string
}

// Error names the line and the column.
func (e *FileError) Error() string {
	where := "line " + strconv.Itoa(e.Line)
	if e.Column != "" {
		where += ", column " + e.Column
	}
	return where + ": " + e.Reason
}

// Code is the stable name of the outcome.
func (e *FileError) Code() string { return "invalid" }

// At is the place of the fault.
func (e *FileError) At() string { return fmt.Sprintf("line %d", e.Line) }

// ReadCSV reads rows from CSV. The first line names the columns, some of Columns in any order; sku and
// connection are needed. A byte order mark, CRLF and quoted fields are understood. A line with a fault
// is given out with it, so that a report names all of them.
//
// It fails with a *FileError when the header is not one, when a quote is broken, so that nothing behind
// it means anything, or when there are more than MaxRows lines.
func ReadCSV(text []byte) ([]Line, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	r.FieldsPerRecord = -1 // told by ourselves, with the line
	r.ReuseRecord = true
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, &FileError{1, "", "the file is empty; its first line must name the columns " +
			strings.Join(Columns, ", ")}
	}
	if err != nil {
		return nil, broken(1, err)
	}
	columns, err := header(head)
	if err != nil {
		return nil, err
	}
	var lines []Line
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, broken(1, err)
		}
		number, _ := r.FieldPos(0)
		if len(lines) == MaxRows {
			return nil, &FileError{number, "", ErrTooMany.Error() + "; split the file"}
		}
		lines = append(lines, readLine(number, columns, fields))
	}
}

func broken(line int, err error) error {
	var at *csv.ParseError
	if errors.As(err, &at) {
		return &FileError{at.StartLine, "", fmt.Sprintf("byte %d: %v", at.Column, at.Err)}
	}
	return &FileError{line, "", err.Error()}
}

func header(fields []string) ([]string, error) {
	columns := make([]string, len(fields))
	for i, f := range fields {
		name := strings.ToLower(strings.TrimSpace(f))
		switch {
		case strings.ContainsAny(name, ";\t"):
			return nil, &FileError{1, "", "columns must be separated by commas"}
		case !slices.Contains(Columns, name):
			return nil, &FileError{1, strconv.QuoteToGraphic(name), "is not a column; they are " +
				strings.Join(Columns, ", ")}
		case slices.Contains(columns, name):
			return nil, &FileError{1, name, "is there twice"}
		}
		columns[i] = name
	}
	for _, need := range Columns[:2] {
		if !slices.Contains(columns, need) {
			return nil, &FileError{1, need, "is missing"}
		}
	}
	return columns, nil
}

func readLine(number int, columns, fields []string) Line {
	l := Line{Number: number}
	if len(fields) != len(columns) {
		l.Fault = &Fault{"", fmt.Sprintf("has %d fields, the header has %d", len(fields), len(columns))}
		return l
	}
	for i, column := range columns {
		text := strings.TrimSpace(fields[i])
		if column != "variant_id" && column != "inventory_item_id" {
			*l.Row.text(column) = strings.Clone(text)
			continue
		}
		n, must := readID(text)
		if must != "" && l.Fault == nil {
			l.Fault = &Fault{column, must}
		}
		if column == "variant_id" {
			l.Row.VariantID = n
		} else {
			l.Row.InventoryItemID = n
		}
	}
	return l
}

// readID reads an id of Shopify. They have 13 and more digits, which spreadsheets like to write as
// 4.23E+13, and then the id is lost.
func readID(text string) (n int64, must string) {
	if text == "" {
		return 0, ""
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil && n > 0 {
		return n, ""
	}
	if strings.ContainsAny(text, "eE") && strings.ContainsAny(text, "0123456789") {
		return 0, "was shortened by a spreadsheet; format the column as text"
	}
	return 0, "must be a whole number above 0"
}

// CSVWriter writes rows as ReadCSV reads them. Errors are those of the writer below, and stay.
type CSVWriter struct {
	w      *csv.Writer
	fields []string
}

// NewCSVWriter writes the header.
func NewCSVWriter(w io.Writer) *CSVWriter {
	c := &CSVWriter{w: csv.NewWriter(w), fields: make([]string, len(Columns))}
	_ = c.w.Write(Columns)
	return c
}

// Write writes one row. It fails with the first error of the writer below.
func (c *CSVWriter) Write(r Row) error {
	for i, column := range Columns {
		c.fields[i] = r.field(column)
	}
	return c.w.Write(c.fields)
}

// Flush writes what is buffered. It returns the first error of all.
func (c *CSVWriter) Flush() error {
	c.w.Flush()
	return c.w.Error()
}
