package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLogWaitsForTheReadyLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := newLogger(&out, "warn", "text", false)
	log.Error("early")
	log.Info("not wanted")
	assert.Empty(t, out.String())
	out.WriteString("ready\n")
	log.release()
	log.release()
	log.Warn("late")
	lines := strings.Split(out.String(), "\n")
	assert.Len(t, lines, 4)
	assert.Equal(t, "ready", lines[0])
	assert.Contains(t, lines[1], "msg=early")
	assert.Contains(t, lines[2], "msg=late")
}

func TestLogKeepsOnlySoMuch(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := newLogger(&out, "info", "json", true)
	for range 1_000 {
		log.Info(strings.Repeat("x", 10_000))
	}
	log.release()
	assert.LessOrEqual(t, out.Len(), keepAtMost)
	assert.Greater(t, out.Len(), keepAtMost/2)
}
