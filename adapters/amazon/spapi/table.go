package spapi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"

	"holdfast/adapters/lenient"
)

const (
	// maxLine bounds one line of a report, maxColumns its columns.
	maxLine    = 1 << 20
	maxColumns = 1000
)

// Table reads a report: lines of columns parted by tabs, the first of which names them. It reads
// line by line, whatever the length of the whole.
type Table struct {
	lines   *bufio.Reader
	columns map[string]int
	row     []string
	number  int
	decode  *encoding.Decoder
}

// ReadTable begins to read a report in a charset; empty: UTF-8, or else what Amazon writes in
// Europe and America. It fails with a Fault when there is no line of names.
func ReadTable(r io.Reader, charset string) (*Table, error) {
	t := &Table{lines: bufio.NewReaderSize(r, 64<<10), decode: decoderOf(charset)}
	names, err := t.line()
	if errors.Is(err, io.EOF) {
		return nil, Refused(CodeAnswer, "a report without a line of names")
	}
	if err != nil {
		return nil, err
	}
	if len(names) > maxColumns {
		return nil, Refused(CodeAnswer, "a report of %d columns", len(names))
	}
	t.columns = make(map[string]int, len(names))
	for i, name := range names {
		name = nameOf(name)
		if _, twice := t.columns[name]; !twice {
			t.columns[name] = i
		}
	}
	return t, nil
}

// nameOf writes the names of columns in one way: "Order ID", order-id and order_id are one.
func nameOf(name string) string {
	name = strings.ToLower(strings.Trim(strings.TrimPrefix(name, "\ufeff"), " \t\""))
	return strings.NewReplacer(" ", "-", "_", "-").Replace(name)
}

// decoderOf is what makes UTF-8 of a text that is not.
func decoderOf(charset string) *encoding.Decoder {
	switch strings.ToLower(strings.ReplaceAll(charset, "_", "-")) {
	case "shift-jis", "sjis", "windows-31j", "ms932", "cp932":
		return japanese.ShiftJIS.NewDecoder()
	}
	return charmap.Windows1252.NewDecoder()
}

// Need demands columns. It fails with a Fault that names those that are missing: the report is not
// what it should be, and reading on would find nothing.
func (t *Table) Need(names ...string) error {
	var missing []string
	for _, name := range names {
		if _, ok := t.columns[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return Refused("report-columns", "the report has no column %s", strings.Join(missing, ", "))
	}
	return nil
}

// Next reads the next row, and returns false behind the last one. It fails with the document's
// Fault, or with one of a line that is too long; what was read before is then not all.
func (t *Table) Next() (bool, error) {
	for {
		row, err := t.line()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if len(row) > 1 || row[0] != "" {
			t.row = row
			return true, nil
		}
	}
}

// line reads a line; io.EOF behind the last one.
func (t *Table) line() ([]string, error) {
	var text []byte
	for {
		part, err := t.lines.ReadSlice('\n')
		if text = append(text, part...); len(text) > maxLine {
			return nil, Refused(CodeAnswer, "line %d of a report is over %d bytes", t.number+1, maxLine)
		}
		if err == nil {
			break
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) && len(text) > 0 {
			break
		}
		return nil, err
	}
	t.number++
	plain := strings.TrimRight(t.utf8(text), "\r\n")
	return strings.Split(plain, "\t"), nil
}

func (t *Table) utf8(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	out, err := t.decode.Bytes(text)
	if err != nil || !utf8.Valid(out) {
		return strings.ToValidUTF8(string(text), "\ufffd")
	}
	return string(out)
}

// Number is that of the row in the report, from 2.
func (t *Table) Number() int { return t.number }

// Text is a column of the row; empty when there is none.
func (t *Table) Text(name string) string {
	at, ok := t.columns[name]
	if !ok || at >= len(t.row) {
		return ""
	}
	return strings.TrimSpace(t.row[at])
}

// Units is a column of the row as a number that is not negative. It fails for any other.
func (t *Table) Units(name string) (int64, error) {
	var n lenient.Number
	_ = n.UnmarshalJSON([]byte(t.Text(name)))
	if n.Bad || n.Value < 0 {
		return 0, fmt.Errorf("row %d: %s is no quantity", t.number, name)
	}
	return n.Value, nil
}

// timeForms are how reports write times. Those that only a country can tell, such as 02/01/2006,
// are none: a wrong day is worse than a complaint.
var timeForms = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05-0700",
	"2006-01-02 15:04:05 UTC", "2006-01-02 15:04:05", "2006-01-02", "02-Jan-2006", "Jan 2, 2006"}

// Time is a column of the row as a time; zero when it is empty. It fails for what is none.
func (t *Table) Time(name string) (time.Time, error) {
	text := t.Text(name)
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range timeForms {
		if at, err := time.Parse(form, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("row %d: %s is no time", t.number, name)
}
