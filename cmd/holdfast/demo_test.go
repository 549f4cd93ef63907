package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/demo"
	"holdfast/cmd/internal/node"
)

// TestDemo runs a small demo to its end, kill included.
func TestDemo(t *testing.T) {
	t.Parallel()
	p := launchProcess(t, "demo", "--orders", "400", "--seed", "1")
	assert.Equal(t, exitOK, p.wait())
	assert.Contains(t, p.stderr(), "killed the leader")
	assert.Contains(t, p.stderr(), "is back from its folder")
}

// TestDemoIsInterrupted stops a demo in the middle: it says so and leaves nothing behind.
func TestDemoIsInterrupted(t *testing.T) {
	t.Parallel()
	p := launchProcess(t, "demo", "--orders", "100000", "--seed", "1", "--rate", "100")
	require.Eventually(t, func() bool { return strings.Contains(p.stderr(), "SKUs") }, ready,
		time.Millisecond)
	assert.Equal(t, exitInterrupted, p.signal(os.Interrupt))
	assert.Contains(t, p.stderr(), "holdfast: stopped by a signal\n")
	assert.NotContains(t, p.stderr(), "is kept in")

	wrong := launchProcess(t, "demo", "--orders", "0")
	assert.Equal(t, exitUsage, wrong.wait())
	assert.Contains(t, wrong.stderr(), "orders: 0 must be 1 or more")
}

// liar is a node that says of one SKU that more is on hand than there is.
type liar struct {
	demo.Node
	server *http.Server
}

func (l *liar) Kill() {
	_ = l.server.Close()
	l.Node.Kill()
}

func (l *liar) Close() error { return errors.Join(l.server.Close(), l.Node.Close()) }

// launchLiar launches a node behind a proxy that lies.
func launchLiar(ctx context.Context, s demo.Spec) (demo.Node, error) {
	ln, err := net.Listen("tcp", s.HTTP)
	if err != nil {
		return nil, err
	}
	s.HTTP = "127.0.0.1:0"
	n, err := launch(ctx, s)
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	target := &url.URL{Scheme: "http", Host: n.(*node.Node).Addr()}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Method != http.MethodGet || r.Request.URL.Path != "/v1/stock/SKU-0001" {
				return nil
			}
			body, err := io.ReadAll(r.Body)
			body = bytes.Replace(body, []byte(`"on_hand":`), []byte(`"on_hand":1`), 1)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return err
		},
	}
	l := &liar{Node: n, server: &http.Server{Handler: proxy}}
	go func() { _ = l.server.Serve(ln) }()
	return l, nil
}

// TestDemoFindsALie runs a demo on three nodes of which one lies: the demo must say so and fail,
// and keep the folder.
func TestDemoFindsALie(t *testing.T) {
	t.Parallel()
	var out, progress bytes.Buffer
	err := demo.Run(t.Context(), demo.Config{Orders: 50, Seed: 1, Out: &out, Progress: &progress,
		Launch: func(ctx context.Context, s demo.Spec) (demo.Node, error) {
			if s.Name == "n3" {
				return launchLiar(ctx, s)
			}
			return launch(ctx, s)
		}})
	require.ErrorIs(t, err, demo.ErrBroken, progress.String())
	assert.Contains(t, out.String(), "FAILED on hand balances")
	assert.Contains(t, out.String(), "n3: SKU-0001 at ")
	assert.Contains(t, out.String(), "ok     no hold outlives its deadline")
	_, dir, ok := strings.Cut(strings.TrimSpace(progress.String()), "the nodes' data is kept in ")
	require.True(t, ok, progress.String())
	require.DirExists(t, dir)
	require.NoError(t, os.RemoveAll(dir))
}
