package spapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// Span is a delay that is drawn evenly from Min to Max, in milliseconds at speed 1.
type Span struct {
	Min int64 `json:"min_ms"`
	Max int64 `json:"max_ms"`
}

func (s Span) draw(r *rand.Rand) time.Duration {
	ms := s.Min
	if s.Max > s.Min {
		ms += r.Int64N(s.Max - s.Min + 1)
	}
	return time.Duration(ms) * time.Millisecond
}

// Timing holds the delays that Amazon does not promise. All are divided by the speed.
type Timing struct {
	Pending      Span `json:"pending"`       // an order stays PENDING
	Index        Span `json:"index"`         // until searchOrders sees a change
	Notify       Span `json:"notify"`        // until a notification is on its queue
	Patch        Span `json:"patch"`         // until an accepted patch is in effect
	FeedWait     Span `json:"feed_wait"`     // a feed stays IN_QUEUE
	FeedMessage  Span `json:"feed_message"`  // one message of a feed is processed
	Report       Span `json:"report"`        // a report stays IN_PROGRESS
	FBAShip      Span `json:"fba_ship"`      // a warehouse takes for a package
	FBALevel     Span `json:"fba_level"`     // until getInventorySummaries sees a change
	MCFStep      Span `json:"mcf_step"`      // between two states of a multi-channel order
	Finance      Span `json:"finance"`       // until a transaction is listed
	ShipmentRows Span `json:"shipment_rows"` // until a shipment is in the fulfilled shipments report
}

const (
	ms     = int64(1)
	second = 1000 * ms
	minute = 60 * second
	hour   = 60 * minute
)

// Usual returns delays as sellers report them. Finance is documented as up to 48 hours.
func Usual() Timing {
	return Timing{Pending: Span{2 * minute, 30 * minute}, Index: Span{0, 3 * minute},
		Notify: Span{0, 30 * second}, Patch: Span{0, 10 * minute},
		FeedWait: Span{30 * second, 5 * minute}, FeedMessage: Span{20, 60},
		Report: Span{30 * second, 5 * minute}, FBAShip: Span{2 * hour, 24 * hour},
		FBALevel: Span{0, 5 * minute}, MCFStep: Span{2 * minute, 10 * minute},
		Finance: Span{0, hour}, ShipmentRows: Span{0, hour}}
}

// merged lays spans over t, given as JSON. The error names one that is not known or not in order.
func (t Timing) merged(text json.RawMessage) (Timing, error) {
	if len(text) == 0 {
		return t, nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&t); err != nil {
		return t, fmt.Errorf("timing: %w", err)
	}
	return t, t.validate()
}

func (t Timing) validate() error {
	for _, s := range []Span{t.Pending, t.Index, t.Notify, t.Patch, t.FeedWait, t.FeedMessage,
		t.Report, t.FBAShip, t.FBALevel, t.MCFStep, t.Finance, t.ShipmentRows} {
		if s.Min < 0 || s.Max != 0 && s.Max < s.Min {
			return fmt.Errorf("timing: a span from %d to %d ms", s.Min, s.Max)
		}
	}
	return nil
}
