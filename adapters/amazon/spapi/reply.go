package spapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"holdfast/adapters/connections"
)

// apiError is one error of Amazon's.
type apiError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Details string `json:"details"`
}

// refusal is the fault of a call that a new token may mend.
type refusal struct {
	*Fault
	token connections.Secret
}

// Unwrap returns the Fault; it is never nil.
func (r *refusal) Unwrap() error { return r.Fault }

// errorsOf finds the errors of a body, with a payload beside them or without. Gateways in front of
// the API answer {"message"}, or no JSON at all: then there are none.
func errorsOf(body []byte) []apiError {
	var e struct {
		Errors  []apiError `json:"errors"`
		Message string     `json:"message"`
	}
	if json.Unmarshal(body, &e) != nil && len(e.Errors) == 0 {
		return nil
	}
	if len(e.Errors) == 0 && e.Message != "" {
		return []apiError{{Message: e.Message}}
	}
	return e.Errors
}

// shown is errors as a fault may repeat them: of a request with something of a buyer only their
// codes.
func (o *operation) shown(errs []apiError) string {
	const most = 3
	var all []string
	for i, e := range errs {
		if i == most {
			break
		}
		text := cut(e.Code, 64)
		if !o.secret {
			text = strings.TrimSpace(text + " " + cut(e.Message, 300))
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

// finish decodes the answer of a success.
func finish(op *operation, res *http.Response, body []byte, in call) error {
	body = bytes.TrimSpace(body)
	request := requestID(res.Header)
	if in.payload {
		var wrapped struct {
			Payload json.RawMessage `json:"payload"`
			Errors  []apiError      `json:"errors"`
		}
		if len(body) > 0 {
			if err := json.Unmarshal(body, &wrapped); err != nil {
				return answerFault(op, request, err)
			}
		}
		missing := len(wrapped.Payload) == 0 || string(wrapped.Payload) == "null"
		if len(wrapped.Errors) > 0 && missing {
			return wrappedFault(op, request, wrapped.Errors)
		}
		if body = wrapped.Payload; missing {
			body = nil
		}
	}
	if in.out == nil {
		return nil
	}
	if len(body) == 0 {
		return answerFault(op, request, errors.New("an empty answer"))
	}
	if err := json.Unmarshal(body, in.out); err != nil {
		return answerFault(op, request, err)
	}
	return nil
}

// readLeniently decodes one element of a list. Of a member that has another shape than in the
// models it says so, and reads the others: one strange order must not hide the rest of a page.
func readLeniently(b []byte, into any) (complaint string) {
	err := json.Unmarshal(b, into)
	var shape *json.UnmarshalTypeError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &shape) && shape.Field != "":
		return cut(shape.Field, 100) + " has the wrong shape"
	}
	return "it has the wrong shape"
}

// wrappedFault is the fault of an answer that says 200 and has nothing but errors.
func wrappedFault(op *operation, request string, errs []apiError) *Fault {
	f := &Fault{code: "amazon-refused", class: classData, request: request,
		detail: op.name + ": " + op.shown(errs)}
	if name := kebab(errs[0].Code); name != "" {
		f.code = "amazon-" + name
	}
	if is(errs[0].Code, "InternalFailure") || is(errs[0].Code, "ServiceUnavailable") {
		f.class, f.retryable, f.unknown = classTransient, true, op.writes()
	}
	return f
}
