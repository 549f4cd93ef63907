package connections

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// Ask is what a person or a script asks for: one flow, now.
type Ask struct {
	Flow       string
	Connection string // empty: every one that knows the flow and is not paused
	IDs        []string
	From, To   time.Time
	By         string
	Key        string // the same Key is the same run; empty: a run of its own
}

// The limits of runs.
const (
	maxIDs     = 500
	maxWaiting = 100                // runs of one connection that have not ended
	keepRuns   = 7 * 24 * time.Hour // that have: a week of looking back
)

// FlowStart is the flow that every connection has: its start, anew from the first page.
const FlowStart = "start"

// UnknownFlowError says that no connection that was meant has the flow.
type UnknownFlowError struct {
	Flow, Connection string
	Known            []string
}

// Error names the flow and those that there are.
func (e *UnknownFlowError) Error() string {
	where := "no connection that is not paused"
	if e.Connection != "" {
		where = "connection " + e.Connection + " does not"
	}
	text := where + " know flow " + e.Flow
	if e.Connection == "" {
		text = where + " knows flow " + e.Flow
	}
	if len(e.Known) > 0 {
		text += ", only " + strings.Join(e.Known, ", ")
	}
	return text
}

// Code returns the wire name.
func (e *UnknownFlowError) Code() string { return "unknown-flow" }

// Flows are the runs of flows, in the records: whoever leads does those that wait, so a run that
// was asked for is done although the node that took it, or the leader, is lost. It is safe for
// concurrent use.
type Flows struct {
	store    records.Store
	registry *Registry
	known    func(kind string) []string
	now      func() time.Time
}

// NewFlows makes a Flows; known lists the flows of a kind.
func NewFlows(store records.Store, registry *Registry, known func(kind string) []string,
	now func() time.Time) *Flows {
	return &Flows{store: store, registry: registry, known: known, now: now}
}

// Ask queues a run on each connection that is meant, all at one index, and returns them. It fails
// with *engine.FieldError, *UnknownError, *UnknownFlowError, *InUseError when the connection is
// paused or too many runs wait, or with the store's error; then none was queued, unless its Code
// says otherwise.
func (f *Flows) Ask(ctx context.Context, a Ask) ([]Run, error) {
	if err := a.validate(); err != nil {
		return nil, err
	}
	targets, err := f.targets(ctx, a)
	if err != nil {
		return nil, err
	}
	id := a.Key
	if id == "" {
		var b [8]byte
		rand.Read(b[:]) // never fails
		id = hex.EncodeToString(b[:])
	}
	var runs []Run
	_, err = records.Retry(ctx, f.store, func(tx *records.Tx) error {
		runs = runs[:0]
		for _, c := range targets {
			r, err := f.queue(ctx, tx, a, Run{ID: id, Connection: c.ID})
			if err != nil {
				return err
			}
			runs = append(runs, r)
		}
		return tx.Fault()
	})
	if err != nil {
		return nil, fmt.Errorf("ask for flow %s: %w", a.Flow, err)
	}
	return runs, nil
}

func (a *Ask) validate() error {
	var f faults
	if !nameForm.MatchString(a.Flow) {
		f.add("name", "must be the name of a flow")
	}
	if len(a.IDs) > maxIDs {
		f.add("ids", "must be at most %d", maxIDs)
	}
	for i, id := range a.IDs[:min(len(a.IDs), maxIDs)] {
		if id == "" || len(id) > engine.MaxIDBytes || !plain(id) {
			f.add(fmt.Sprintf("ids[%d]", i), "must be 1 to %d bytes without control characters",
				engine.MaxIDBytes)
		}
	}
	if !a.From.IsZero() && !a.To.IsZero() && !a.From.Before(a.To) {
		f.add("to", "must be later than from")
	}
	return f.err()
}

// targets are the connections that are meant.
func (f *Flows) targets(ctx context.Context, a Ask) ([]Connection, error) {
	knows := func(c *Connection) bool {
		return a.Flow == FlowStart || slices.Contains(f.known(c.Kind), a.Flow)
	}
	if a.Connection != "" {
		e, err := f.registry.Read(ctx, a.Connection)
		switch {
		case err != nil:
			return nil, err
		case !knows(&e.Connection):
			return nil, &UnknownFlowError{a.Flow, e.ID, append(f.known(e.Kind), FlowStart)}
		case e.Mode == Paused:
			return nil, &InUseError{e.ID, "is paused: nothing of it runs"}
		}
		return []Connection{e.Connection}, nil
	}
	all, _, err := f.registry.List(ctx, "", records.MaxList)
	if err != nil {
		return nil, err
	}
	var targets []Connection
	for _, e := range all {
		if e.Mode != Paused && knows(&e.Connection) && a.Flow != FlowStart {
			targets = append(targets, e.Connection)
		}
	}
	if a.Flow == FlowStart {
		return nil, &engine.FieldError{Field: "connection", Reason: "is required for flow start"}
	}
	if len(targets) == 0 {
		return nil, &UnknownFlowError{Flow: a.Flow}
	}
	return targets, nil
}

// queue adds one run to a Tx. One that is there under the same id is returned as it is.
func (f *Flows) queue(ctx context.Context, tx *records.Tx, a Ask, r Run) (Run, error) {
	for _, prefix := range []string{runPrefix(r.Connection), ranPrefix(r.Connection)} {
		row, ok, err := f.store.Get(ctx, records.Cursors, prefix+r.ID)
		if err != nil {
			return Run{}, err
		}
		if ok {
			return records.Decode[Run](row)
		}
	}
	waiting, _, err := f.store.List(ctx, records.Cursors, runPrefix(r.Connection), "", maxWaiting)
	if err != nil {
		return Run{}, err
	}
	if len(waiting) >= maxWaiting {
		return Run{}, &InUseError{r.Connection, fmt.Sprintf("has %d runs that wait already", maxWaiting)}
	}
	r.Flow, r.IDs, r.From, r.To, r.By = a.Flow, a.IDs, a.From.UTC(), a.To.UTC(), a.By
	r.State, r.AskedAt = Queued, f.now().UTC()
	tx.Create(records.Record{Table: records.Cursors, Key: runPrefix(r.Connection) + r.ID,
		Body: tx.Encode(r)})
	return r, nil
}

// A run waits under one prefix and is kept under another, so that those that wait are few and found
// at once.
func runPrefix(connection string) string { return connection + "/run/" }
func ranPrefix(connection string) string { return connection + "/ran/" }

// lastKey is the record of the last run that a schedule made due.
func lastKey(connection, flow string) string { return connection + "/flow/" + flow }

// Runs lists up to limit runs of a connection: those that wait, oldest first, and then those of the
// last week that have ended, newest first. It fails with the store's error.
func (f *Flows) Runs(ctx context.Context, connection string, limit int) ([]Run, error) {
	waiting, err := readRuns(ctx, f.store, runPrefix(connection))
	if err != nil {
		return nil, err
	}
	ended, err := readRuns(ctx, f.store, ranPrefix(connection))
	if err != nil {
		return nil, err
	}
	slices.Reverse(ended)
	all := append(waiting, ended...)
	return all[:min(limit, len(all))], nil
}

// readRuns reads the runs of a prefix, at most MaxList, oldest first.
func readRuns(ctx context.Context, r records.Reader, prefix string) ([]Run, error) {
	rows, _, err := r.List(ctx, records.Cursors, prefix, "", records.MaxList)
	if err != nil {
		return nil, fmt.Errorf("read the runs of %s: %w", prefix, err)
	}
	var all []Run
	var faulty error
	for _, row := range rows {
		run, err := records.Decode[Run](row)
		if err != nil {
			faulty = errors.Join(faulty, err)
			continue
		}
		run.version = row.Version
		all = append(all, run)
	}
	slices.SortStableFunc(all, func(a, b Run) int { return a.AskedAt.Compare(b.AskedAt) })
	return all, faulty
}

// Timetable is one flow of one connection: when it runs, and how the last run went.
type Timetable struct {
	Connection string    `json:"connection"`
	Flow       string    `json:"flow"`
	On         string    `json:"on"` // event, schedule, off
	Cron       string    `json:"cron,omitempty"`
	Zone       string    `json:"zone,omitempty"`
	Quiet      string    `json:"quiet,omitempty"`
	NextAt     time.Time `json:"next_at,omitzero"`
	Last       *Last     `json:"last,omitempty"` // that the schedule made due
}

// Timetables lists the flows of all connections, in the order of their names. It fails with the
// store's error.
func (f *Flows) Timetables(ctx context.Context) ([]Timetable, error) {
	entries, _, err := f.registry.List(ctx, "", records.MaxList)
	if err != nil {
		return nil, err
	}
	var all []Timetable
	for _, e := range entries {
		for _, flow := range f.known(e.Kind) {
			t, err := f.timetable(ctx, e.Connection, flow)
			if err != nil {
				return nil, err
			}
			all = append(all, t)
		}
	}
	slices.SortStableFunc(all, func(a, b Timetable) int {
		return cmp.Or(cmp.Compare(a.Connection, b.Connection), cmp.Compare(a.Flow, b.Flow))
	})
	return all, nil
}

func (f *Flows) timetable(ctx context.Context, c Connection, flow string) (Timetable, error) {
	doc := c.Flows[flow]
	t := Timetable{Connection: c.ID, Flow: flow, On: cmp.Or(doc.On, OnEvent), Cron: doc.Cron,
		Zone: doc.Zone, Quiet: doc.Quiet}
	last, err := readLast(ctx, f.store, c.ID, flow)
	if err != nil || !doc.scheduled() {
		return t, err
	}
	if last.version != 0 && last.State != "" {
		t.Last = &last
	}
	s, err := NewSchedule(doc)
	if err != nil || c.Mode == Paused {
		return t, err
	}
	t.NextAt = s.Next(f.now())
	return t, nil
}
