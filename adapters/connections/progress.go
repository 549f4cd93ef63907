package connections

import (
	"context"
	"fmt"
	"time"

	"holdfast/adapters/records"
)

// Step is where the start of a connection is.
type Step string

// The steps, in their order.
const (
	StepCatalogue Step = "catalogue" // what the other side lists is read
	StepMapping   Step = "mapping"   // and matched to SKUs of ours
	StepAudit     Step = "audit"     // both sides are held against each other
	StepOrders    Step = "orders"    // their open orders come in as committed, under their original ids
	StepLevels    Step = "levels"    // what their slots show is read
	StepDrift     Step = "drift"     // and held against ours
	StepDone      Step = "done"
)

var steps = []Step{StepCatalogue, StepMapping, StepAudit, StepOrders, StepLevels, StepDrift,
	StepDone}

// Progress is how far the start of a connection has come. It is the record CONNECTION/start.
//
// It moves by one page a Tx, together with what the page found. So whoever leads next goes on
// behind the last page that was written, and a page that was read but not written is read again.
type Progress struct {
	// Identity is the account that it was made of. With another one the start begins anew.
	Identity  string       `json:"identity"`
	Step      Step         `json:"step"`
	Cursor    string       `json:"cursor,omitempty"` // of the page that comes next
	Rows      map[Step]int `json:"rows"`
	Pages     int          `json:"pages"`
	Found     []Obstacle   `json:"found,omitempty"`
	Term      uint64       `json:"term"` // of the leader that wrote it last
	StartedAt time.Time    `json:"started_at"`
	EndedAt   time.Time    `json:"ended_at,omitzero"`

	version uint64
}

// The records of a connection's feeds that are this package's own.
const (
	startSuffix  = "/start"
	healthSuffix = "/health"
)

func readProgress(ctx context.Context, r records.Reader, id string) (*Progress, error) {
	row, ok, err := r.Get(ctx, records.Cursors, id+startSuffix)
	if err != nil {
		return nil, fmt.Errorf("read the start of connection %s: %w", id, err)
	}
	if !ok {
		return nil, nil
	}
	p, err := records.Decode[Progress](row)
	if err != nil {
		return nil, err
	}
	p.version = row.Version
	return &p, nil
}

// write puts the progress in the place of the one that was read.
func (p *Progress) write(tx *records.Tx, id string) {
	tx.Replace(records.Record{Table: records.Cursors, Key: id + startSuffix, Body: tx.Encode(p)},
		p.version)
}

// move notes a page and goes to the next one, or to the next step.
func (p *Progress) move(page Page, now time.Time) {
	p.Rows[p.Step] += page.Rows
	p.Pages++
	p.Found = merge(p.Found, page.Found)
	p.Cursor = page.Next
	if page.Next != "" {
		return
	}
	for i, s := range steps {
		if s == p.Step {
			p.Step = steps[i+1]
			break
		}
	}
	if p.Step == StepDone {
		p.EndedAt = now
	}
}
