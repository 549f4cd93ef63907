package shopify

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/bytedance/sonic"
)

// Bodies are read leniently: a member that is not what it should be must not hide the sale that
// stands beside it. So these types never fail; they remember that they could not be read, and
// whoever uses them complains.

// number is a whole number, or the same in quotes.
type number struct {
	value int64
	bad   bool
}

// UnmarshalJSON always returns nil.
func (n *number) UnmarshalJSON(b []byte) error {
	b = bytes.Trim(b, `"`)
	if string(b) == "null" || len(b) == 0 {
		*n = number{}
		return nil
	}
	v, err := strconv.ParseInt(string(b), 10, 64)
	*n = number{v, err != nil}
	return nil
}

// decimal is an amount as it was written, in quotes or not.
type decimal struct {
	text string
	bad  bool
}

// UnmarshalJSON always returns nil.
func (d *decimal) UnmarshalJSON(b []byte) error {
	text := strings.TrimSpace(string(bytes.Trim(b, `"`)))
	if text == "null" || text == "" {
		*d = decimal{}
		return nil
	}
	*d = decimal{text: text}
	if !isDecimal(text) {
		*d = decimal{bad: true}
	}
	return nil
}

// isDecimal reports whether a text is digits with at most one point, perhaps with a sign.
func isDecimal(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, frac, point := strings.Cut(s, ".")
	return len(s) <= 32 && allDigits(whole) && (!point || allDigits(frac))
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// moment is a time in RFC 3339.
type moment struct {
	time.Time
	bad bool
}

// UnmarshalJSON always returns nil.
func (m *moment) UnmarshalJSON(b []byte) error {
	text := string(bytes.Trim(b, `"`))
	if text == "null" || text == "" {
		*m = moment{}
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	*m = moment{at.UTC(), err != nil}
	return nil
}

// idOf is the id of an object of a body, from both its forms.
func idOf(n number, g string) int64 {
	if exact := gid(g).number(); exact != 0 {
		return exact
	}
	if n.bad || n.value < 0 {
		return 0
	}
	return n.value
}

func name(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}

// copying keeps no part of the input, whose buffer is used again after the request: each text is a copy,
// so that the whole need not be one. Names count as they are written: most members of a body are none of
// ours, and each of them would be looked for in other letters, too.
var copying = sonic.Config{CopyString: true, UseInt64: true, CaseSensitive: true}.Froze()

// readBody decodes a body. A member of the wrong shape is left out and named in the complaints; it
// fails only with what is no JSON object at all.
func readBody(body []byte, into any) (complaints []string, err error) {
	view := unsafe.String(unsafe.SliceData(body), len(body)) // for as long as this call
	if err = copying.UnmarshalFromString(view, into); err == nil {
		return nil, nil
	}
	err = json.Unmarshal(body, into)
	if shape, ok := err.(*json.UnmarshalTypeError); ok && shape.Field != "" {
		return []string{shape.Field + " has the wrong shape"}, nil
	}
	return nil, err
}
