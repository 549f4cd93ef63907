package netsuite

import (
	"encoding/json"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// problem is the body of a refusal.
type problem struct {
	Title   string `json:"title"`
	Details []struct {
		Detail string `json:"detail"`
		Code   string `json:"o:errorCode"`
		Path   string `json:"o:errorPath"`
		Header string `json:"o:errorHeader"`
		Param  string `json:"o:errorQueryParam"`
	} `json:"o:errorDetails"`
	// A RESTlet, and some gateways of theirs, answer in this older shape.
	Error json.RawMessage `json:"error"`
}

// isJSON reports whether an answer says that it is JSON. application/vnd.oracle.resource+json is, too.
func isJSON(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}

// meaning is what an error code of NetSuite's means.
type meaning struct {
	code, class string
	retryable   bool
}

// meanings are those of the codes that decide by themselves. What is not in it is a business rule of
// the account: a person must look.
var meanings = map[string]meaning{
	"SSS_REQUEST_LIMIT_EXCEEDED": {codeThrottled, classLimit, true},
	"CONCURRENCY_LIMIT_EXCEEDED": {codeThrottled, classLimit, true},
	"REQUEST_LIMIT_EXCEEDED":     {codeThrottled, classLimit, true},
	"WS_REQUEST_BLOCKED":         {codeThrottled, classLimit, true},
	"WS_CONCUR_SESSION_DISALLWD": {codeThrottled, classLimit, true},
	"INVALID_LOGIN":              {codeDenied, classAuth, false},
	"INVALID_LOGIN_ATTEMPT":      {codeDenied, classAuth, false},
	"INSUFFICIENT_PERMISSION":    {codePermission, classData, false},
	"NONEXISTENT_ID":             {codeGone, classData, false},
	"RCRD_DSNT_EXIST":            {codeGone, classData, false},
	"INVALID_KEY_OR_REF":         {codeReference, classData, false},
	"SSS_INVALID_REF":            {codeReference, classData, false},
	"DUP_EXT_ID":                 {codeExists, classConflict, false},
	"DUP_RCRD":                   {codeExists, classConflict, false},
	"UNIQUE_CUST_ID_REQD":        {codeExists, classConflict, false},
	"RCRD_HAS_BEEN_CHANGED":      {codeChanged, classConflict, true},
	"CUSTOM_RECORD_COLLISION":    {codeChanged, classConflict, true},
	"RCRD_LOCKED_BY_WF":          {codeLocked, classTransient, true},
	"RECORD_LOCKED":              {codeLocked, classTransient, true},
	"TRANSACTION_LOCKED":         {codeLocked, classTransient, true},
	"PERIOD_CLOSED":              {codePeriod, classData, false},
	"CLOSED_TRAN_PRD":            {codePeriod, classData, false},
	"ACCTNG_PRD_CLOSED":          {codePeriod, classData, false},
	"VALID_LINE_ITEM_REQD":       {codeLines, classData, false},
	"TRANS_CLOSED":               {codeState, classData, false},
	"UNEXPECTED_ERROR":           {codeUnavailable, classTransient, true},
	"INVALID_CONTENT_TYPE":       {codeRequest, classBug, false},
	"INVALID_HEADER":             {codeRequest, classBug, false},
}

// telling are texts of codes that mean anything, such as USER_ERROR ◊: the only place where a text
// decides, because NetSuite has no code for what it says. What is not recognised stays a refusal that
// a person sees with its words, so a text that was changed costs a better name and nothing else.
var telling = []struct {
	text *regexp.Regexp
	meaning
}{
	{regexp.MustCompile(`(?i)already exists|duplicate external ?id`),
		meaning{codeExists, classConflict, false}},
	{regexp.MustCompile(`(?i)(closed|locked) (accounting )?period|period .{0,60}(is|was) (closed|locked)`),
		meaning{codePeriod, classData, false}},
	{regexp.MustCompile(`(?i)record has been changed|has been changed since`),
		meaning{codeChanged, classConflict, true}},
	{regexp.MustCompile(`(?i)record is (currently )?locked|is being edited|locked by another`),
		meaning{codeLocked, classTransient, true}},
	{regexp.MustCompile(`(?i)order is already closed|already (fully )?(fulfilled|closed|billed|received)`),
		meaning{codeState, classData, false}},
	{regexp.MustCompile(`(?i)at least one (valid )?line`), meaning{codeLines, classData, false}},
	{regexp.MustCompile(`(?i)unknown (field|property)|is not a (valid )?(field|property)`),
		meaning{codeField, classData, false}},
	{regexp.MustCompile(`(?i)invalid (field value|.{0,60} reference key)|reference key .{0,60} invalid`),
		meaning{codeReference, classData, false}},
}

// general are the codes that mean anything: their text is looked at.
var general = map[string]bool{"": true, "USER_ERROR": true, "INVALID_PARAMETER": true,
	"INVALID_CONTENT": true, "INVALID_VALUE": true}

// statusFault says what an answer other than 2xx means. What is not JSON comes from a gateway and says
// nothing of the request: it may be sent again later.
func statusFault(res *http.Response, body []byte, writes bool) *Fault {
	s := res.StatusCode
	f := &Fault{code: codeRefused, class: classData, detail: "HTTP " + strconv.Itoa(s),
		after: retryAfter(res), operation: operationOf(res.Header)}
	var p problem
	understood := isJSON(res.Header) && json.Unmarshal(body, &p) == nil
	if understood {
		f.refine(&p)
	}
	switch {
	case s == http.StatusTooManyRequests:
		f.code, f.class, f.retryable = codeThrottled, classLimit, true
	case f.class == classLimit:
	case s == http.StatusUnauthorized:
		f.code, f.class, f.retryable = codeDenied, classAuth, false
	case s >= 500 || s == http.StatusRequestTimeout:
		// The record may have been written before it went wrong.
		f.code, f.class, f.retryable, f.unknown = codeUnavailable, classTransient, true, writes
	case !understood:
		f.code, f.class, f.retryable, f.unknown = codeUnavailable, classTransient, true, writes
		f.detail += ", not in JSON: of a gateway before NetSuite"
	case s >= 300 && s < 400:
		f.code, f.class, f.retryable = codeAnswer, classBug, false
	case f.code == codeRefused && s == http.StatusNotFound:
		f.code = codeGone
	case f.code == codeRefused && s == http.StatusForbidden:
		f.code = codePermission
	}
	return f
}

// refine takes over what the details say: the first of them that has a meaning decides.
func (f *Fault) refine(p *problem) {
	for i, d := range p.Details {
		if i == 0 {
			f.detail += ": " + strings.TrimSpace(cut(plain(d.Code))+" "+cut(plain(d.Detail)))
			f.path = cut(plain(d.Path + d.Header + d.Param))
		}
		m, ok := meanings[d.Code]
		if !ok && general[d.Code] {
			m, ok = told(d.Detail)
		}
		if ok {
			f.code, f.class, f.retryable = m.code, m.class, m.retryable
			f.path = cut(plain(d.Path + d.Header + d.Param))
			return
		}
	}
	if len(p.Details) > 0 {
		return
	}
	var inner struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(p.Error, &inner) == nil && inner.Code != "" {
		f.detail += ": " + cut(plain(inner.Code)) + " " + cut(plain(inner.Message))
		if m, ok := meanings[inner.Code]; ok {
			f.code, f.class, f.retryable = m.code, m.class, m.retryable
		}
	}
}

func told(text string) (meaning, bool) {
	for _, t := range telling {
		if t.text.MatchString(text) {
			return t.meaning, true
		}
	}
	return meaning{}, false
}

// retryAfter is what the header says, in seconds with or without a fraction; at most an hour.
func retryAfter(res *http.Response) time.Duration {
	text := res.Header.Get("Retry-After")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text + "s")
	if err != nil || d < 0 {
		return 0
	}
	return min(d, time.Hour)
}

// operationOf is NetSuite's own id of a call; only what looks like one is taken.
func operationOf(h http.Header) string {
	for _, name := range []string{"X-N-Operationid", "X-Ns-Jobid", "X-Netsuite-Jobid"} {
		if id := h.Get(name); id != "" && urlSafe(id) && len(id) <= 64 {
			return id
		}
	}
	return ""
}

var (
	mailLike  = regexp.MustCompile(`[^\s"'<>()]+@[^\s"'<>()]+`)
	phoneLike = regexp.MustCompile(
		`\+\d[\d ()./-]{6,}\d|\(\d{2,5}\)[\d ./-]{5,}\d|\b\d{3}[ .-]\d{3}[ .-]\d{4}\b`)
)

// plain is a text of theirs without what may be a buyer's mail address or telephone number, and
// without what would break a line of a log.
func plain(s string) string {
	s = mailLike.ReplaceAllString(s, "…")
	s = phoneLike.ReplaceAllString(s, "…")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// cut bounds a text of the other side before it goes into an error.
func cut(s string) string {
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
