package publish

import (
	"math"
	"time"
)

// pace is how fast a channel sells at a slot: units since a moment, of which older ones count less and
// less.
type pace struct {
	at    time.Time
	tally int64
	units float64
	sku   string
	sold  time.Time // the last one that was seen; zero: none was
}

// paceTime is in how long a sale's weight falls to 1/e: a sale event is seen within minutes, and
// forgotten within the hour.
const paceTime = 10 * time.Minute

// measure takes note of a tally.
func (w *worker) measure(s *Slot, tally int64, now time.Time) {
	last, ok := w.pace[s.ID]
	if !ok {
		w.pace[s.ID] = pace{at: now, tally: tally, sku: s.SKU}
		return
	}
	last.units *= math.Exp(-float64(now.Sub(last.at)) / float64(paceTime))
	if sold := last.tally - tally; sold > 0 {
		last.units += float64(sold)
		last.sold = now
	}
	last.at, last.tally = now, tally
	w.pace[s.ID] = last
}

// maxLag bounds how far ahead a pace is believed.
const maxLag = 30 * time.Minute

// unseen is velocity × lag, rounded up: what the channel is expected to have sold that is not in yet.
func (w *worker) unseen(s *Slot, _ int64, watermark time.Time) int64 {
	last := w.pace[s.ID]
	now := w.l.p.cfg.Now()
	lag := min(maxLag, now.Sub(watermark))
	units := last.units * math.Exp(-float64(now.Sub(last.at))/float64(paceTime))
	if lag <= 0 || units < 0.01 {
		return 0
	}
	return int64(math.Ceil(units * float64(lag) / float64(paceTime)))
}
