package engine_test

import (
	"strings"

	"holdfast/engine"
)

// twinInvalid reports whether a command breaks a rule that needs no state. It knows the rules that
// the driver breaks on purpose.
func twinInvalid(c engine.Command) bool {
	id := reservationOf(c)
	switch c := c.(type) {
	case *engine.Reserve:
		return badID(id) || badLines(c.Lines) || badTTL(c.TTL, !c.Commit && c.TTL == 0)
	case *engine.Add:
		return badID(id) || badLines(c.Lines) || badTTL(c.TTL, c.TTL == 0)
	case *engine.Extend:
		return badID(id) || badTTL(c.TTL, false)
	case *engine.Set:
		return badQty(c.Value, 0)
	case *engine.Adjust:
		return c.Delta == 0 || badQty(max(c.Delta, -c.Delta), 1)
	case *engine.Move:
		return badQty(c.Qty, 1) || c.From == c.To
	case *engine.Mirror:
		for _, l := range c.Lines {
			if l.Location == "" || badQty(l.Qty, 1) {
				return true
			}
		}
		return badID(id)
	case *engine.Transfer:
		return badID(id) || badQty(c.Qty, 1) || c.From == c.To
	case *engine.Enrol:
		return strings.Contains(c.Node, ".") || c.Incarnation < 1
	case *engine.Retire:
		return c.Count < 1 || c.Count > engine.MaxRetire
	case *engine.Revive:
		return badID(c.ID)
	case *engine.Put, *engine.Drop, *engine.Expect:
		return badRecord(c)
	case *engine.Purge:
		return c.Count < 1 || c.Count > engine.MaxPurge
	case *engine.Group:
		for _, op := range c.Ops {
			if twinInvalid(op) || reservationOf(op) == "" && !isStock(op) && !isRecord(op) {
				return true
			}
		}
		return len(c.Ops) == 0
	}
	return false
}

// isStock reports whether a command is a stock change.
func isStock(c engine.Command) bool {
	sku, _ := stockOf(c)
	return sku != ""
}

func badQty(n, least int64) bool { return n < least || n > engine.MaxQty }

func badID(id string) bool { return len(id) > engine.MaxIDBytes || strings.Contains(id, " ") }

func badTTL(ttl int64, none bool) bool {
	return !none && ttl != 0 && (ttl < engine.MinTTL || ttl > engine.MaxTTL)
}

func badLines(lines []engine.Line) bool {
	for _, l := range lines {
		if badQty(l.Qty, 1) {
			return true
		}
	}
	return len(lines) == 0 || len(lines) > engine.MaxLines
}
