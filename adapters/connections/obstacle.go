package connections

import (
	"fmt"
	"slices"
	"strings"
)

// Obstacle is a reason why a connection must not be on, and what to do about it.
type Obstacle struct {
	Code   string   `json:"code"`            // stable; those below, or one of the kind's
	Detail string   `json:"detail"`          // for people
	Do     string   `json:"do"`              // what clears it
	Names  []string `json:"names,omitempty"` // of what it is about, at most maxNames
	Count  int      `json:"count"`           // of all that it is about
}

// The reasons that every kind shares.
const (
	// AuditConflicts: two sides of the mapping say different things.
	AuditConflicts = "audit-conflicts"
	// DriftUnexplained: a level differs from ours, and no sale or edit accounts for it.
	DriftUnexplained = "drift-unexplained"
	// ForeignOrders: orders that another app made carry Amazon ids; with both running each sale
	// would be created twice.
	ForeignOrders = "foreign-orders"
	// FulfilmentModel: it is not said whether a region's orders are fulfilled by Amazon, by the
	// merchant, or by both.
	FulfilmentModel = "fulfilment-model"
)

// What to do about each, where whoever found it does not say.
var remedies = map[string]string{
	AuditConflicts: "mend the rows that `holdfast mapping audit` lists, then turn it on again",
	DriftUnexplained: "look at GET /v1/drift, repair or accept each row, then run the flow start and " +
		"turn it on again",
	ForeignOrders:   "switch that app off, set orders_from behind its last order, then run the flow start",
	FulfilmentModel: "set the fulfilment model of each region in settings: merchant, amazon or both",
}

const (
	maxNames     = 20 // enough to see what they have in common
	maxObstacles = 32
)

// merge joins reasons of one code: their names and counts add up. It returns a list of its own.
func merge(all, more []Obstacle) []Obstacle {
	all = slices.Clone(all)
	for _, o := range more {
		o.Count = max(o.Count, len(o.Names), 1)
		i := slices.IndexFunc(all, func(a Obstacle) bool { return a.Code == o.Code })
		if i < 0 {
			if len(all) == maxObstacles {
				continue
			}
			if o.Do == "" {
				o.Do = remedies[o.Code]
			}
			all = append(all, Obstacle{Code: o.Code, Detail: o.Detail, Do: o.Do})
			i = len(all) - 1
		}
		a := &all[i]
		a.Count += o.Count
		a.Names = slices.Clone(a.Names)
		for _, n := range o.Names {
			if len(a.Names) < maxNames && !slices.Contains(a.Names, n) {
				a.Names = append(a.Names, n)
			}
		}
	}
	return all
}

// BlockedError says why a connection may not be on.
type BlockedError struct {
	ID        string
	Obstacles []Obstacle
}

// Error lists every reason with what to do.
func (e *BlockedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "connection %s may not be on:", e.ID)
	for i, o := range e.Obstacles {
		if i > 0 {
			b.WriteByte(';')
		}
		fmt.Fprintf(&b, " %s", o)
	}
	return b.String()
}

// Code returns the wire name.
func (e *BlockedError) Code() string { return "blocked" }

// String is the reason in one line.
func (o Obstacle) String() string {
	text := o.Code + " (" + o.Detail
	if len(o.Names) > 0 {
		text += ": " + strings.Join(o.Names, ", ")
		if rest := o.Count - len(o.Names); rest > 0 {
			text += fmt.Sprintf(" and %d more", rest)
		}
	}
	return text + "); what to do: " + o.Do
}
