package httpapi

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRefusedBodyIsAnsweredToItsSender sends all of a body that is far too large before it reads, as
// most clients do, and must see the 413 and not a reset.
func TestRefusedBodyIsAnsweredToItsSender(t *testing.T) {
	t.Parallel()
	conn, err := net.Dial("tcp", serve(t, newFake()).addr)
	require.NoError(t, err)
	defer conn.Close()
	const size = 6 << 20
	_, err = fmt.Fprintf(conn, "POST /v1/stock HTTP/1.1\r\nHost: 127.0.0.1\r\n"+
		"Content-Length: %d\r\n\r\n", size)
	require.NoError(t, err)
	_, err = io.Copy(conn, strings.NewReader(strings.Repeat("x", size)))
	require.NoError(t, err, "the connection was reset before the answer")
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(answer), "HTTP/1.1 413")
	require.Contains(t, string(answer), "too-large")
}
