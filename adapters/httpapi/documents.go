package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"holdfast/engine"
)

// The documents of the sync core have maps and parts that only an adapter knows, which no shape
// describes. They are read in the same strict pass, and then by encoding/json; what a member may be
// is said by the package that the document belongs to.

// decodeDocument reads a body into v. The error is a *problem that names the member, or nil.
func decodeDocument(text string, v any) error {
	s := scan{in: text}
	s.skip()
	s.end()
	if s.bad != nil {
		return s.bad
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &kind):
		return invalid(kind.Field, "must not be a "+kind.Value)
	}
	if _, name, ok := strings.Cut(err.Error(), "unknown field "); ok {
		return invalid(printable(strings.Trim(name, `"`)), "is not a member of this call")
	}
	return invalid("", "The body is not what this call takes: "+err.Error())
}

// faulty turns an error of a package of the sync core into a problem. Faults that come joined are
// all told; at names the first.
func faulty(err error, write bool) error {
	p := problemOf(err, write)
	var joined interface{ Unwrap() []error }
	if p.code != codeInvalid || !errors.As(err, &joined) {
		return p
	}
	var all []string
	for _, e := range joined.Unwrap() {
		var f *engine.FieldError
		if errors.As(e, &f) {
			all = append(all, f.Field+" "+f.Reason)
		}
	}
	if len(all) > 1 {
		p.detail = strings.Join(all, "; ")
	}
	return p
}

// replyJSON sends a value that is not hot enough for a writer of its own.
func (c *call) replyJSON(status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.buf = append(c.buf[:0], b...)
	return c.reply(status)
}

// fresh waits until this node has what the caller may expect to see.
func (c *call) fresh() error { return c.read(func(*engine.Ledger) bool { return false }) }

// textPage reads limit, and an after whose cursor is a text.
func (c *call) textPage() (after string, limit int, err error) {
	n, err := c.queryInt("limit", 100, 1, 1000)
	if err != nil {
		return "", 0, err
	}
	v := string(c.ctx.QueryArgs().Peek("after"))
	if v == "" {
		return "", int(n), nil
	}
	digits, ours := strings.CutPrefix(v, cursorMark)
	b, err := base64.RawURLEncoding.DecodeString(digits)
	if err != nil || !ours {
		return "", 0, invalid("after", "must be the cursor next of an earlier page")
	}
	return string(b), int(n), nil
}

func textCursor(next string) string {
	if next == "" {
		return ""
	}
	return cursorMark + base64.RawURLEncoding.EncodeToString([]byte(next))
}

// ifMatch reads the version that the caller expects; nil: any.
func (c *call) ifMatch() (*uint64, error) {
	h := text(c.ctx.Request.Header.Peek("If-Match"))
	if h == "" || h == "*" {
		return nil, nil
	}
	n, err := strconv.ParseUint(strings.Trim(h, `"`), 10, 64)
	if err != nil {
		return nil, invalid("If-Match", `must be an ETag of this list, such as "17", or *`)
	}
	return &n, nil
}
