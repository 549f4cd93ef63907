package mapping

import (
	"context"
	"fmt"
)

// Status is what becomes of a line.
type Status string

// The statuses.
const (
	Created   Status = "created"
	Changed   Status = "changed"
	Unchanged Status = "unchanged"
	Conflict  Status = "conflict" // it contradicts another row
	Invalid   Status = "error"    // it is no row
)

// LineReport says what became of a line, or in a dry run what would.
type LineReport struct {
	Line   int    `json:"line"`
	Status Status `json:"status"`
	SKU    string `json:"sku,omitempty"`
	Column string `json:"column,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// Report is what became of a Put.
type Report struct {
	Index  uint64
	DryRun bool
	Lines  []LineReport
	Counts map[Status]int
	done   []bool // by line: its batch was written
}

func newReport(lines []Line, dry bool) Report {
	return Report{DryRun: dry, Lines: make([]LineReport, len(lines)), Counts: map[Status]int{},
		done: make([]bool, len(lines))}
}

// Bad reports whether any line is a conflict or an error, so that nothing is written.
func (r *Report) Bad() bool { return r.Counts[Conflict]+r.Counts[Invalid] > 0 }

// Written is how many lines were written.
func (r *Report) Written() (n int) {
	for _, done := range r.done {
		if done {
			n++
		}
	}
	return n
}

// plan is what a Put is to write onto a version of the table.
type plan struct {
	version uint64
	writes  []rowWrite
}

type rowWrite struct {
	line int // in Report.Lines
	key  string
	row  Row
	old  uint64 // version of the record that it replaces; 0: there is none
	drop bool
}

// plan judges all lines against the table and against the lines before them.
func (t *Table) plan(ctx context.Context, lines []Line, rep *Report, o PutOptions) (*plan, error) {
	version, err := t.at(ctx, o.Expect)
	if err != nil {
		return nil, err
	}
	rep.Index = max(rep.Index, version)
	pl := &planner{index: t.index, replace: o.Replace, over: newState(), at: map[string]int{},
		plan: &plan{version: version}}
	clear(rep.Counts)
	for i := range lines {
		// What an earlier try has written keeps what was said of it.
		if lr := pl.judge(i, &lines[i]); !rep.done[i] {
			rep.Lines[i] = lr
		}
		rep.Counts[rep.Lines[i].Status]++
	}
	return pl.plan, nil
}

// planner holds the rows of a request over those of the index.
type planner struct {
	index   *Index
	replace bool
	over    *state         // what the lines so far would make
	at      map[string]int // key → its place in plan.writes
	plan    *plan
}

func (p *planner) judge(i int, l *Line) LineReport {
	lr := LineReport{Line: l.Number, SKU: l.Row.SKU, Status: Invalid}
	f := l.Fault
	if f == nil {
		f = l.Row.fault()
	}
	if f != nil {
		lr.Column, lr.Detail = f.Column, f.Reason
		return lr
	}
	row, key := l.Row, l.Row.Key()
	p.index.mu.RLock()
	defer p.index.mu.RUnlock()
	old, known := p.findLocked(key)
	if known && old.row.SKU == row.SKU && row.InventoryItemID == 0 {
		row.InventoryItemID = old.row.InventoryItemID // a variant never gets another one
	}
	if known && old.row == row {
		lr.Status = Unchanged
		p.over.put(key, row, old.version)
		return lr
	}
	if f := p.conflictLocked(key, &row, &old, known); f != nil {
		lr.Status, lr.Column, lr.Detail = Conflict, f.Column, f.Reason
		return lr
	}
	lr.Status = Created
	if known {
		lr.Status = Changed
	}
	p.over.put(key, row, old.version)
	if n, twice := p.at[key]; twice {
		p.plan.writes[n].row = row // the later line stands
		return lr
	}
	p.at[key] = len(p.plan.writes)
	p.plan.writes = append(p.plan.writes, rowWrite{line: i, key: key, row: row, old: old.version})
	return lr
}

// findLocked returns the row under a key as the lines so far would leave it.
func (p *planner) findLocked(key string) (slot, bool) {
	if n, ok := p.over.byKey[key]; ok {
		return p.over.slots[n], true
	}
	n, ok := p.index.rows.byKey[key]
	return p.index.rows.slots[n], ok
}

// conflictLocked says which other row a row contradicts.
func (p *planner) conflictLocked(key string, row *Row, old *slot, known bool) *Fault {
	ref := row.Ref()
	if known && old.row.SKU != row.SKU {
		if _, here := p.over.byKey[key]; here {
			return &Fault{"sku", fmt.Sprintf("an earlier line says that %s is SKU %s", ref, old.row.SKU)}
		}
		if !p.replace {
			return &Fault{"sku", fmt.Sprintf("%s is SKU %s already; delete that row, or send replace=true",
				ref, old.row.SKU)}
		}
	}
	if row.InventoryItemID != 0 {
		for _, s := range p.bothLocked() {
			n, ok := s.byItem[stockKey{row.Connection, row.InventoryItemID}]
			if ok && s.slots[n].key != key && p.standsLocked(s, s.slots[n].key) {
				return &Fault{"inventory_item_id", fmt.Sprintf("is that of %s already, SKU %s",
					s.slots[n].row.Ref(), s.slots[n].row.SKU)}
			}
		}
	}
	if ref.Side == Seller {
		return p.sellerConflictLocked(key, row)
	}
	return p.twiceLocked(key, row)
}

// twiceLocked: a SKU has one variant of a shop and one item of an ERP.
func (p *planner) twiceLocked(key string, row *Row) *Fault {
	for _, s := range p.bothLocked() {
		for other := range s.ofSKU(row.SKU) {
			if other.key != key && other.row.Connection == row.Connection &&
				other.row.Ref().Side.single() && p.standsLocked(s, other.key) {
				return &Fault{"sku", fmt.Sprintf("is %s already; a SKU has one of them", other.row.Ref())}
			}
		}
	}
	return nil
}

// sellerConflictLocked: Amazon keeps one quantity of a seller SKU for all marketplaces of an account,
// so it cannot be two SKUs of ours.
func (p *planner) sellerConflictLocked(key string, row *Row) *Fault {
	for _, s := range p.bothLocked() {
		for other := range s.ofSeller(row.Connection, row.SellerSKU) {
			if other.key != key && other.row.SKU != row.SKU && p.standsLocked(s, other.key) {
				return &Fault{"seller_sku", fmt.Sprintf("is SKU %s already (%s); an account has one "+
					"quantity for it", other.row.SKU, other.row.Ref())}
			}
		}
	}
	return nil
}

// bothLocked are the lines so far and the table, in the order in which they count.
func (p *planner) bothLocked() []*state { return []*state{p.over, p.index.rows} }

// standsLocked reports whether a row that was found in s is not hidden by a line of this request.
func (p *planner) standsLocked(s *state, key string) bool {
	if s == p.over {
		return true
	}
	_, hidden := p.over.byKey[key]
	return !hidden
}
