package netsuitetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// The codes of errors, o:errorCode of an error body.
const (
	codeUser         = "USER_ERROR"
	codeParameter    = "INVALID_PARAMETER"
	codeContent      = "INVALID_CONTENT"
	codeHeader       = "INVALID_HEADER"
	codeLogin        = "INVALID_LOGIN"
	codeLoginAttempt = "INVALID_LOGIN_ATTEMPT"
	codePermission   = "INSUFFICIENT_PERMISSION"
	codeMissing      = "NONEXISTENT_ID"
	codeChanged      = "RCRD_HAS_BEEN_CHANGED"
	codeNoLine       = "VALID_LINE_ITEM_REQD"
	codeConcurrency  = "CONCURRENCY_LIMIT_EXCEEDED"
	codeRequests     = "SSS_REQUEST_LIMIT_EXCEEDED"
	codeUnexpected   = "UNEXPECTED_ERROR"
	codeIdempotency  = "IDEMPOTENCY_ERROR"
)

// apiError is an error as NetSuite answers it.
type apiError struct {
	status int
	code   string
	detail string
	path   string // JSONPath into the body
	query  string // name of a query parameter
	header string // name of a header
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.detail) }

// refused is a rule of the business that says no. NetSuite puts the same words before all of them.
func refused(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, code: codeUser,
		detail: "Error while accessing a resource. " + fmt.Sprintf(format, args...)}
}

// badContent is a body that cannot be read as a record.
func badContent(path, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, code: codeContent,
		detail: fmt.Sprintf(format, args...), path: path}
}

func badParameter(name, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, code: codeParameter,
		detail: fmt.Sprintf(format, args...), query: name}
}

func missing() *apiError {
	return &apiError{status: http.StatusNotFound, code: codeMissing,
		detail: "The record instance does not exist. Provide a valid record instance ID."}
}

func badLogin(code string) *apiError {
	return &apiError{status: http.StatusUnauthorized, code: code,
		detail: "Invalid login attempt. For more details, see the Login Audit Trail in the NetSuite " +
			"UI at Setup > Users/Roles > User Management > View Login Audit Trail."}
}

// sections are where RFC 9110 describes a status: what the type of an error points to.
var sections = map[int]string{400: "15.5.1", 401: "15.5.2", 403: "15.5.4", 404: "15.5.5",
	405: "15.5.6", 415: "15.5.16", 500: "15.6.1", 502: "15.6.3", 503: "15.6.4", 504: "15.6.5"}

// body is the error as it is sent.
func (e *apiError) body() []byte {
	at := "https://www.rfc-editor.org/rfc/rfc9110.html#section-" + sections[e.status]
	if e.status == http.StatusTooManyRequests {
		at = "https://www.rfc-editor.org/rfc/rfc6585.html#section-4"
	}
	detail := map[string]string{"detail": e.detail, "o:errorCode": e.code}
	for name, value := range map[string]string{"o:errorPath": e.path, "o:errorQueryParam": e.query,
		"o:errorHeader": e.header} {
		if value != "" {
			detail[name] = value
		}
	}
	text, err := json.Marshal(map[string]any{"type": at, "title": http.StatusText(e.status),
		"status": e.status, "o:errorDetails": []any{detail}})
	if err != nil {
		panic(err) // texts only: cannot happen
	}
	return text
}

// gatewayPage is what stands in front of NetSuite when it is away.
func gatewayPage(status int) []byte {
	text := http.StatusText(status)
	return []byte(strings.ReplaceAll("<!DOCTYPE html>\n<html><head><title>@</title></head>\n"+
		"<body><h1>@</h1><p>The page that you are looking for is temporarily unavailable.</p>"+
		"</body></html>\n", "@", text))
}
