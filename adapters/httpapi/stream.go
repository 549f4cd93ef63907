package httpapi

import (
	"bufio"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"holdfast/adapters/apikeys"
)

// stream is a reply that goes on for long: events, or the results of an NDJSON batch. fasthttp
// writes a reply only after its handler returned and cannot read while it writes, so a stream takes
// the connection over, writes its own status line and chunks, and closes it at the end.
type stream struct {
	s    *Server
	conn net.Conn
	w    *bufio.Writer
	buf  []byte
	who  *apikeys.Caller
}

// revoked is how a stream ends whose caller may nothing any more, or nil while they may.
func (st *stream) revoked() *problem {
	if st.who == nil || !st.who.Gone() {
		return nil
	}
	return newProblem(codeUnauth, "The API key of this stream was revoked, or it had none and needs one now.")
}

// hijack takes the connection over for run, which must return when the server closes. It refuses
// when too many streams are open. head is the content type of the reply, kind its metrics' label.
func (c *call) hijack(kind, head string, run func(*stream)) error {
	s := c.s
	s.life.Lock()
	closed, full := s.life.closed, s.life.streams >= s.cfg.MaxStreams
	s.life.Unlock()
	if closed {
		return newProblem(codeClosing, "This node is stopping; ask another.")
	}
	if full {
		return newProblem(codeOverloaded, "Too many streams are open ("+
			strconv.Itoa(s.cfg.MaxStreams)+").")
	}
	id := string(c.ctx.Response.Header.Peek(headerRequestID))
	lines := "HTTP/1.1 200 OK\r\nContent-Type: " + head + "\r\n" + headerRequestID + ": " + id +
		"\r\nCache-Control: no-store\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
	who := c.caller
	c.ctx.HijackSetNoResponse(true)
	c.ctx.Hijack(func(conn net.Conn) {
		if !s.streamBegins() {
			return
		}
		defer s.streamEnds()
		open := s.stats.streams.WithLabelValues(kind)
		open.Inc()
		defer open.Dec()
		st := &stream{s: s, conn: conn, w: bufio.NewWriterSize(conn, 16<<10), who: who}
		st.w.WriteString(lines)
		run(st)
	})
	return nil
}

// logCause logs the true words of a problem that a stream tells its client. p may be nil.
func (st *stream) logCause(p *problem) {
	if p != nil && p.cause != nil {
		st.s.cfg.Logger.Log(st.s.base, p.level(), "stream failed", "error", p.cause)
	}
}

// streamBegins counts a stream; it is false when the server closes. The count is taken here and not
// when the request is answered, because fasthttp may drop a connection in between.
func (s *Server) streamBegins() bool {
	s.life.Lock()
	defer s.life.Unlock()
	if s.life.closed {
		return false
	}
	s.life.streams++
	s.life.done.Add(1)
	return true
}

func (s *Server) streamEnds() {
	s.life.Lock()
	s.life.streams--
	s.life.Unlock()
	s.life.done.Done()
}

// chunk writes st.buf as one chunk and empties it.
func (st *stream) chunk() {
	if len(st.buf) == 0 {
		return // an empty chunk would be the end
	}
	var n [16]byte
	st.w.Write(strconv.AppendInt(n[:0], int64(len(st.buf)), 16))
	st.w.WriteString("\r\n")
	st.w.Write(st.buf)
	st.w.WriteString("\r\n")
	st.buf = st.buf[:0]
}

// flush sends what was written; a client that does not read for WriteTimeout is given up. The error
// is the first of all writes so far, or nil.
func (st *stream) flush() error {
	if err := st.conn.SetWriteDeadline(time.Now().Add(st.s.cfg.WriteTimeout)); err != nil {
		return err
	}
	return st.w.Flush()
}

// end writes the last chunk.
func (st *stream) end() {
	st.chunk()
	st.w.WriteString("0\r\n\r\n")
	st.flush()
}

// patient is a reader each of whose reads may take up to a bound. stop ends a read that is under
// way and every later one: closing a connection that was taken over from fasthttp does nothing
// until its handler returns.
type patient struct {
	conn    net.Conn
	bound   time.Duration
	stopped atomic.Bool
}

// Read reads what has come; its error is the connection's, or os.ErrDeadlineExceeded after a stop.
func (p *patient) Read(b []byte) (int, error) {
	if err := p.conn.SetReadDeadline(time.Now().Add(p.bound)); err != nil {
		return 0, err
	}
	if p.stopped.Load() { // looked at behind the deadline, so that stop cannot fall in between
		return 0, os.ErrDeadlineExceeded
	}
	return p.conn.Read(b)
}

func (p *patient) stop() {
	p.stopped.Store(true)
	p.conn.SetReadDeadline(time.Unix(1, 0))
}

// headerBodyLength carries the length of a body that is left in the connection from headerReceived
// to the handler. headerReceived always sets it where the handler looks, so a client cannot.
const headerBodyLength = "Holdfast-Body-Length"

// takeStream keeps fasthttp from reading a body: it is told that there is none, and the stream
// reads it from the connection. The length is -1 for a chunked body.
func takeStream(h *fasthttp.RequestHeader) {
	length := max(h.ContentLength(), -1)
	if h.ContentLength() < -1 {
		length = 0
	}
	h.SetContentLength(0)
	h.Set(headerBodyLength, strconv.Itoa(length))
}
