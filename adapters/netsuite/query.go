package netsuite

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const queryPath = "/services/rest/query/v1/suiteql"

const (
	// maxPage is the most rows that NetSuite gives at a time.
	maxPage = 1000
	// maxRows is the most that one query may have in all; who needs more asks by ranges of a key.
	maxRows = 100_000
)

// Row is one row of a query: its columns by their names in small letters. Values are kept as they were
// sent, for NetSuite sends numbers as texts as often as not, and a float would spoil an id.
type Row map[string]json.RawMessage

// Text is a column as a text; empty for null, and for a column that is not there.
func (r Row) Text(column string) string {
	raw, ok := r[column]
	if !ok {
		raw = r[strings.ToLower(column)]
	}
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if raw[0] != '"' {
		return string(raw)
	}
	var s string
	_ = json.Unmarshal(raw, &s) // it was part of a valid document
	return s
}

// Int is a column that is a whole number, 0 for one that is none. A fraction of zeros is no fraction.
func (r Row) Int(column string) int64 {
	n, _ := r.Whole(column)
	return n
}

// Whole is a column that must be a whole number. It is false for one that is missing or is none.
func (r Row) Whole(column string) (int64, bool) {
	whole, fraction, _ := strings.Cut(r.Text(column), ".")
	if strings.Trim(fraction, "0") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	return n, err == nil
}

// Bool is a column that is T or F, or a JSON boolean.
func (r Row) Bool(column string) bool {
	s := r.Text(column)
	return s == "T" || s == "true"
}

// timeForm is how [Moment] has moments written.
const timeForm = "2006-01-02 15:04:05"

// Moment selects a column of time as text, to the second. A bare column comes in the format of the user's
// preferences. It is the clock on NetSuite's wall, whatever zone that is ◊: good for going on with
// [Since], not for comparing with ours.
func Moment(column, as string) string {
	return "TO_CHAR(" + column + ", 'YYYY-MM-DD HH24:MI:SS') AS " + as
}

// Since is what [Moment] wrote of a row that was seen, less an overlap, as a literal: where the next
// query goes on. So both sides of the comparison are NetSuite's own clock. An overlap of more than an
// hour also bridges the hour that comes twice. It fails for a text that Moment has not made.
func Since(moment string, overlap time.Duration) (string, error) {
	t, err := time.Parse(timeForm, moment)
	if err != nil {
		return "", refused(codePayload, "%.40q is no moment of a query", moment)
	}
	return "TO_TIMESTAMP('" + t.Add(-overlap).Format(timeForm) + "', 'YYYY-MM-DD HH24:MI:SS')", nil
}

// Quote is a text as a literal: the REST endpoint has no parameters. It fails for what NetSuite could
// read as more than a text.
func Quote(s string) (string, error) {
	if len(s) > 1000 || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r == 0x7f
	}) {
		return "", refused(codePayload, "%.40q cannot be part of a query", s)
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'", nil
}

// QuoteAll is a list of texts as literals, for IN. It fails as [Quote] does, and for an empty list, which
// SQL does not have.
func QuoteAll(list []string) (string, error) {
	if len(list) == 0 || len(list) > maxPage {
		return "", refused(codePayload, "a list of a query must have 1 to %d texts, has %d", maxPage,
			len(list))
	}
	quoted := make([]string, len(list))
	for i, s := range list {
		q, err := Quote(s)
		if err != nil {
			return "", err
		}
		quoted[i] = q
	}
	return strings.Join(quoted, ","), nil
}

// queryReply is a page of rows.
type queryReply struct {
	Items   []Row `json:"items"`
	HasMore bool  `json:"hasMore"`
}

// Query runs SuiteQL and hands each page of rows to each, until it has all of them or each fails. The
// query must have an ORDER BY of something unique: without it pages repeat and miss rows. It fails with
// each's error, or with a Fault: too-many-rows when there are more than NetSuite gives for one query.
func (c *Client) Query(ctx context.Context, flow, q string, each func(rows []Row) error) error {
	for offset := 0; ; offset += maxPage {
		if offset >= maxRows {
			return &Fault{code: codeTooMany, class: classBug,
				detail: fmt.Sprintf("a query has more than %d rows", maxRows)}
		}
		page, err := c.queryPage(ctx, flow, q, offset)
		if err != nil {
			return err
		}
		if err := each(page.Items); err != nil {
			return err
		}
		if !page.HasMore {
			return nil
		}
		if len(page.Items) == 0 {
			return &Fault{code: codeAnswer, class: classTransient, retryable: true,
				detail: "suiteql: an empty page that is not the last"}
		}
	}
}

func (c *Client) queryPage(ctx context.Context, flow, q string, offset int) (*queryReply, error) {
	a, err := c.do(ctx, call{flow: flow, name: "suiteql", kind: reads, method: http.MethodPost,
		path: queryPath, headers: map[string]string{"Prefer": "transient"},
		query: url.Values{"limit": {strconv.Itoa(maxPage)}, "offset": {strconv.Itoa(offset)}},
		body:  map[string]string{"q": q}})
	if err != nil {
		return nil, err
	}
	page := new(queryReply)
	if err := json.Unmarshal(a.body, page); err != nil {
		return nil, &Fault{code: codeAnswer, class: classBug, detail: "suiteql", cause: err}
	}
	return page, nil
}
