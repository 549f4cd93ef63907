package outhooks

import (
	"strings"

	"holdfast/adapters/outbox"
)

// Gate says which endpoints may be sent something, and leaves connections to another gate.
type Gate struct {
	Book *Book
	Next outbox.Gate
}

// Blocked is "" when messages of an endpoint may be sent, or why not: "paused", "disabled". One that was
// removed is not blocked: its messages are dropped. It answers from memory.
func (g Gate) Blocked(connection string) (why string) {
	id, ours := strings.CutPrefix(connection, lanePrefix)
	if !ours {
		return g.Next.Blocked(connection)
	}
	if e := g.Book.entry(id); e != nil {
		return e.closed()
	}
	return ""
}

var _ outbox.Gate = Gate{}
