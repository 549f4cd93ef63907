package main

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
)

// logger is the log of a node. What is logged before release is kept and written then, so that the
// first line on standard error is the ready line, or the reason why there is none.
type logger struct {
	*slog.Logger
	gate *gate
}

// newLogger returns a logger of a level (debug, info, warn, error) and a form (auto, text, json),
// both checked by package settings.
func newLogger(w io.Writer, level, form string, terminal bool) *logger {
	opts := &slog.HandlerOptions{}
	var least slog.Level
	_ = least.UnmarshalText([]byte(level)) // the settings allow only what it knows
	opts.Level = least
	g := &gate{w: w}
	if form == "text" || (form == "auto" && terminal) {
		return &logger{Logger: slog.New(slog.NewTextHandler(g, opts)), gate: g}
	}
	return &logger{Logger: slog.New(slog.NewJSONHandler(g, opts)), gate: g}
}

// release writes what was kept; from here on everything is written at once.
func (l *logger) release() { l.gate.open() }

// gate is a writer that keeps what is written to it until it is opened. It is safe for concurrent
// use.
type gate struct {
	mu     sync.Mutex
	w      io.Writer
	opened bool
	kept   bytes.Buffer
}

// keepAtMost bounds what a node keeps that never gets ready; the first lines tell most.
const keepAtMost = 1 << 20 // bytes

// Write writes one record, or keeps it. The error is the writer's; what is too much to keep is
// dropped without one.
func (g *gate) Write(record []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened {
		return g.w.Write(record)
	}
	if g.kept.Len()+len(record) <= keepAtMost {
		g.kept.Write(record)
	}
	return len(record), nil
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.opened {
		_, _ = g.w.Write(g.kept.Bytes()) // nobody is there to be told
		g.opened, g.kept = true, bytes.Buffer{}
	}
}
