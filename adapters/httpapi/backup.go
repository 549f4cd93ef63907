package httpapi

import (
	"context"
	"errors"
	"strconv"
	"time"

	"holdfast/engine"
)

const (
	backupType = "application/vnd.holdfast.backup"
	// backupWait bounds how long taking the checkpoint of a backup may take: that of a ledger of 10 GiB
	// on a slow disk.
	backupWait = 5 * time.Minute
	// backupSlowest is the least rate, bytes a second, that a client must keep up after backupGrace:
	// what a backup holds on to keeps the log behind it from being deleted.
	backupSlowest = 256 << 10
	backupGrace   = time.Minute
)

// postBackup streams a backup. It is as fresh as a read at the level that is asked for.
func postBackup(c *call) error {
	events, err := c.queryBool("events", true)
	if err != nil {
		return err
	}
	if err := c.read(func(*engine.Ledger) bool { return false }); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.s.base, backupWait)
	defer cancel()
	b, err := c.s.cfg.Node.Backup(ctx, events)
	if err != nil {
		return problemOf(err, false)
	}
	// The connection may be dropped before the stream begins; then nobody else would let go of it.
	unclaimed := time.AfterFunc(c.s.cfg.WriteTimeout, func() { _ = b.Close() })
	head := backupType + "\r\n" + headerIndex + ": " + strconv.FormatUint(b.Index(), 10)
	err = c.hijack("backup", head, func(st *stream) {
		if unclaimed.Stop() {
			st.sendBackup(b)
		}
	})
	if err != nil && unclaimed.Stop() {
		err = errors.Join(err, b.Close())
	}
	return err
}

// queryBool returns a query parameter that is true or false, or fallback when it is not given.
func (c *call) queryBool(name string, fallback bool) (bool, error) {
	switch v := c.ctx.QueryArgs().Peek(name); text(v) {
	case "":
		return fallback, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, invalid(name, "must be true or false")
}

// sendBackup runs until the backup is sent, the client goes or is too slow, or the server closes. Only
// a whole backup has its trailer, and a last chunk behind it.
func (st *stream) sendBackup(b Backup) {
	began := time.Now()
	_ = st.flush() // the client sees the status at once; an error comes again below
	n, err := b.WriteTo(&backupSender{stream: st, began: began})
	if err = errors.Join(err, b.Close()); err != nil {
		st.s.cfg.Logger.Warn("backup not sent", "index", b.Index(), "bytes", n, "error", err)
		return
	}
	st.end()
	st.s.cfg.Logger.Info("backup sent", "index", b.Index(), "bytes", n, "took", time.Since(began))
}

// backupSender writes pieces of a backup as chunks, each within WriteTimeout.
type backupSender struct {
	*stream
	began time.Time
	sent  int64
}

var errSlowBackup = errors.New("the client reads too slowly")

// Write fails with the error of the connection, os.ErrDeadlineExceeded among them, errSlowBackup, or
// when the server closes.
func (w *backupSender) Write(p []byte) (int, error) {
	select {
	case <-w.s.closing:
		return 0, errors.New("the server closes")
	default:
	}
	late := time.Since(w.began) - backupGrace
	if late > 0 && w.sent < int64(late.Seconds()*backupSlowest) {
		return 0, errSlowBackup
	}
	// Before the first byte: a piece that is longer than the buffer goes out at once.
	if err := w.conn.SetWriteDeadline(time.Now().Add(w.s.cfg.WriteTimeout)); err != nil {
		return 0, err
	}
	w.buf = append(w.buf, p...)
	w.chunk()
	if err := w.flush(); err != nil {
		return 0, err
	}
	w.sent += int64(len(p))
	return len(p), nil
}
