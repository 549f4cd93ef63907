package httpapi

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/prometheus/common/expfmt"

	"holdfast/engine"
)

func getCluster(c *call) error { return c.sendCluster(nil) }

// sendCluster shows the cluster, with more members of the answer behind.
func (c *call) sendCluster(more []byte) error {
	cl := c.s.cfg.Node.Cluster()
	b := append(c.buf[:0], `{"cluster_id":`...)
	b = appendText(b, cl.ID)
	b = append(b, `,"node":`...)
	b = appendText(b, cl.Node)
	b = append(b, `,"leader":`...)
	b = appendText(b, cl.Leader)
	if cl.Waiting != "" {
		b = append(b, `,"waiting":`...)
		b = appendText(b, cl.Waiting)
	}
	b = appendUint(b, `,"term":`, cl.Term)
	b = appendUint(b, `,"index":`, cl.Index)
	b = append(b, `,"members":[`...)
	for i, m := range cl.Members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"id":`...)
		b = appendText(b, m.ID)
		b = append(b, `,"raft":`...)
		b = appendText(b, m.Raft)
		b = append(b, `,"http":`...)
		b = appendText(b, m.HTTP)
		b = append(b, `,"voter":`...)
		b = appendBool(b, m.Voter)
		b = append(b, `,"healthy":`...)
		b = appendBool(b, m.Healthy)
		b = appendUint(b, `,"lag":`, m.Lag)
		b = appendInt(b, `,"clock_offset_ms":`, m.ClockOffset.Milliseconds())
		if m.DiskFree > 0 {
			b = appendInt(b, `,"disk_free_bytes":`, m.DiskFree)
		}
		b = append(b, '}')
	}
	b = append(b, `],"digest":{`...)
	b = appendDigest(b, cl.Digest.Index, cl.Digest.Value)
	b = append(b, `,"diverged":`...)
	b = appendBool(b, cl.Digest.Diverged)
	b = appendInt(b, `},"replay_horizon_ms":`, cl.ReplayHorizon.Milliseconds())
	c.buf = append(append(b, more...), '}')
	c.index = cl.Index
	return c.reply(200)
}

func appendDigest(b []byte, index, value uint64) []byte {
	b = appendUint(b, `"index":`, index)
	return fmt.Appendf(b, `,"value":"%016x"`, value)
}

// getDigest shows the digest of the whole state, now or as kept at a multiple of 1,024.
func getDigest(c *call) error {
	wanted, err := c.queryInt("index", 0, 0, 1<<63-1)
	if err != nil {
		return err
	}
	var at, value uint64
	kept := true
	if err := c.read(func(l *engine.Ledger) bool {
		if at = wanted; wanted == 0 || wanted == l.Index() {
			at, value = l.Index(), l.Digest()
		} else {
			value, kept = l.DigestAt(wanted)
		}
		return false
	}); err != nil {
		return err
	}
	if !kept {
		p := newProblem(codeTooFar, "Digests are kept at the last 64 multiples of 1,024 only.")
		p.at, p.index = "index", c.index
		return p
	}
	c.buf = append(appendDigest(append(c.buf[:0], '{'), at, value), '}')
	return c.reply(200)
}

// postCheck walks the invariants.
func postCheck(c *call) error {
	if len(c.ctx.PostBody()) > 0 {
		s := scan{in: string(c.ctx.PostBody())}
		var seen uint64
		s.object()
		s.member(nil, &seen)
		s.end()
		if s.bad != nil {
			return s.bad
		}
	}
	ctx, cancel := context.WithTimeout(c.s.base, checkWait*c.s.cfg.LedgerTimeout)
	defer cancel()
	index, violations, err := c.s.cfg.Node.Check(ctx)
	if err != nil {
		return problemOf(err, false)
	}
	c.index = index
	b := appendUint(c.buf[:0], `{"index":`, index)
	b = append(b, `,"violations":[`...)
	for i, v := range violations {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"invariant":`...)
		b = appendText(b, v.Invariant)
		b = append(b, `,"detail":`...)
		b = appendText(b, v.Detail)
		b = append(b, '}')
	}
	c.buf = append(b, `]}`...)
	return c.reply(200)
}

// checkWait is how many times longer a check may take than a read: it visits every row in slices.
const checkWait = 6

// getLive says that the process answers; it does not depend on the others.
func getLive(c *call) error {
	c.send(200, "text/plain; charset=utf-8", []byte("ok\n"))
	return nil
}

// getReady says whether the node can serve, with a line for each check.
func getReady(c *call) error {
	status := 200
	b := c.buf[:0]
	for _, check := range c.s.cfg.Node.Ready() {
		mark := "[+]"
		if !check.OK {
			mark, status = "[-]", 503
		}
		b = append(b, mark...)
		b = append(b, check.Name...)
		if check.OK {
			b = append(b, " ok"...)
		} else {
			b = append(b, " failed"...)
		}
		if check.Detail != "" {
			b = append(b, ": "...)
			b = append(b, check.Detail...)
		}
		b = append(b, '\n')
	}
	if status == 503 {
		c.ctx.Response.Header.Set("Retry-After", "1")
	}
	c.buf = b
	c.send(status, "text/plain; charset=utf-8", b)
	return nil
}

// getMetrics prints every metric of the registry in Prometheus' text format.
func getMetrics(c *call) error {
	families, err := c.s.cfg.Registry.Gather()
	if err != nil {
		return fmt.Errorf("gather metrics: %w", err)
	}
	var out bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	enc := expfmt.NewEncoder(&out, format)
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return fmt.Errorf("write metrics: %w", err)
		}
	}
	c.send(200, string(format), out.Bytes())
	return nil
}

//go:embed openapi.json
var openAPI string

// getOpenAPI sends the description of every call, with this build's version in it.
func getOpenAPI(c *call) error {
	var version []byte
	version = appendText(version, c.s.cfg.Version)
	doc := strings.Replace(openAPI, `"version": "dev"`, `"version": `+string(version), 1)
	c.send(200, jsonType, []byte(doc))
	return nil
}

// listProblems lists every code of the table.
func listProblems(c *call) error {
	b := append(c.buf[:0], `{"items":[`...)
	for i := range outcomeRows {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendOutcome(b, &outcomeRows[i])
	}
	c.buf = append(b, `]}`...)
	return c.reply(200)
}

func appendOutcome(b []byte, o *outcome) []byte {
	b = append(b, `{"type":"/problems/`...)
	b = append(b, o.code...)
	b = append(b, `","code":"`...)
	b = append(b, o.code...)
	b = append(b, `","title":`...)
	b = appendText(b, o.title)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(o.status), 10)
	b = append(b, `,"promise":`...)
	b = appendText(b, o.promise)
	return append(b, '}')
}

// getProblem explains one code: to a browser as a page, to others as JSON.
func getProblem(c *call) error {
	code, err := c.id()
	if err != nil {
		return err
	}
	o := outcomesByCode[code]
	if o == nil {
		return newProblem(codeNotFound, "There is no problem of that code; /problems lists them.")
	}
	if !strings.Contains(string(c.ctx.Request.Header.Peek("Accept")), "text/html") {
		c.buf = appendOutcome(c.buf[:0], o)
		return c.reply(200)
	}
	page := fmt.Sprintf("<!doctype html><html lang=en><meta charset=utf-8><title>%[1]s</title>"+
		"<body style=\"font:16px sans-serif;max-width:40em;margin:2em auto\"><h1>%[2]s</h1>"+
		"<p><code>%[1]s</code>, HTTP status %[3]d<p>%[4]s", o.code, o.title, o.status, o.promise)
	c.send(200, "text/html; charset=utf-8", []byte(page))
	return nil
}
