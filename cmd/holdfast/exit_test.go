package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/client"
)

func TestStatusOfEveryOutcome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{errors.New("x"), exitFailure},
		{usagef("x"), exitUsage},
		{&client.Problem{Status: 404}, exitRefused},
		{&client.Problem{Status: 401}, exitRefused},
		{&client.Problem{Status: 409}, exitRefused},
		{&client.Problem{Status: 413}, exitRefused},
		{&client.Problem{Status: 429}, exitUnreachable},
		{&client.Problem{Status: 500}, exitFailure},
		{&client.Problem{Status: 503}, exitUnreachable},
		{&client.Problem{Status: 504}, exitUnknown},
		{&client.Problem{Status: 507}, exitUnreachable},
		{&client.UnreachableError{}, exitUnreachable},
		{&client.UnknownError{}, exitUnknown},
		{&client.UnknownError{Err: context.Canceled}, exitUnknown},
	} {
		assert.Equal(t, c.want, statusOf(c.err), "%v", c.err)
		if c.err != nil {
			assert.Equal(t, c.want, statusOf(fmt.Errorf("deed: %w", c.err)), "wrapped %v", c.err)
		}
	}
	for i, s := range exitStatuses[:exitData+1] {
		assert.Equal(t, i, s.code, "the page of statuses has no gap")
	}
}

// TestFollowTakesUpTheStream cuts a stream in the middle and looks that nothing is lost or told
// twice.
func TestFollowTakesUpTheStream(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	event := func(seq int) string {
		return fmt.Sprintf(`{"seq":%d,"index":1,"at":"2026-01-31T14:00:00Z","type":"stock.set"}`, seq)
	}
	var streams []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != "text/event-stream" {
			fmt.Fprintf(w, `{"events":[%s],"next":1}`, event(1))
			return
		}
		streams = append(streams, r.Header.Get("Last-Event-ID"))
		switch len(streams) {
		case 1:
			fmt.Fprintf(w, ": hello\n\nid: 2\nevent: stock.set\ndata: %s\n\n", event(2))
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			fmt.Fprintf(w, "id: 2\ndata: %s\n\nid: 3\ndata: %s\n\n", event(2), event(3))
		default:
			cancel()
		}
	}))
	defer server.Close()
	var out, errs bytes.Buffer
	a := &app{args: []string{"event", "tail", "--follow", "-o", "json", "--server", server.URL},
		stdin: strings.NewReader(""), stdout: &out, stderr: &errs}
	require.Equal(t, exitOK, a.run(ctx), errs.String())
	assert.Equal(t, event(1)+"\n"+event(2)+"\n"+event(3)+"\n", out.String())
	assert.Equal(t, []string{"1", "2", "2", "3"}, streams)
}
