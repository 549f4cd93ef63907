package raftstore

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// newRaftLogger returns a logger for raft that writes warnings and errors to log and drops the
// rest: what raft says below that is a line per state change, and we write our own.
func newRaftLogger(name string, log *slog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Name: name, Level: hclog.Off, Output: io.Discard,
	})
	l.RegisterSink(raftSink{log: log.With("part", name)})
	return l
}

// raftSink hands raft's log lines on. Safe for concurrent use.
type raftSink struct{ log *slog.Logger }

// Accept writes one line.
func (s raftSink) Accept(_ string, level hclog.Level, msg string, args ...any) {
	if level < hclog.Warn {
		return
	}
	to := slog.LevelWarn
	if level >= hclog.Error {
		to = slog.LevelError
	}
	for i, a := range args {
		if f, ok := a.(hclog.Format); ok && len(f) > 0 {
			args[i] = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
	}
	s.log.Log(context.Background(), to, msg, args...)
}
