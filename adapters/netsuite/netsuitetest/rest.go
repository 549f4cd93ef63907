package netsuitetest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// find finds the record that an address means. Internal ids are found whatever their type: NetSuite
// says of a transaction of another type that the type is wrong.
func (a *account) find(t *recordType, id string) (*record, *apiError) {
	var r *record
	if external, ok := strings.CutPrefix(id, "eid:"); ok {
		if external == "" || strings.ContainsFunc(external, notInExternal) {
			return nil, badParameter("", "The external ID '%s' is not valid. It can contain letters, "+
				"digits, underscores and hyphens only.", external)
		}
		r = a.byExternal[a.externalKeyOf(t, external)]
	} else {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return nil, badParameter("", "Invalid record ID '%s'.", id)
		}
		r = a.records[t.family][n]
	}
	switch {
	case r == nil:
		return nil, missing()
	case r.typ != t && t.family == transactionFamily:
		return nil, refused("Transaction type specified is incorrect.")
	case r.typ != t:
		return nil, missing()
	}
	return r, nil
}

// notInExternal says of a character that an external id in an address cannot have it.
func notInExternal(c rune) bool {
	return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-')
}

func (c *call) view() view {
	return view{c.srv.account, origin(c.r) + "/services/rest/record/v1"}
}

func (c *call) action() *action {
	act := &action{cause: "api", request: c.n}
	if c.client != nil {
		act.client = c.client.cfg.Name
	}
	if c.fault != nil {
		act.fault = c.fault.id
	}
	return act
}

// writer makes what writes the body, from headers and query.
func (c *call) writer() (*writer, *apiError) {
	mode := lower(c.r.Header.Get("X-NetSuite-PropertyNameValidation"))
	if mode == "" {
		mode = "warning"
	}
	if !slices.Contains([]string{"error", "warning", "ignore"}, mode) {
		return nil, &apiError{status: http.StatusBadRequest, code: codeHeader,
			header: "X-NetSuite-PropertyNameValidation", detail: "The value of the header is not valid."}
	}
	w := &writer{a: c.srv.account, mode: mode, replace: map[string]bool{}}
	q := c.r.URL.Query()
	for name := range strings.SplitSeq(q.Get("replace"), ",") {
		if name = lower(strings.TrimSpace(name)); name != "" {
			w.replace[name] = true
		}
	}
	w.clear = q.Get("replaceSelectedFields") == "true"
	for name := range q {
		if name != "replace" && name != "replaceSelectedFields" {
			return nil, badParameter(name, "Invalid query parameter name: %s.", name)
		}
	}
	return w, nil
}

// create answers POST of a record.
func (c *call) create() (answer, *apiError) {
	body, err := decodeObject(c.body)
	if err != nil {
		return answer{}, err
	}
	return c.createWith(body, "")
}

// createWith makes a record; external is the one of the address, of an upsert.
func (c *call) createWith(body map[string]any, external string) (answer, *apiError) {
	if c.typ.readOnly {
		return answer{}, forbidden(c.typ, "create")
	}
	if c.typ.begin != nil && c.typ.prefix != "" && c.typ.is("itemFulfillment", "itemReceipt") {
		return answer{}, refused("Please enter value(s) for: Created From")
	}
	w, err := c.writer()
	if err != nil {
		return answer{}, err
	}
	r := &record{typ: c.typ, values: values{}, external: external}
	if err := w.record(r, body); err != nil {
		return answer{}, err
	}
	if external != "" {
		r.external = external
	}
	s := &saving{act: c.action(), r: r}
	if err := c.srv.account.save(s); err != nil {
		return answer{}, err
	}
	return c.saved(s.r, w), nil
}

func (t *recordType) is(names ...string) bool { return slices.Contains(names, t.name) }

func (c *call) saved(r *record, w *writer) answer {
	return answer{status: http.StatusNoContent, location: c.view().url(r), record: r,
		warnings: w.warnings}
}

func forbidden(t *recordType, deed string) *apiError {
	return &apiError{status: http.StatusForbidden, code: codePermission,
		detail: "Permission Violation: You need a higher level of permission to " + deed + " " + t.name +
			" records."}
}

// change writes a body into a record that is there.
func (c *call) change(r *record, body map[string]any) (answer, *apiError) {
	if c.typ.readOnly {
		return answer{}, forbidden(c.typ, "edit")
	}
	w, err := c.writer()
	if err != nil {
		return answer{}, err
	}
	s := &saving{act: c.action(), old: r, r: r.clone()}
	if err := w.record(s.r, body); err != nil {
		return answer{}, err
	}
	if err := c.srv.account.save(s); err != nil {
		return answer{}, err
	}
	return c.saved(s.r, w), nil
}

// update answers PATCH.
func (c *call) update() (answer, *apiError) {
	r, err := c.srv.account.find(c.typ, c.id)
	if err != nil {
		return answer{}, err
	}
	body, err := decodeObject(c.body)
	if err != nil {
		return answer{}, err
	}
	return c.change(r, body)
}

// upsert answers PUT: of what is there it changes what the body says, and appends or merges lines.
func (c *call) upsert() (answer, *apiError) {
	external, ok := strings.CutPrefix(c.id, "eid:")
	body, err := decodeObject(c.body)
	if err != nil {
		return answer{}, err
	}
	r, err := c.srv.account.find(c.typ, c.id)
	switch {
	case err == nil:
		return c.change(r, body)
	case !ok || err.status != http.StatusNotFound:
		return answer{}, err
	}
	out, err := c.createWith(body, external)
	if err == nil {
		out.status = c.srv.account.assumed.UpsertCreates
	}
	return out, err
}

func (c *call) delete() (answer, *apiError) {
	r, err := c.srv.account.find(c.typ, c.id)
	if err != nil {
		return answer{}, err
	}
	if c.typ.readOnly || c.typ.family != transactionFamily {
		return answer{}, forbidden(c.typ, "delete")
	}
	if err := c.srv.account.remove(c.action(), r); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent, record: r}, nil
}

// read answers GET of a record, a sublist or a line.
func (c *call) read() (answer, *apiError) {
	r, err := c.srv.account.find(c.typ, c.id)
	if err != nil {
		return answer{}, err
	}
	q := c.r.URL.Query()
	expand := q.Get("expandSubResources") == "true"
	if expand && q.Has("fields") {
		return answer{}, badParameter("fields", "The parameters fields and expandSubResources "+
			"cannot be used together.")
	}
	for name := range q {
		if !slices.Contains([]string{"fields", "expandSubResources", "simpleEnumFormat", "limit",
			"offset"}, name) {
			return answer{}, badParameter(name, "Invalid query parameter name: %s.", name)
		}
	}
	if len(c.rest) > 0 {
		return c.readSub(r, expand)
	}
	out := c.view().record(r, expand)
	if q.Has("fields") {
		only := object{"links": out["links"]}
		for name := range strings.SplitSeq(q.Get("fields"), ",") {
			if v, ok := out[strings.TrimSpace(name)]; ok {
				only[strings.TrimSpace(name)] = v
			}
		}
		out = only
	}
	if q.Get("simpleEnumFormat") == "true" {
		simplify(out)
	}
	return answer{status: http.StatusOK, media: "singular", body: encode(out), record: r}, nil
}

// simplify leaves the ids of enums only.
func simplify(out object) {
	for name, value := range out {
		if m, ok := value.(object); ok && m["refName"] != nil && m["links"] == nil {
			out[name] = m["id"]
		}
	}
}

// readSub answers GET of a sublist or of one line of it.
func (c *call) readSub(r *record, expand bool) (answer, *apiError) {
	sub := c.typ.subs[lower(c.rest[0])]
	if sub == nil || len(c.rest) > 2 {
		return answer{}, missing()
	}
	v := c.view()
	var items []object
	for _, l := range r.lines[sub.name] {
		body := v.line(r, sub, l)
		if len(c.rest) == 2 {
			if c.rest[1] == strconv.FormatInt(l.no, 10) {
				return answer{status: http.StatusOK, media: "singular", body: encode(body), record: r}, nil
			}
			continue
		}
		if !expand {
			body = object{"links": body["links"]}
		}
		items = append(items, body)
	}
	if len(c.rest) == 2 {
		return answer{}, missing()
	}
	return c.page(items, r), nil
}

// page is a collection of which everything fits.
func (c *call) page(items []object, r *record) answer {
	if items == nil {
		items = []object{}
	}
	return answer{status: http.StatusOK, media: "collection", record: r,
		body: encode(object{"links": selfLink(origin(c.r) + c.r.URL.Path), "items": items,
			"totalResults": len(items), "count": len(items), "offset": 0, "hasMore": false})}
}

// list answers GET of a type: ids and links, nothing else.
func (c *call) list() (answer, *apiError) {
	limit, offset, err := c.paging()
	if err != nil {
		return answer{}, err
	}
	if c.r.URL.Query().Has("q") {
		return answer{}, badParameter("q", "Filters of collections are not simulated: use SuiteQL.")
	}
	all := c.srv.account.byType[c.typ.name]
	from := min(offset, len(all))
	part := all[from:min(from+limit, len(all))]
	items := []object{}
	for _, r := range part {
		items = append(items, object{"links": selfLink(c.view().url(r)),
			"id": strconv.FormatInt(r.id, 10)})
	}
	return answer{status: http.StatusOK, media: "collection", body: encode(object{
		"links": selfLink(origin(c.r) + c.r.URL.Path), "items": items, "count": len(items),
		"offset": offset, "hasMore": from+len(part) < len(all), "totalResults": len(all)})}, nil
}

// maxPage is the greatest number of rows of a page, and the default.
const maxPage = 1000

// paging reads limit and offset.
func (c *call) paging() (limit, offset int, err *apiError) {
	limit = maxPage
	q := c.r.URL.Query()
	if s := q.Get("limit"); s != "" {
		n, bad := strconv.Atoi(s)
		if bad != nil || n < 1 || n > maxPage {
			return 0, 0, badParameter("limit", "The limit must be a number from 1 to %d.", maxPage)
		}
		limit = n
	}
	if s := q.Get("offset"); s != "" {
		n, bad := strconv.Atoi(s)
		if bad != nil || n < 0 {
			return 0, 0, badParameter("offset", "The offset must be a number that is not negative.")
		}
		offset = n
	}
	if c.srv.account.assumed.OffsetMultiple && offset%limit != 0 {
		return 0, 0, badParameter("offset", "The offset must be divisible by the limit.")
	}
	return limit, offset, nil
}

// transform answers POST of !transform: a record of the target type, made from another.
func (c *call) transform() (answer, *apiError) {
	a := c.srv.account
	if strings.HasPrefix(c.id, "eid:") && !a.assumed.TransformTakesExternalID {
		return answer{}, badParameter("", "Invalid record ID '%s'.", c.id)
	}
	src, err := a.find(c.typ, c.id)
	if err != nil {
		return answer{}, err
	}
	if !slices.Contains(c.target.from, c.typ.name) {
		return answer{}, badParameter("", "Transformation from %s to %s is not supported.", c.typ.name,
			c.target.name)
	}
	body, err := decodeObject(c.body)
	if err != nil {
		return answer{}, err
	}
	w, err := c.writer()
	if err != nil {
		return answer{}, err
	}
	w.transfer = true
	s := &saving{act: c.action(), r: &record{typ: c.target, values: values{}, source: src,
		lines: map[string][]*line{}}}
	if err := c.target.begin(a, s); err != nil {
		return answer{}, err
	}
	if err := w.record(s.r, body); err != nil {
		return answer{}, err
	}
	if err := a.save(s); err != nil {
		return answer{}, err
	}
	return c.saved(s.r, w), nil
}

// limits answers the governance limits, to administrators only.
func (c *call) limits() (answer, *apiError) {
	if !c.client.cfg.Admin {
		return answer{}, &apiError{status: http.StatusForbidden, code: codePermission,
			detail: "Permission Violation: only administrators can read governance limits."}
	}
	most, _, _ := c.srv.limit.read()
	return answer{status: http.StatusOK, media: "singular", body: encode(object{
		"accountConcurrencyLimit": most, "accountUnallocatedConcurrencyLimit": most,
		"integrationConcurrencyLimit": nil, "integrationLimitType": "accountSpecific"})}, nil
}
