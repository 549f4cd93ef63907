package link

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// echoing starts a node that sends back what it gets, behind a mesh that takes every caller for a.
func echoing(t *testing.T) (m *Mesh, addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	m = New(1, func(*net.TCPAddr) (string, bool) { return "a", true })
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	addr, err = m.Open("b", ln.Addr().String())
	require.NoError(t, err)
	return m, addr
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// says sends one byte and reports whether it comes back within limit.
func says(t *testing.T, c net.Conn, limit time.Duration) bool {
	t.Helper()
	_, err := c.Write([]byte{'x'})
	require.NoError(t, err)
	return hears(t, c, limit)
}

func hears(t *testing.T, c net.Conn, limit time.Duration) bool {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(limit)))
	_, err := io.ReadFull(c, make([]byte, 1))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		require.NoError(t, err)
	}
	return err == nil
}

const soon, long = 50 * time.Millisecond, 10 * time.Second

func TestEachDirectionStallsByItself(t *testing.T) {
	t.Parallel()
	for _, p := range []Pair{{"a", "b"}, {"b", "a"}} {
		m, addr := echoing(t)
		c := dial(t, addr)
		require.True(t, says(t, c, long))
		m.Set(p, Rule{Stall: true})
		assert.False(t, says(t, c, soon), "%v", p)
		m.Heal(false)
		assert.True(t, hears(t, c, long), "what was held back goes on")
	}
}

func TestRefusalEndsWhatThereIsAndWhatComes(t *testing.T) {
	t.Parallel()
	m, addr := echoing(t)
	c := dial(t, addr)
	require.True(t, says(t, c, long))
	m.Set(Pair{"a", "b"}, Rule{Refuse: true})
	require.NoError(t, c.SetReadDeadline(time.Now().Add(long)))
	_, err := c.Read(make([]byte, 1))
	assert.Error(t, err)
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	if next, err := net.Dial("tcp", addr); err == nil { // else the reset was quicker
		require.NoError(t, next.SetReadDeadline(time.Now().Add(long)))
		_, err = next.Read(make([]byte, 1))
		assert.Error(t, err)
		assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.NoError(t, next.Close())
	}
	m.Heal(false)
	assert.True(t, says(t, dial(t, addr), long))
}

func TestHealCanBreakWhatWasHeldBack(t *testing.T) {
	t.Parallel()
	m, addr := echoing(t)
	c := dial(t, addr)
	require.True(t, says(t, c, long))
	m.Set(Pair{"b", "a"}, Rule{Stall: true})
	m.Heal(true)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(long)))
	_, err := c.Read(make([]byte, 1))
	assert.Error(t, err)
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestDelayAndCut(t *testing.T) {
	t.Parallel()
	m, addr := echoing(t)
	c := dial(t, addr)
	m.Set(Pair{"a", "b"}, Rule{Delay: 2 * soon})
	assert.False(t, says(t, c, soon))
	assert.True(t, hears(t, c, long))
	m.Set(Pair{"a", "b"}, Rule{Cut: 1})
	_, err := c.Write([]byte{'x'})
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(long)))
	_, err = c.Read(make([]byte, 1))
	assert.Error(t, err)
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestOwnerOfASocket(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	c := dial(t, ln.Addr().String())
	local := c.LocalAddr().(*net.TCPAddr)
	node, ok := Owner(local, map[string]int{"init": 1, "me": os.Getpid()})
	assert.True(t, ok)
	assert.Equal(t, "me", node)
	_, ok = Owner(local, map[string]int{"init": os.Getppid()})
	assert.False(t, ok, "somebody else's")
}
