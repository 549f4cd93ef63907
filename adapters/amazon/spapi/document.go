package spapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

const (
	// MaxDocument bounds a document, unpacked: a million orders of a report.
	MaxDocument = 512 << 20
	// documentTime is how long a document may take; its address lives 5 minutes.
	documentTime = 5 * time.Minute
)

// Document is a document that is being read. Its end is io.EOF only when all of it was there: one
// that was cut off, or is too long, fails with a Fault.
type Document struct {
	// Charset is what the storage says of the text, in small letters; empty: nothing.
	Charset string

	body   io.Reader
	close  func() error
	cancel context.CancelFunc
	left   int64
	err    error
}

// Read fails with a Fault when the document is cut off or too long.
func (d *Document) Read(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	n, err := d.body.Read(p)
	if d.left -= int64(n); d.left < 0 {
		d.err = &Fault{code: CodeTooLarge, class: classData, detail: "a document is over its bound"}
		return 0, d.err
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		d.err = io.EOF
	default:
		d.err = &Fault{code: CodeCut, class: classTransient, retryable: true, after: time.Minute,
			detail: "a document ended before its end", cause: withoutURL(err)}
	}
	return n, d.err
}

// Close ends the reading. Its error says nothing of what was read.
func (d *Document) Close() error {
	defer d.cancel()
	return d.close()
}

// document asks where a document is, and opens it.
func (c *Client) document(ctx context.Context, op *operation, id string) (*Document, error) {
	var at struct {
		URL         string `json:"url"`
		Compression string `json:"compressionAlgorithm"`
	}
	if err := c.do(ctx, op, call{args: []string{id}, out: &at}); err != nil {
		return nil, err
	}
	if at.Compression != "" && !strings.EqualFold(at.Compression, "GZIP") {
		return nil, &Fault{code: CodeAnswer, class: classBug,
			detail: op.name + ": the unknown compression " + cut(at.Compression, 32)}
	}
	return c.download(ctx, at.URL, at.Compression != "")
}

// download opens a presigned address. It says all that is needed by itself: our token stays here.
func (c *Client) download(ctx context.Context, address string, packed bool) (*Document, error) {
	ctx, cancel := context.WithTimeout(ctx, documentTime)
	res, err := c.presigned(ctx, http.MethodGet, address, "", nil)
	if err != nil {
		cancel()
		return nil, err
	}
	d := &Document{body: res.Body, close: res.Body.Close, cancel: cancel, left: MaxDocument}
	if _, p, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err == nil {
		d.Charset = strings.ToLower(p["charset"])
	}
	if packed {
		zip, err := gzip.NewReader(res.Body)
		if err != nil {
			_ = d.Close()
			return nil, &Fault{code: CodeCut, class: classTransient, retryable: true, after: time.Minute,
				detail: "a document is not packed as it says", cause: withoutURL(err)}
		}
		d.body = zip
	}
	return d, nil
}

// upload puts a document to a presigned address, under the type that it was announced with.
func (c *Client) upload(ctx context.Context, address, contentType string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, documentTime)
	defer cancel()
	res, err := c.presigned(ctx, http.MethodPut, address, contentType, body)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10))
	return res.Body.Close()
}

// opDocument stands for a call to the storage. An upload can be made again: a feed has the document
// that was there when it was made.
var opDocument = &operation{name: "document", kind: reads}

// presigned calls a presigned address. It fails with a Fault, which never has the address: whoever
// knows it can read the document.
func (c *Client) presigned(ctx context.Context, method, address, contentType string, body []byte) (
	*http.Response, error) {
	if err := checkPresigned(address); err != nil {
		return nil, &Fault{code: CodeAnswer, class: classBug, detail: "the address of a document",
			cause: err}
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, &Fault{code: CodeAnswer, class: classBug, detail: "the address of a document"}
	}
	req.Header.Set("User-Agent", userAgent)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return nil, unreachable(opDocument, err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10))
		_ = res.Body.Close()
		f := statusFault(opDocument, res, nil)
		if f.class == classAuth || f.code == CodeGone || f.class == classData {
			// Its five minutes are over: the next try asks for a new address.
			f.code, f.class, f.retryable = CodeUnavailable, classTransient, true
		}
		return nil, f
	}
	return res, nil
}

// checkPresigned refuses an address that anybody on the way could read.
func checkPresigned(address string) error {
	base, _, _ := strings.Cut(address, "?")
	return checkAddress(base)
}
