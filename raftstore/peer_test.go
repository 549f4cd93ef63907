package raftstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// peerMaker makes a node of one network and says where it is reached.
type peerMaker func(t *testing.T, node string) (p peerNet, addr string)

func tcpMaker(cluster [16]byte) peerMaker {
	return func(t *testing.T, node string) (peerNet, string) {
		port := testPort(t, node, cluster)
		p := newTCPPeers(port)
		t.Cleanup(func() { assert.NoError(t, p.Close()) })
		return p, port.advertise
	}
}

func testPort(t *testing.T, node string, cluster [16]byte) *peerPort {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := openPeerPort(ln, "", node, peerSelf{cluster: func() [16]byte { return cluster }},
		slog.New(slog.DiscardHandler))
	t.Cleanup(func() { assert.NoError(t, port.close()) })
	return port
}

func memMaker() peerMaker {
	n := NewMemNet()
	return func(t *testing.T, node string) (peerNet, string) {
		_, p := n.join(node)
		t.Cleanup(func() { assert.NoError(t, p.Close()) })
		return p, node
	}
}

// TestPeers holds the real thing and its twin to one contract.
func TestPeers(t *testing.T) {
	t.Parallel()
	for name, maker := range map[string]func() peerMaker{
		"tcp":    func() peerMaker { return tcpMaker([16]byte{}) },
		"memory": memMaker,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("calls", func(t *testing.T) { t.Parallel(); peersAnswer(t, maker()) })
			t.Run("many at once", func(t *testing.T) { t.Parallel(); peersTogether(t, maker()) })
			t.Run("nobody there", func(t *testing.T) { t.Parallel(); peersNobody(t, maker()) })
			t.Run("lost on the way", func(t *testing.T) { t.Parallel(); peersLost(t, maker()) })
			t.Run("comes back", func(t *testing.T) { t.Parallel(); peersCtx(t, maker()) })
		})
	}
}

func echo(_ context.Context, kind byte, body []byte) []byte {
	return append([]byte{kind}, body...)
}

func peersAnswer(t *testing.T, maker peerMaker) {
	a, _ := maker(t, "a")
	b, addr := maker(t, "b")
	b.Serve(echo)
	for _, size := range []int{0, 1, 1 << 20} {
		body := bytes.Repeat([]byte{7}, size)
		answer, sent, err := a.Call(t.Context(), addr, 9, body)
		require.NoError(t, err)
		assert.True(t, sent)
		assert.Equal(t, append([]byte{9}, body...), answer)
	}
}

func peersTogether(t *testing.T, maker peerMaker) {
	a, _ := maker(t, "a")
	b, addr := maker(t, "b")
	first := make(chan struct{})
	b.Serve(func(ctx context.Context, kind byte, body []byte) []byte {
		if kind == 0 {
			<-first // answered after all the others
		}
		return echo(ctx, kind, body)
	})
	var calls sync.WaitGroup
	for i := range 20 {
		calls.Go(func() {
			answer, _, err := a.Call(t.Context(), addr, byte(i), []byte{byte(i), 1})
			assert.NoError(t, err)
			assert.Equal(t, []byte{byte(i), byte(i), 1}, answer)
			if i == 19 {
				close(first)
			}
		})
	}
	calls.Wait()
}

func peersNobody(t *testing.T, maker peerMaker) {
	a, _ := maker(t, "a")
	b, addr := maker(t, "b")
	b.Serve(echo)
	_, sent, err := a.Call(t.Context(), "127.0.0.1:1", 1, nil)
	assert.Error(t, err)
	assert.False(t, sent, "it did not happen")
	require.NoError(t, a.Close())
	_, sent, err = a.Call(t.Context(), addr, 1, nil)
	assert.Error(t, err)
	assert.False(t, sent)
}

func peersLost(t *testing.T, maker peerMaker) {
	a, _ := maker(t, "a")
	b, addr := maker(t, "b")
	arrived := make(chan struct{})
	b.Serve(func(ctx context.Context, _ byte, _ []byte) []byte {
		close(arrived)
		<-ctx.Done()
		return nil
	})
	go func() {
		<-arrived
		b.Close()
	}()
	answer, sent, err := a.Call(t.Context(), addr, 1, []byte("x"))
	if err == nil {
		assert.Empty(t, answer) // the handler's last word got through
		return
	}
	assert.True(t, sent, "nobody knows")
}

func peersCtx(t *testing.T, maker peerMaker) {
	a, _ := maker(t, "a")
	b, addr := maker(t, "b")
	hang := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.Serve(func(ctx context.Context, kind byte, body []byte) []byte {
		if kind == 1 {
			cancel() // it has arrived
			<-hang
		}
		return echo(ctx, kind, body)
	})
	_, sent, err := a.Call(ctx, addr, 1, nil)
	assert.ErrorIs(t, err, context.Canceled)
	assert.True(t, sent)
	close(hang)
	answer, _, err := a.Call(t.Context(), addr, 2, []byte("y"))
	require.NoError(t, err, "the connection goes on")
	assert.Equal(t, "\x02y", string(answer))
}

func TestNodesOfTwoClustersDoNotTalk(t *testing.T) {
	t.Parallel()
	a, _ := tcpMaker([16]byte{1})(t, "a")
	b, addr := tcpMaker([16]byte{2})(t, "b")
	b.Serve(echo)
	_, sent, err := a.Call(t.Context(), addr, 1, nil)
	assert.ErrorContains(t, err, "another cluster")
	assert.False(t, sent)
	c, _ := tcpMaker([16]byte{})(t, "c") // does not know its cluster yet
	_, _, err = c.Call(t.Context(), addr, 1, nil)
	assert.NoError(t, err)
}

// TestAnOlderIncarnationIsRefused has the folder of a node that was made anew since come back.
func TestAnOlderIncarnationIsRefused(t *testing.T) {
	t.Parallel()
	port := func(node string, own uint64, enrolled uint64) *peerPort {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		p := openPeerPort(ln, "", node, peerSelf{
			cluster:     func() [16]byte { return [16]byte{1} },
			incarnation: func() uint64 { return own },
			enrolled:    func(string) uint64 { return enrolled },
		}, slog.New(slog.DiscardHandler))
		t.Cleanup(func() { assert.NoError(t, p.close()) })
		return p
	}
	member, old, fresh := port("n1", 1, 2), port("n2", 1, 0), port("n2", 0, 0)
	_, err := old.dial(member.advertise, kindRaft, time.Second)
	var replaced *replacedError
	require.ErrorAs(t, err, &replaced)
	assert.Equal(t, "n1", replaced.by)
	_, err = member.dial(old.advertise, kindRaft, time.Second)
	assert.ErrorContains(t, err, "made anew since")
	c, err := fresh.dial(member.advertise, kindCalls, time.Second)
	require.NoError(t, err, "one that was not let in yet may ask")
	assert.NoError(t, c.Close())
}

// TestATwinIsRefused has two data folders under one name and incarnation: the one that was enrolled
// is talked to, and the other learns why it is not.
func TestATwinIsRefused(t *testing.T) {
	t.Parallel()
	port := func(node string, folder byte) *peerPort {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		p := openPeerPort(ln, "", node, peerSelf{
			cluster:     func() [16]byte { return [16]byte{1} },
			incarnation: func() uint64 { return 1 },
			folder:      func() [16]byte { return [16]byte{folder} },
			stranger: func(name string, incarnation uint64, folder [16]byte) bool {
				return name == "n2" && incarnation == 1 && folder != [16]byte{7}
			},
		}, slog.New(slog.DiscardHandler))
		t.Cleanup(func() { assert.NoError(t, p.close()) })
		return p
	}
	member, real, twin := port("n1", 1), port("n2", 7), port("n2", 8)
	_, err := twin.dial(member.advertise, kindRaft, time.Second)
	var replaced *replacedError
	require.ErrorAs(t, err, &replaced)
	assert.ErrorContains(t, err, "another data folder takes part under the name of this node")
	_, err = member.dial(twin.advertise, kindRaft, time.Second)
	assert.ErrorContains(t, err, "two run under one name")
	c, err := real.dial(member.advertise, kindRaft, time.Second)
	require.NoError(t, err)
	assert.NoError(t, c.Close())
}

// TestNeighbouringVersionsTalk pairs builds that speak several versions.
func TestNeighbouringVersionsTalk(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		a, b versionRange
		want byte
	}{
		{versionRange{1, 1}, versionRange{1, 1}, 1}, {versionRange{1, 1}, versionRange{1, 2}, 1},
		{versionRange{1, 2}, versionRange{2, 3}, 2}, {versionRange{2, 3}, versionRange{1, 9}, 3},
		{versionRange{1, 1}, versionRange{2, 3}, 0},
	} {
		assert.Equal(t, x.want, x.a.common(x.b))
		assert.Equal(t, x.want, x.b.common(x.a))
		a, b := testPort(t, "a", [16]byte{}), testPort(t, "b", [16]byte{})
		a.versions, b.versions = x.a, x.b
		c, err := a.dial(b.advertise, kindCalls, time.Second)
		if x.want == 0 {
			assert.ErrorContains(t, err, "no common version")
			continue
		}
		require.NoError(t, err)
		assert.NoError(t, c.Close())
	}
}

func TestThePortRefusesStrangers(t *testing.T) {
	t.Parallel()
	port := testPort(t, "a", [16]byte{})
	for name, say := range map[string]string{
		"http":            "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"another version": "C\x09\x09\x1a\x00" + string(make([]byte, 26)),
		"unknown kind":    "Z\x01\x01\x1a\x00" + string(make([]byte, 26)),
	} {
		conn, err := net.Dial("tcp", port.advertise)
		require.NoError(t, err)
		_, err = conn.Write([]byte(say))
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		_, err = io.Copy(io.Discard, conn)
		var timeout interface{ Timeout() bool }
		if errors.As(err, &timeout) {
			assert.False(t, timeout.Timeout(), "%s: the port must hang up", name)
		}
		conn.Close()
	}
}

func TestRaftAndCallsShareThePort(t *testing.T) {
	t.Parallel()
	a, b := testPort(t, "a", [16]byte{}), testPort(t, "b", [16]byte{})
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := raftStream{port: b}.Accept()
		if err == nil {
			accepted <- c
		}
	}()
	c, err := raftStream{port: a}.Dial("", time.Second)
	assert.Error(t, err)
	assert.Nil(t, c)
	c, err = a.dial(b.advertise, kindRaft, time.Second)
	require.NoError(t, err)
	defer c.Close()
	other := <-accepted
	defer other.Close()
	_, err = c.Write([]byte("raft"))
	require.NoError(t, err)
	got := make([]byte, 4)
	_, err = io.ReadFull(other, got)
	require.NoError(t, err)
	assert.Equal(t, "raft", string(got))
}
