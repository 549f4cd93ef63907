package shopify

import (
	"encoding/json"
	"strconv"
	"unsafe"

	"github.com/bytedance/sonic"

	"holdfast/adapters/lenient"
)

// The members of bodies that may be anything.
type (
	number  = lenient.Number
	decimal = lenient.Decimal
	moment  = lenient.Moment
)

// idOf is the id of an object of a body, from both its forms.
func idOf(n number, g string) int64 {
	if exact := gid(g).number(); exact != 0 {
		return exact
	}
	if n.Bad || n.Value < 0 {
		return 0
	}
	return n.Value
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
