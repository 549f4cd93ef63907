package scope

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// FileError is a fault of an export file.
type FileError struct {
	File   string
	Line   int
	Reason string
}

// Error names the file and the line.
func (e *FileError) Error() string { return fmt.Sprintf("%s: line %d: %s", e.File, e.Line, e.Reason) }

// MaxRows bounds the rows of one file.
const MaxRows = 2_000_000

// table is a file with named columns.
type table struct {
	file    string
	columns map[string]int // by name in lower case
	rows    [][]string
	lines   []int
}

// readTable reads a file whose first line names its columns. comma divides them; with a tab, as
// Amazon's reports have it, quotes mean nothing. It fails with a *FileError.
func readTable(file string, text []byte, comma rune) (*table, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(text) {
		text = fromLatin1(text) // what Amazon's reports of Europe and America are written in
	}
	t := &table{file: file, columns: map[string]int{}}
	next := csvRows(text)
	if comma == '\t' {
		next = tabRows(text)
	}
	for {
		fields, line, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, &FileError{file, line, err.Error()}
		}
		if len(t.columns) == 0 {
			for i, name := range fields {
				t.columns[strings.ToLower(strings.TrimSpace(name))] = i
			}
			continue
		}
		if len(t.rows) == MaxRows {
			return nil, &FileError{file, line, fmt.Sprintf("there are more than %d rows", MaxRows)}
		}
		t.rows, t.lines = append(t.rows, fields), append(t.lines, line)
	}
	if len(t.columns) == 0 {
		return nil, &FileError{file, 1, "the file is empty; its first line must name the columns"}
	}
	return t, nil
}

func fromLatin1(text []byte) []byte {
	out := make([]byte, 0, len(text)+len(text)/8)
	for _, b := range text {
		out = utf8.AppendRune(out, rune(b))
	}
	return out
}

func csvRows(text []byte) func() ([]string, int, error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord = -1
	return func() ([]string, int, error) {
		fields, err := r.Read()
		var broken *csv.ParseError
		switch {
		case errors.As(err, &broken):
			return nil, broken.StartLine, broken.Err
		case err != nil:
			return nil, 0, err
		}
		line, _ := r.FieldPos(0)
		return fields, line, nil
	}
}

func tabRows(text []byte) func() ([]string, int, error) {
	line := 0
	return func() ([]string, int, error) {
		for len(text) > 0 {
			var row []byte
			row, text, _ = bytes.Cut(text, []byte("\n"))
			line++
			if row = bytes.TrimSuffix(row, []byte("\r")); len(row) > 0 {
				return strings.Split(string(row), "\t"), line, nil
			}
		}
		return nil, line, io.EOF
	}
}

// need is the error of a file that has none of the names of a column, or nil.
func (t *table) need(names ...string) error {
	if slices.ContainsFunc(names, func(n string) bool { _, ok := t.columns[n]; return ok }) {
		return nil
	}
	return &FileError{t.file, 1, "has no column " + strings.Join(names, " or ")}
}

// cell is the text of the first column of the names that the file has.
func (t *table) cell(row []string, names ...string) string {
	for _, n := range names {
		if i, ok := t.columns[n]; ok && i < len(row) {
			return strings.TrimSpace(row[i])
		}
	}
	return ""
}
