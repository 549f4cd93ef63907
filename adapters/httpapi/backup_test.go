package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeBackup is a backup that says what became of it.
type fakeBackup struct {
	write  func(io.Writer) error
	ended  chan error // of WriteTo
	closed chan struct{}
}

func newFakeBackup(write func(io.Writer) error) *fakeBackup {
	return &fakeBackup{write: write, ended: make(chan error, 1), closed: make(chan struct{})}
}

func (b *fakeBackup) Index() uint64 { return 42 }

func (b *fakeBackup) WriteTo(w io.Writer) (int64, error) {
	err := b.write(w)
	b.ended <- err
	return 0, err
}

func (b *fakeBackup) Close() error {
	close(b.closed) // a second time would panic: nobody closes twice
	return nil
}

func (s *site) backsUp(b *fakeBackup) {
	s.node.mu.Lock()
	defer s.node.mu.Unlock()
	s.node.backup = func(_ context.Context, events bool) (Backup, error) { return b, nil }
}

func TestABackupIsStreamed(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	piece := bytes.Repeat([]byte("backup "), 40_000)
	b := newFakeBackup(func(w io.Writer) error {
		for range 3 {
			if _, err := w.Write(piece); err != nil {
				return err
			}
		}
		return nil
	})
	s.backsUp(b)
	r := s.do("POST", "/v1/backup", "")
	require.Equal(t, 200, r.status)
	require.Equal(t, strings.Repeat(string(piece), 3), r.text)
	require.Equal(t, "42", r.header.Get("Holdfast-Index"))
	require.Equal(t, backupType, r.header.Get("Content-Type"))
	<-b.closed

	var asked []bool
	s.node.backup = func(_ context.Context, events bool) (Backup, error) {
		asked = append(asked, events)
		return nil, codedError{code: "overloaded", after: 10 * time.Second}
	}
	s.problem(503, "overloaded", "POST", "/v1/backup", "")
	s.problem(503, "overloaded", "POST", "/v1/backup?events=false&level=stale", "")
	require.Equal(t, []bool{true, false}, asked)
	s.problem(400, "invalid", "POST", "/v1/backup?events=some", "")
}

func TestABackupThatFailsIsNotEnded(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	b := newFakeBackup(func(w io.Writer) error {
		_, _ = w.Write([]byte("half of it"))
		return errors.New("the disk")
	})
	s.backsUp(b)
	res, err := http.Post("http://"+s.addr+"/v1/backup", "", nil)
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.ReadAll(res.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "the client must not take it for whole")
	<-b.closed
}

func TestABackupEndsWithItsClient(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake(), func(c *Config) { c.WriteTimeout = 200 * time.Millisecond })
	endless := func(w io.Writer) error {
		piece := make([]byte, 256<<10)
		for {
			if _, err := w.Write(piece); err != nil {
				return err
			}
		}
	}
	for _, client := range []func(net.Conn){
		func(c net.Conn) {},            // never reads
		func(c net.Conn) { c.Close() }, // hangs up
	} {
		b := newFakeBackup(endless)
		s.backsUp(b)
		conn, err := net.Dial("tcp", s.addr)
		require.NoError(t, err)
		_, err = io.WriteString(conn, "POST /v1/backup HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 100))
		require.NoError(t, err)
		client(conn)
		require.Error(t, <-b.ended)
		<-b.closed
		conn.Close()
	}
}

func TestAPauseOfTheStoreIsNotTheClients(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake(), func(c *Config) { c.WriteTimeout = 200 * time.Millisecond })
	piece := make([]byte, 256<<10)
	b := newFakeBackup(func(w io.Writer) error {
		for range 2 {
			if _, err := w.Write(piece); err != nil {
				return err
			}
			time.Sleep(300 * time.Millisecond) // the store paces itself
		}
		return nil
	})
	s.backsUp(b)
	require.Len(t, s.do("POST", "/v1/backup", "").text, 2*len(piece))
}

func TestASlowClientOfABackupIsGivenUp(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	b := newFakeBackup(func(w io.Writer) error {
		w.(*backupSender).began = time.Now().Add(-2 * backupGrace)
		_, err := w.Write([]byte("x"))
		return err
	})
	s.backsUp(b)
	res, err := http.Post("http://"+s.addr+"/v1/backup", "", nil)
	require.NoError(t, err)
	defer res.Body.Close()
	require.ErrorIs(t, <-b.ended, errSlowBackup)
	<-b.closed
}

func TestABackupDoesNotHoldUpClosing(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	b := newFakeBackup(nil)
	b.write = func(w io.Writer) error {
		close(began)
		for {
			if _, err := w.Write([]byte("x")); err != nil {
				return err
			}
			time.Sleep(time.Millisecond)
		}
	}
	s := serve(t, newFake())
	s.backsUp(b)
	res, err := http.Post("http://"+s.addr+"/v1/backup", "", nil)
	require.NoError(t, err)
	defer res.Body.Close()
	go io.Copy(io.Discard, res.Body)
	<-began
	require.NoError(t, s.server.Close())
	require.Error(t, <-b.ended)
	<-b.closed
}
