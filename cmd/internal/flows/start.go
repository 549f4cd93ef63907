package flows

import (
	"context"
	"fmt"
	"strings"

	"holdfast/adapters/amazon"
	"holdfast/adapters/connections"
	"holdfast/adapters/mapping"
	"holdfast/adapters/publish"
)

// middle is what of a start is ours: mapping, audit and drift.
type middle struct {
	table     *mapping.Table
	auditor   *mapping.Auditor
	publisher *publish.Publisher
}

// mapSettings are the settings of a connection, of any kind, that say how its catalogue is mapped.
type mapSettings struct {
	// Map is "suggested": what the audit is sure of, by barcode or by an equal SKU, is mapped by itself.
	Map string `json:"map"`
}

const (
	mapSuggested = "suggested"
	mapPage      = 500
	// maxNamed bounds the names in an obstacle.
	maxNamed = 20
)

// Mapping fills in what rows learn from the catalogue, and maps a page of what the audit is sure of, if
// the connection wants that. It fails with the store's error.
func (m middle) Mapping(ctx context.Context, c connections.Connection, cursor string) (
	p connections.Page, err error) {
	suggest := settingsOf[mapSettings](c).Map == mapSuggested
	if after, suggesting := strings.CutPrefix(cursor, suggesting); suggesting {
		return m.suggest(ctx, c, after)
	}
	next, changed, err := m.table.Complete(ctx, c.ID, cursor)
	p.Rows, p.Next = changed, next
	if next == "" && suggest {
		p.Next = suggesting
	}
	return p, err
}

// suggesting begins the cursors of the second half of the step.
const suggesting = "suggested:"

func (m middle) suggest(ctx context.Context, c connections.Connection, after string) (
	p connections.Page, err error) {
	_, found, next, err := m.auditor.Page(ctx, mapping.Filter{
		Kind: mapping.Unmapped, Connection: c.ID, After: after, Limit: mapPage,
	})
	if err != nil {
		return p, err
	}
	var rows []mapping.Row
	for i := range found {
		if row, sure := found[i].Proposal(); sure {
			rows = append(rows, row)
		}
	}
	if p.Rows = len(rows); next != "" {
		p.Next = suggesting + next
	}
	if len(rows) == 0 {
		return p, nil
	}
	// A page that is done twice finds the same rows there already.
	_, err = m.table.Put(ctx, mapping.Lines(rows), mapping.PutOptions{})
	return p, err
}

// Audit lists what of the mapping must be cleared. It fails with the store's error.
func (m middle) Audit(ctx context.Context, c connections.Connection, _ string) (
	p connections.Page, err error) {
	p.Found, err = m.auditObstacles(ctx, c)
	return p, err
}

func (m middle) auditObstacles(ctx context.Context, c connections.Connection) (
	[]connections.Obstacle, error) {
	run, err := m.auditor.Run(ctx)
	if err != nil {
		return nil, err
	}
	count := run.Blocking[c.ID]
	if count == 0 {
		return nil, nil
	}
	o := connections.Obstacle{Code: "audit-conflicts", Count: count,
		Detail: fmt.Sprintf("the audit has %d conflicts of this connection", count),
		Do:     "GET /v1/mappings/audit?connection=" + c.ID + " names them; mend the rows with PUT /v1/mappings",
	}
	for after := ""; len(o.Names) < maxNamed; {
		found, next := run.Page(mapping.Filter{Connection: c.ID, After: after, Limit: mapPage})
		for i := range found {
			if found[i].Blocks && len(o.Names) < maxNamed {
				o.Names = append(o.Names, found[i].Detail)
			}
		}
		if after = next; next == "" {
			break
		}
	}
	return []connections.Obstacle{o}, nil
}

// Drift lists differences between what the connection shows and what was expected that nobody has
// explained. It fails with the store's error.
func (m middle) Drift(ctx context.Context, c connections.Connection, _ string) (
	p connections.Page, err error) {
	p.Found, err = m.driftObstacles(ctx, c)
	return p, err
}

func (m middle) driftObstacles(ctx context.Context, c connections.Connection) (
	[]connections.Obstacle, error) {
	open := 0
	var names []string
	for after := ""; ; {
		rows, next, err := m.publisher.Drift(ctx, publish.Filter{Connection: c.ID, Drifted: true}, after,
			mapPage)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			// A number that is gone there is nothing to explain: it is shown, and nothing is sent to it.
			if r.Repaired.IsZero() && r.Repair != "push" && r.Cause != publish.Missing {
				if open++; len(names) < maxNamed {
					names = append(names, r.Slot)
				}
			}
		}
		if after = next; next == "" {
			break
		}
	}
	if open == 0 {
		return nil, nil
	}
	return []connections.Obstacle{{Code: "drift-unexplained", Count: open, Names: names,
		Detail: fmt.Sprintf("%d numbers there differ from ours, and nothing explains it", open),
		Do:     "GET /v1/drift?connection=" + c.ID + " shows them; POST /v1/drift/repair mends them",
	}}, nil
}

// obstacles is what stands in the way of mode on now.
func (m middle) obstacles(ctx context.Context, c connections.Connection) ([]connections.Obstacle, error) {
	if !observed(c.Kind) {
		return nil, nil
	}
	found, err := m.auditObstacles(ctx, c)
	if err != nil {
		return nil, err
	}
	if c.Kind == "amazon" {
		found = append(found, amazon.Obstacles(c)...)
	}
	more, err := m.driftObstacles(ctx, c)
	return append(found, more...), err
}

// observed reports whether connections of a kind show anything that can be held against ours.
func observed(kind string) bool { return kind != "erp" }
