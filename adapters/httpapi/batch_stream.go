package httpapi

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"

	"holdfast/engine"
)

const ndjsonType = "application/x-ndjson"

func isNDJSON(contentType []byte) bool {
	media, _, _ := bytes.Cut(contentType, []byte(";"))
	return strings.EqualFold(string(bytes.TrimSpace(media)), ndjsonType)
}

// maxUnsent is how many lines may be taken whose results are not sent: then the server reads no
// more, and a client that only writes stands still.
const maxUnsent = 1000

// batchStream is an NDJSON batch under way. One goroutine reads lines, another submits what has
// gathered, up to 1,000 lines, writes the results and flushes: so while a batch is at work the next
// one gathers, and a client that pauses gets its answers at once.
type batchStream struct {
	*stream
	key   engine.Key
	raw   *patient
	lines *bufio.Reader
	now   func() int64

	mu      sync.Mutex
	changed *sync.Cond
	waiting []batchItem // read and not submitted
	unsent  int         // waiting and under way
	read    bool        // no line will follow
	broken  *problem    // why, when it is not the end of the body
	dead    bool        // the client is gone, or the server stops
	sent    int
}

// startBatchStream answers an NDJSON batch.
func startBatchStream(c *call) error {
	length, err := strconv.Atoi(string(c.ctx.Request.Header.Peek(headerBodyLength)))
	if err != nil {
		return err
	}
	if e := c.ctx.Request.Header.ContentEncoding(); len(e) > 0 && string(e) != "identity" {
		return invalid("Content-Encoding", "must not be given: bodies are read as they are")
	}
	key := c.key
	return c.hijack("batch", ndjsonType, func(st *stream) {
		b := &batchStream{stream: st, key: key, raw: &patient{conn: st.conn, bound: st.s.cfg.StreamIdle},
			now: func() int64 { return st.s.cfg.Now().UnixMilli() }}
		b.changed = sync.NewCond(&b.mu)
		raw := bufio.NewReaderSize(b.raw, 16<<10)
		if length < 0 {
			b.lines = bufio.NewReaderSize(httputil.NewChunkedReader(raw), maxLineBytes+2)
		} else {
			b.lines = bufio.NewReaderSize(io.LimitReader(raw, int64(length)), maxLineBytes+2)
		}
		b.run()
	})
}

// run owns the reader's goroutine and returns when the stream has ended on both sides.
func (b *batchStream) run() {
	b.flush() // so that the client sees the status before it has sent a line
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.readLines()
	}()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-b.s.closing:
			b.stop(newProblem(codeClosing, "This node is stopping. Send the stream again, from "+
				"line 1 with the same key, to another node."))
		case <-done:
		}
	}()
	b.answer()
	b.raw.stop()
	<-done
	<-stopped
}

// readLines takes lines until the body ends, the client is silent too long, or the stream stops.
func (b *batchStream) readLines() {
	for {
		line, long, err := b.nextLine()
		if len(line) > 0 || long { // behind the end of the last line there is none
			b.s.stats.lines.Inc()
			if !b.put(b.readLine(line, long)) {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				b.stop(newProblem(codeSlow, "The stream broke or was silent too long."))
			}
			b.mu.Lock()
			b.read = true
			b.changed.Broadcast()
			b.mu.Unlock()
			return
		}
	}
}

// nextLine returns the next line with its end; it is valid until the next call, and empty only where
// there is none. long says that it is over the limit, and then it was skipped. The error is io.EOF
// behind the last line, or that of the connection.
func (b *batchStream) nextLine() (line []byte, long bool, err error) {
	line, err = b.lines.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		line, err = b.lines.ReadSlice('\n')
	}
	if long || len(bytes.TrimSpace(line)) > maxLineBytes {
		return nil, true, err
	}
	return line, false, err
}

// readLine decodes one line; what is wrong with it is its own answer.
func (b *batchStream) readLine(line []byte, long bool) batchItem {
	if long {
		return batchItem{bad: tooLarge("", limitNDJSONLine, maxLineBytes)}
	}
	if line = bytes.TrimSpace(line); len(line) == 0 {
		return batchItem{bad: invalid("", "The line is blank; each line is one op, and counts.")}
	}
	s := scan{in: string(line)}
	it := s.readItem(b.now())
	if it.bad == nil {
		s.end()
		it.bad = s.bad
	}
	if it.bad == nil && b.key.IsZero() {
		it.bad = it.missingKey()
	}
	return it
}

// missingKey is the problem of an op that must not be sent without a key.
func (it *batchItem) missingKey() *problem {
	if verbs[it.verb].key || len(picksOf(it.cmd)) > 0 {
		return newProblem(codeKeyRequired, keyReason(it.verb))
	}
	return nil
}

// put hands a line over; it waits while too many are unsent, and is false when the stream stopped.
func (b *batchStream) put(it batchItem) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.unsent >= maxUnsent && !b.dead {
		b.changed.Wait()
	}
	if b.dead {
		return false
	}
	b.waiting = append(b.waiting, it)
	b.unsent++
	b.changed.Broadcast()
	return true
}

// take waits for lines and returns all that have gathered; none when no more will come.
func (b *batchStream) take(spare []batchItem) []batchItem {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.waiting) == 0 && !b.read && !b.dead {
		b.changed.Wait()
	}
	items := b.waiting
	b.waiting = spare[:0]
	return items
}

// stop ends the stream for a reason that the client is told when it still listens.
func (b *batchStream) stop(why *problem) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken == nil && !b.read {
		b.broken = why
	}
	b.dead = true
	b.changed.Broadcast()
}

// cut ends the stream before what has gathered: that was not attempted, also when it was all that would
// come.
func (b *batchStream) cut(why *problem) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken, b.dead = why, true
	b.changed.Broadcast()
}

// answer submits what has gathered and writes the results, until the end.
func (b *batchStream) answer() {
	var spare []batchItem
	for {
		items := b.take(spare)
		if len(items) == 0 {
			break
		}
		if p := b.revoked(); p != nil {
			b.cut(p)
			break
		}
		b.run1(items)
		if err := b.flush(); err != nil {
			b.stop(nil)
			return
		}
		b.mu.Lock()
		b.unsent -= len(items)
		b.changed.Broadcast()
		b.mu.Unlock()
		clear(items)
		spare = items
	}
	b.mu.Lock()
	broken := b.broken
	b.mu.Unlock()
	if broken != nil {
		b.buf = append(b.buf, `{"status":`...)
		b.buf = strconv.AppendInt(b.buf, int64(broken.httpStatus()), 10)
		b.buf = appendProblemMembers(b.buf, broken)
		b.buf = append(b.buf, "}\n"...)
	} else {
		b.buf = appendInt(b.buf, `{"end":true,"ops":`, int64(b.sent))
		b.buf = append(b.buf, "}\n"...)
	}
	b.end()
}

// run1 runs one batch of lines and writes their results in order, as one chunk.
func (b *batchStream) run1(items []batchItem) {
	ops := make([]engine.Op, 0, len(items))
	first := b.sent + 1
	for i := range items {
		if items[i].bad == nil {
			ops = append(ops, engine.Op{Key: b.key.At(first + i), Command: items[i].cmd})
		}
	}
	next := 0
	write := func(status int, r *engine.Result, p *problem) {
		b.buf = appendItemResult(b.buf, 0, first+next, status, r, &items[next], p)
		b.buf = append(b.buf, '\n')
		next++
		if len(b.buf) > 32<<10 {
			b.chunk()
		}
	}
	refuseBad := func() {
		for next < len(items) && items[next].bad != nil {
			write(items[next].bad.httpStatus(), nil, items[next].bad)
		}
	}
	refuseBad()
	var why *problem // the first that the ledger did not decide
	if len(ops) > 0 {
		b.s.cfg.Ledger.SubmitAll(b.s.base, ops, func(_ int, r engine.Result, err error) {
			it := &items[next]
			var p *problem
			status := successStatus(it.verb, &r)
			switch {
			case err != nil:
				p = problemOf(err, true)
				status = p.httpStatus()
				if why == nil {
					why = p
				}
			case r.Refusal != engine.Accepted:
				p = refused(&r, it.cmd)
				status = p.httpStatus()
			}
			write(status, &r, p)
			refuseBad()
		})
	}
	b.logCause(why)
	b.chunk()
	b.sent += len(items)
}
