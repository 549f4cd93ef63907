package raftstore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
)

func TestAPeerThatIsDownIsALineInTenSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := newRaftLogger("raft", slog.New(slog.NewTextHandler(&out, nil)),
			[]Peer{{Node: "n2", Addr: "127.0.0.2:1"}})
		down := func() {
			l.Error("failed to make requestVote RPC",
				"target", raft.Server{ID: "n2.1", Address: "127.0.0.2:1"}, "error", errors.New("no"))
			l.Error("failed to heartbeat to", "peer", raft.ServerAddress("127.0.0.2:1"))
			l.Warn("failed to contact", "server-id", raft.ServerID("n2.1"))
		}
		for range 100 {
			down()
			time.Sleep(90 * time.Millisecond)
		}
		l.Error("failed to heartbeat to", "peer", raft.ServerAddress("127.0.0.3:1"))
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		assert.Len(t, lines, 2, "one for each peer")
		assert.NotContains(t, out.String(), "ERROR")
		out.Reset()
		time.Sleep(time.Second)
		down()
		assert.Equal(t, 1, strings.Count(out.String(), "\n"))
		assert.Contains(t, out.String(), "left_out=299")
		out.Reset()
		l.Error("failed to commit logs", "error", errors.New("no"))
		assert.Contains(t, out.String(), "ERROR", "this is no weather")
		out.Reset()
		ours := fmt.Errorf("read tcp: %w", net.ErrClosed)
		l.Error("failed to decode incoming command", "error", ours)
		assert.Empty(t, out.String(), "this node hung up itself")
		l.Error("failed to decode incoming command", "error", errors.New("reset"))
		assert.NotEmpty(t, out.String())
	})
}
