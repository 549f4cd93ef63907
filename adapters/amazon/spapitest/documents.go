package spapitest

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// urlLife is how long a presigned URL lives.
	urlLife = 5 * time.Minute

	// documentLimit bounds the documents that are kept; the oldest go first.
	documentLimit = 20_000
)

// document is the content of a feed, of its result or of a report.
type document struct {
	id, contentType string
	body            []byte
	gzip            bool
	uploaded        bool
	acct            *account
}

// documents stands in for the store behind presigned URLs. Safe for concurrent use.
type documents struct {
	srv *Server

	mu    sync.Mutex
	byID  map[string]*document
	order []string
}

func newDocuments(s *Server) *documents {
	return &documents{srv: s, byID: map[string]*document{}}
}

// add keeps a document under a new id.
func (d *documents) add(x *document) *document {
	x.id = "amzn1.tortuga.4.na." + d.srv.newUUID() + "." + d.srv.newID(12)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byID[x.id] = x
	d.order = append(d.order, x.id)
	if len(d.order) > documentLimit {
		delete(d.byID, d.order[0])
		d.order = d.order[1:]
	}
	return x
}

// find returns a document of an account, or nil.
func (d *documents) find(acct *account, id string) *document {
	d.mu.Lock()
	defer d.mu.Unlock()
	if x := d.byID[id]; x != nil && x.acct == acct {
		return x
	}
	return nil
}

// content is what was uploaded; false where nothing was.
func (d *documents) content(x *document) ([]byte, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return x.body, x.uploaded
}

// url signs an address for one method.
func (d *documents) url(r *http.Request, x *document, method string) string {
	expires := d.srv.clock.Now().Add(d.srv.period(urlLife)).UnixMilli()
	base := d.srv.URL()
	if base == "" {
		base = "http://" + r.Host
	}
	return fmt.Sprintf("%s/_docs/%s?X-Amz-Expires=%d&X-Amz-Signature=%s", base, x.id, expires,
		d.sign(x.id, method, expires))
}

func (d *documents) sign(id, method string, expires int64) string {
	h := fnv.New64a()
	fmt.Fprint(h, d.srv.cfg.Seed, id, method, expires)
	return strconv.FormatUint(h.Sum64(), 16)
}

// serve answers presigned URLs as S3 does: the signature is all that counts, and any other way of
// saying who calls is refused.
func (d *documents) serve(w http.ResponseWriter, r *http.Request) {
	e := d.srv.newExchange(w, r)
	e.refuse = func(status int, code, message string) {
		write(w, status, "application/xml", []byte("<Error><Code>"+code+"</Code><Message>"+message+
			"</Message></Error>"))
	}
	id := strings.TrimPrefix(r.URL.Path, "/_docs/")
	e.entry.Op = map[string]string{"GET": "getDocument", "PUT": "putDocument"}[r.Method]
	e.entry.Doc = id
	d.mu.Lock()
	x := d.byID[id]
	d.mu.Unlock()
	if x != nil {
		e.entry.Account, e.entry.Region = x.acct.cfg.Name, x.acct.cfg.Region
	}
	if !e.read() {
		e.refused(http.StatusRequestEntityTooLarge, "EntityTooLarge", "Your upload is too large.")
		return
	}
	if e.strike() {
		return
	}
	q := r.URL.Query()
	expires, _ := strconv.ParseInt(q.Get("X-Amz-Expires"), 10, 64)
	switch {
	case r.Header.Get("Authorization") != "" || r.Header.Get("X-Amz-Access-Token") != "":
		e.refused(http.StatusBadRequest, "InvalidArgument", "Only one auth mechanism allowed")
	case x == nil || q.Get("X-Amz-Signature") != d.sign(id, r.Method, expires):
		e.refused(http.StatusForbidden, "SignatureDoesNotMatch",
			"The request signature we calculated does not match the signature you provided.")
	case d.srv.clock.Now().UnixMilli() >= expires:
		e.refused(http.StatusForbidden, "AccessDenied", "Request has expired")
	case r.Method == http.MethodPut && r.Header.Get("Content-Type") != x.contentType:
		e.refused(http.StatusForbidden, "SignatureDoesNotMatch",
			"The Content-Type is not the one that was signed.")
	case r.Method == http.MethodPut:
		d.mu.Lock()
		x.body, x.uploaded = e.body, true
		d.mu.Unlock()
		e.log(http.StatusOK, "ok")
		e.send(http.StatusOK, "", nil)
	default:
		body, _ := d.content(x)
		e.log(http.StatusOK, "ok")
		e.send(http.StatusOK, x.contentType, body)
	}
}
