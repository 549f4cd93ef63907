package trace

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"holdfast/engine"
)

// eventPage is how many events are read at a time.
const eventPage = 1000

// events adds what the ledger did for the order's reservations, of the newest events.
func (t *Tracer) events(ctx context.Context, line *Timeline) error {
	if t.Events == nil {
		line.Missing = append(line.Missing, "the events of the ledger")
		return nil
	}
	var last uint64
	if _, err := t.Store.Ledger(ctx, func(l *engine.Ledger) bool {
		last = l.LastEvent()
		return false
	}); err != nil {
		return err
	}
	after := last - min(last, maxEvents)
	if after > 0 {
		line.Missing = append(line.Missing,
			fmt.Sprintf("events of the ledger before sequence %d", after+1))
	}
	var found []engine.Event
	gone := false
	for after < last {
		page, err := t.Events.Events(after, eventPage)
		var coded interface{ Code() string }
		if errors.As(err, &coded) && coded.Code() == "events-gone" {
			gone = true
			after += (last-after)/2 + 1 // nearer to what is kept
			continue
		}
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for i := range page {
			if ofOrder(page[i].Cause, line.Order) {
				found = append(found, page[i])
			}
		}
		after = page[len(page)-1].Seq
	}
	if gone {
		line.Missing = append(line.Missing, "events of the ledger that are no longer kept")
	}
	return t.name(ctx, line, found)
}

// ofOrder reports whether a cause is the order's reservation, or a further one of it.
func ofOrder(cause, order string) bool {
	rest, ok := strings.CutPrefix(cause, order)
	return ok && (rest == "" || rest[0] == '~')
}

// name makes items of events, whose SKUs and locations are numbers.
func (t *Tracer) name(ctx context.Context, line *Timeline, found []engine.Event) error {
	at := 0
	_, err := t.Store.Ledger(ctx, func(l *engine.Ledger) bool {
		for range min(64, len(found)-at) {
			e := &found[at]
			more := strings.TrimSpace(l.NameOf(engine.SKUName, e.SKU) + " " +
				l.NameOf(engine.LocationName, e.Location))
			if e.Qty != 0 {
				more = fmt.Sprintf("%d × %s", e.Qty, more)
			}
			line.Items = append(line.Items, Item{At: time.UnixMilli(e.At).UTC(), From: "ledger",
				What: e.Type.String(), More: more, Ref: fmt.Sprintf("event %d", e.Seq)})
			at++
		}
		return at < len(found)
	})
	return err
}
